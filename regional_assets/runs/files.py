"""The files that runs write beside Redis, under `REGIONAL_FILES`."""

import errno
import os
import re
import shutil
import stat
import uuid
from pathlib import Path, PurePosixPath
from typing import Any

from regional_assets.errors import FilesError
from regional_assets.settings import FILES, StoreSettings

_LOGIN = re.compile("(?<=://)[^/]*@")

# Why a file cannot be replaced that may still be written in place: its folder or its owner does not
# let this user, or the file alone is mounted.
_IRREPLACEABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EINVAL)


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
        raise FilesError(_failure(settings, shown, error)) from None
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
        return _failure(settings, address(settings, name), error, "removed")
    return None


def replace(path: Path, content: bytes) -> None:
    """Writes a file, of a link its target. A regular file is replaced as a whole, with its mode and
    owner: a reader sees the old one or the new one. A character device or a FIFO is written to, and
    nothing else is touched. Raises `OSError`."""
    target = Path(os.path.realpath(path))
    try:
        old = path.stat()
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        _swap(target, content, None)
        return
    kind = stat.S_IFMT(old.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if kind not in (stat.S_IFREG, stat.S_IFCHR, stat.S_IFIFO):
        raise OSError(errno.EINVAL, "it is a socket or a block device")
    # A link of /proc may lead to a file whose name is gone.
    if kind == stat.S_IFREG and target.exists():
        try:
            _swap(target, content, old)
            return
        except OSError as error:
            if error.errno not in _IRREPLACEABLE:
                raise
    _overwrite(path, content, kind)


def _swap(target: Path, content: bytes, old: os.stat_result | None) -> None:
    # Under a name of its own, as another run may write at the same time.
    unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        if old is None:
            unfinished.write_bytes(content)
        else:
            # Closed to all others until it has the old one's rights.
            made = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(made, "wb") as file:
                file.write(content)
                new = os.fstat(made)
                if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
                    os.chown(made, old.st_uid, old.st_gid)
            # With what the mode alone does not say, such as an access control list.
            shutil.copystat(target, unfinished)
            os.utime(unfinished)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _overwrite(path: Path, content: bytes, kind: int) -> None:
    try:
        # Otherwise a FIFO that nobody reads would hold the command up for ever.
        opened = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if kind == stat.S_IFIFO and error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "no process reads this FIFO") from None
        raise
    os.set_blocking(opened, True)
    with os.fdopen(opened, "wb") as file:
        file.write(content)
        if kind == stat.S_IFREG:
            file.truncate()


def _is_remote(settings: StoreSettings) -> bool:
    return "://" in settings.files


def _opened(settings: StoreSettings, name: str) -> tuple[Any, str]:
    """The file system of fsspec, and the path of `name` in it."""
    from fsspec.core import url_to_fs

    files, root = url_to_fs(settings.files)
    return files, f"{root.rstrip('/')}/{name}"


def _failure(settings: StoreSettings, shown: str, error: Exception, done: str = "written") -> str:
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
