"""The files beside Redis: in a folder, in a store of fsspec, and where they cannot be."""

import os
import socket
import stat
import tempfile
import tty
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from regional_assets.errors import FilesError
from regional_assets.runs.files import address, replace, write, write_problem
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


ROOT_ALONE = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@contextmanager
def nobody() -> Iterator[None]:
    """As a user without rights, where the tests are root's."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder that `nobody` reaches, too."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o400])
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    page = tmp_path / "page"
    page.write_bytes(b"old and longer")
    page.chmod(mode)
    before = page.stat()
    replace(page, b"new")
    assert page.read_bytes() == b"new"
    assert stat.S_IMODE(page.stat().st_mode) == mode
    # As a whole: whoever has the old one open goes on reading that.
    assert page.stat().st_ino != before.st_ino
    assert page.stat().st_mtime_ns > before.st_mtime_ns
    assert list(tmp_path.iterdir()) == [page]


@ROOT_ALONE
def test_a_file_that_root_replaces_keeps_its_owner(tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.touch()
    os.chown(page, 65534, 65533)
    page.chmod(0o640)
    replace(page, b"new")
    after = page.stat()
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (65534, 65533, 0o640)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="only Linux has these attributes")
def test_a_replaced_file_keeps_its_attributes(common: Path) -> None:
    page = common / "page"
    page.touch()
    try:
        os.setxattr(page, "user.kept", b"x")
    except OSError:
        pytest.skip("the file system has no attributes")
    replace(page, b"new")
    assert os.getxattr(page, "user.kept") == b"x"


@pytest.mark.parametrize("there", [True, False], ids=["there", "dangling"])
def test_of_a_link_the_target_is_written(tmp_path: Path, there: bool) -> None:
    target, link, first = tmp_path / "other" / "target", tmp_path / "link", tmp_path / "first"
    if there:
        target.parent.mkdir()
        target.write_bytes(b"old")
        target.chmod(0o600)
    link.symlink_to("other/target")
    first.symlink_to(link)
    replace(first, b"new")
    assert (link.readlink(), first.readlink()) == (Path("other/target"), link)
    assert target.read_bytes() == b"new"
    assert not there or stat.S_IMODE(target.stat().st_mode) == 0o600
    assert {p.name for p in tmp_path.rglob("*")} == {"other", "target", "link", "first"}


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.symlink_to(two)
    two.symlink_to(one)
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        replace(one, b"x")
    assert (one.readlink(), two.readlink()) == (two, one)


@pytest.mark.parametrize("linked", [False, True])
def test_a_fifo_is_written_to(tmp_path: Path, linked: bool) -> None:
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    link.symlink_to(fifo)
    content = b"x" * 1_000_000
    read: list[bytes] = []
    # Open at both ends before it is written to, whichever thread comes first.
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reading, True)

    def drain() -> None:
        with os.fdopen(reading, "rb") as file:
            # Before anybody writes, a FIFO is at its end.
            while sum(map(len, read)) < len(content):
                read.append(file.read(65_536))

    reader = Thread(target=drain)
    reader.start()
    replace(link if linked else fifo, content)
    reader.join()
    assert b"".join(read) == content
    assert stat.S_ISFIFO(fifo.lstat().st_mode)
    assert link.is_symlink()
    with pytest.raises(OSError, match="no process reads this FIFO"):
        replace(fifo, content)
    assert stat.S_ISFIFO(fifo.lstat().st_mode)
    assert sorted(tmp_path.iterdir()) == [fifo, link]


def test_a_device_is_written_to(tmp_path: Path) -> None:
    ours, terminal = os.openpty()
    tty.setraw(terminal)
    link = tmp_path / "terminal"
    link.symlink_to(os.ttyname(terminal))
    replace(link, b"page")
    assert os.read(ours, 100) == b"page"
    assert link.is_symlink()
    assert stat.S_ISCHR(link.stat().st_mode)
    for descriptor in (ours, terminal):
        os.close(descriptor)


def test_what_is_no_file_is_refused_and_stays(tmp_path: Path, folder: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        replace(below, b"x")
    with socket.socket(socket.AF_UNIX) as listening:
        # Its path has to be short.
        listening.bind(str(folder / "socket"))
        with pytest.raises(OSError, match="it is a socket or a block device"):
            replace(folder / "socket", b"x")
        assert stat.S_ISSOCK((folder / "socket").lstat().st_mode)
    assert list(tmp_path.iterdir()) == [below]


def test_a_file_in_a_folder_that_cannot_be_written_is_written_in_place(common: Path) -> None:
    page = common / "closed" / "page"
    page.parent.mkdir()
    page.write_bytes(b"old and longer")
    page.chmod(0o666)
    page.parent.chmod(0o555)
    before = page.stat()
    with nobody():
        replace(page, b"new")
        with pytest.raises(OSError, match="Permission denied"):
            replace(page.parent / "another", b"x")
    assert page.read_bytes() == b"new"
    assert page.stat().st_ino == before.st_ino
    assert list(page.parent.iterdir()) == [page]
    page.parent.chmod(0o755)


@ROOT_ALONE
@pytest.mark.parametrize("mode", [0o666, 0o644])
def test_a_file_of_another_user_stays_theirs(common: Path, mode: int) -> None:
    page = common / "page"
    page.write_bytes(b"old")
    page.chmod(mode)
    with nobody():
        if mode == 0o666:
            replace(page, b"new")
        else:
            with pytest.raises(OSError, match="Permission denied"):
                replace(page, b"new")
    assert page.read_bytes() == (b"new" if mode == 0o666 else b"old")
    assert (page.stat().st_uid, stat.S_IMODE(page.stat().st_mode)) == (0, mode)
    assert list(common.iterdir()) == [page]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc is Linux's")
def test_a_file_whose_name_is_gone_is_written_to(tmp_path: Path) -> None:
    """As standard output may be."""
    with (tmp_path / "gone").open("w+b") as file:
        (tmp_path / "gone").unlink()
        replace(Path(f"/proc/self/fd/{file.fileno()}"), b"new")
        assert file.read() == b"new"
    assert list(tmp_path.iterdir()) == []


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
