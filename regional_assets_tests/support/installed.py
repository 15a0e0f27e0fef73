"""The project as a user's machine has it: installed from its wheel, with no checkout in sight."""

import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

_PROGRAM = """#!{python}
import sys
from importlib.metadata import entry_points
(program,) = entry_points(group="console_scripts", name="{name}")
sys.exit(program.load()())
"""


def build(folder: Path) -> Path:
    """The project's wheel, built into `folder`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (built,) = folder.glob("*.whl")
    return built


class Installed(NamedTuple):
    """The folder of its programs, Dagster's and Celery's among them, and that of the package."""

    programs: Path
    package: Path


def installed(folder: Path) -> Installed:
    """The project from its wheel in a virtual environment, which has everything else from the
    environment of the tests."""
    home = folder / "venv"
    venv.create(home, symlinks=True)
    programs = home / "bin"
    python = programs / "python"
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(home)}))
    # What lies there can be imported, but its .pth files, which name the checkout, are not read.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps"]
    subprocess.run([*uv, "--python", python, build(folder / "wheel")], check=True)
    for program in entry_points(group="console_scripts"):
        if program.name.startswith(("dagster", "celery")):
            script = programs / program.name
            script.write_text(_PROGRAM.format(python=python, name=program.name))
            script.chmod(0o755)
    return Installed(programs, packages / "regional_assets")
