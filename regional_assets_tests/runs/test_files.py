"""The files beside Redis: in a folder, in a store of fsspec, and where they cannot be."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from regional_assets.runs.files import FilesError, address, write, write_problem
from regional_assets.settings import StoreSettings


class Bucket(MemoryFileSystem):  # type: ignore[misc]
    """The memory as an object store: paths begin with the bucket, and there are no folders."""

    protocol = "bucket"
    root_marker = ""

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix("bucket://").strip("/")

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        raise AssertionError(f"{path} would be a bucket")

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        self.store[path] = value


@pytest.fixture
def memory() -> Iterator[str]:
    """An address in the memory of fsspec."""
    name = uuid.uuid4().hex
    yield f"memory://{name}"
    files = fsspec.filesystem("memory")
    if files.exists(f"/{name}"):
        files.rm(f"/{name}", recursive=True)


def settings(folder: Path, files: str = "") -> StoreSettings:
    return StoreSettings.from_environment(
        {"REGIONAL_STATE_DIR": str(folder / "state"), "REGIONAL_FILES": files}
    )


@pytest.mark.parametrize("named", ["", "{}", "file://{}", "local://{}"])
def test_a_folder(tmp_path: Path, named: str) -> None:
    folder = tmp_path / "new::folder" / "below" if named else tmp_path / "state"
    at = settings(tmp_path, named.format(folder))
    for content in (b"old", b"new"):
        written = write(at, "history/mena.csv", content)
        assert written == address(at, "history/mena.csv") == str(folder / "history" / "mena.csv")
        assert Path(written).read_bytes() == content
    assert write_problem(at) is None
    # Neither a trial file nor an unfinished one is left.
    assert [p.name for p in folder.rglob("*")] == ["history", "mena.csv"]


def test_a_reader_of_a_folder_never_sees_half_a_file(tmp_path: Path) -> None:
    at = settings(tmp_path)
    contents = [bytes([n]) * 3_000_000 for n in (1, 2)]
    path = Path(write(at, "board.html", contents[0]))
    writers = [
        Thread(target=lambda c=c: [write(at, "board.html", c) for _ in range(20)]) for c in contents
    ]
    for writer in writers:
        writer.start()
    seen = 0
    while seen < 20 or any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
        seen += 1
    for writer in writers:
        writer.join()


def test_a_store_of_fsspec(tmp_path: Path, memory: str) -> None:
    at = settings(tmp_path, f"{memory}/below/")
    for content in (b"old", b"new"):
        written = write(at, "history/mena.csv", content)
        assert written == address(at, "history/mena.csv") == f"{memory}/below/history/mena.csv"
        with fsspec.open(written) as file:
            assert file.read() == content
    assert write_problem(at) is None
    files = fsspec.filesystem("memory")
    assert files.find(memory) == [f"/{memory.removeprefix('memory://')}/below/history/mena.csv"]
    assert not (tmp_path / "state").exists()


def test_an_object_store_gets_one_upload_and_no_bucket(tmp_path: Path) -> None:
    fsspec.register_implementation("bucket", Bucket, clobber=True)
    at = settings(tmp_path, "bucket://regional")
    assert write(at, "history/mena.csv", b"x") == "bucket://regional/history/mena.csv"
    assert Bucket.store["regional/history/mena.csv"] == b"x"


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("{}/file/below", "Not a directory; make it writable, or set REGIONAL_FILES to another"),
        ("nothing://x", "Protocol not known: nothing; set REGIONAL_FILES to another"),
        ("s3://bucket/x", "Install s3fs to access S3; install that driver of fsspec, or set"),
        ("ftp://user:a%20secret@127.0.0.1:1/x", "Connection refused; make it writable, or set"),
    ],
)
def test_where_nothing_can_be_written_one_line_says_why(
    tmp_path: Path, named: str, words: str
) -> None:
    (tmp_path / "file").touch()
    at = settings(tmp_path, named.format(tmp_path))
    with pytest.raises(FilesError) as raised:
        write(at, "board.html", b"x")
    said = str(raised.value)
    assert said.startswith(f"{address(at, 'board.html')} cannot be written: {words}")
    problem = write_problem(at) or ""
    assert words in problem
    for text in (said, problem, address(at)):
        assert "\n" not in text
        assert "secret" not in text
        assert "user:" not in text


def test_an_address_is_shown_without_what_is_secret(tmp_path: Path) -> None:
    shown = address(settings(tmp_path, "zip://a::sftp://me:pass@host/x?token=abc"), "b")
    assert shown == "zip://a::sftp://host/x/b"


def test_a_driver_that_quotes_the_login_tells_no_secret(tmp_path: Path) -> None:
    class Refusing(Bucket):
        protocol = "refusing"

        def pipe_file(self, path: str, value: bytes, mode: str = "", **options: Any) -> None:
            raise RuntimeError("refused:\n refusing://me:pass@host/x, as pass is no password")

    fsspec.register_implementation("refusing", Refusing, clobber=True)
    with pytest.raises(FilesError) as raised:
        write(settings(tmp_path, "refusing://me:pass@host/x"), "b", b"")
    assert "refused: refusing://host/x, as *** is no" in str(raised.value)
    assert "me:pass" not in str(raised.value)
