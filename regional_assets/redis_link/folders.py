"""Folders of this machine that a server or another program keeps its files in."""

import errno
import fcntl
import os
import tempfile
from pathlib import Path

# More than fits into the last block of a full disk.
_PROBE = bytes(1 << 18)


def write_problem(folder: Path, setting: str = "REGIONAL_STATE_DIR") -> str | None:
    """Why the folder, named by that setting, cannot be written now (disk full, no permission, ...)
    and what to do, found by a trial write; None when it can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(_PROBE)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "make room on its disk" if full else "make it writable"
        return (
            f"{folder} cannot be written ({error.strerror}): {advice} (what was acknowledged is "
            f"kept), or set {setting} to another folder"
        )
    return None


def not_writable(folder: Path, error: OSError) -> str:
    """The message for a state folder that cannot be created or written."""
    return (
        f"the state folder {folder} cannot be written ({error.strerror}): set REGIONAL_STATE_DIR "
        "to a folder of yours"
    )


def try_lock(path: Path, kind: int) -> int | None:
    """The lock on a file, created if necessary, as a file descriptor; None when another process has
    it. A process that dies lets go of it. Raises OSError."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return None
    return lock
