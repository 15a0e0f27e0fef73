"""The files that runs write beside Redis, under `REGIONAL_FILES`."""

import re
import uuid
from pathlib import Path, PurePosixPath
from typing import Any

from regional_assets.settings import FILES, StoreSettings

_LOGIN = re.compile("(?<=://)[^/]*@")


class FilesError(RuntimeError):
    """A file that cannot be written: in one line its address, the cause and what to do."""


def write(settings: StoreSettings, name: str, content: bytes) -> str:
    """Writes `content` as `name` ('history/mena.csv'), and returns its address.

    A folder's file is replaced as a whole, and missing folders are created. An object store gets
    one upload; its bucket has to exist. Raises `FilesError`.
    """
    shown = address(settings, name)
    try:
        if not _is_remote(settings):
            replace(Path(shown), content)
            return shown
        files, path = _opened(settings, name)
        # An object store has no folders, and its paths begin with the bucket, which some drivers
        # would create.
        if path.startswith("/"):
            files.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
        files.pipe_file(path, content)
    # A driver of fsspec raises errors of its own.
    except Exception as error:
        raise FilesError(_words(settings, shown, error)) from None
    return shown


def address(settings: StoreSettings, name: str = "") -> str:
    """Where `name` is or would be, without user, password and query: a path or an address."""
    if not _is_remote(settings):
        return str(Path(settings.files or settings.state_dir, name))
    root = _LOGIN.sub("", settings.files.partition("?")[0]).rstrip("/")
    return f"{root}/{name}".removesuffix("/")


def write_problem(settings: StoreSettings) -> str | None:
    """Why nothing can be written, found by a trial file that is removed; None when it can be."""
    name = f".trial.{uuid.uuid4().hex}"
    try:
        write(settings, name, b"")
    except FilesError as error:
        return str(error)
    try:
        if _is_remote(settings):
            files, path = _opened(settings, name)
            files.rm_file(path)
        else:
            Path(address(settings, name)).unlink()
    except Exception as error:
        return _words(settings, address(settings, name), error, "removed")
    return None


def replace(path: Path, content: bytes) -> None:
    """Replaces the file as a whole: a reader sees the old one or the new one. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Under a name of its own, as another run may write at the same time.
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _is_remote(settings: StoreSettings) -> bool:
    return "://" in settings.files


def _opened(settings: StoreSettings, name: str) -> tuple[Any, str]:
    """The file system of fsspec, and the path of `name` in it."""
    from fsspec.core import url_to_fs

    files, root = url_to_fs(settings.files)
    return files, f"{root.rstrip('/')}/{name}"


def _words(settings: StoreSettings, shown: str, error: Exception, done: str = "written") -> str:
    cause = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    # A driver may quote the login, or the password alone.
    for login in _LOGIN.findall(settings.files):
        password = login.removesuffix("@").partition(":")[2]
        cause = cause.replace(login, "")
        cause = cause.replace(password, "***") if password else cause
    cause = " ".join(cause.split())
    setting = f"{FILES.name} to another folder or address"
    advice = f"make it writable, or set {setting}"
    if isinstance(error, ImportError):
        advice = f"install that driver of fsspec, or set {setting}"
    elif isinstance(error, ValueError):
        advice = f"set {setting}"
    return f"{shown} cannot be {done}: {cause}; {advice}"
