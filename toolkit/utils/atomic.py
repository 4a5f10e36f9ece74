"""Files that appear whole or not at all, whatever kills the process."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import platform
import re
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

_PART = re.compile(r"^\.(?P<name>.+)\.(?P<pid>\d+)(@(?P<home>[0-9a-f]{8}))?\.part$")
_ORPHAN_AGE = 24 * 3600  # seconds after which a part file of another host is surely abandoned


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path`, on any error it is removed.

    The temporary name is that of `part_path`: hidden, never taken for a result, swept by `remove_orphans`.
    """
    path = Path(path)
    part = part_path(path)
    try:
        yield part
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(part)):
            # name the file that was to be written; numpy's short writes have neither a name nor a number
            raise OSError(error.errno or errno.ENOSPC, f"cannot be written ({_why(error)})", str(path)) from error
        raise


def part_path(path: Path) -> Path:
    """The temporary place beside `path` of this process: ``.<name>.<digest>.<pid>@<home>.part``."""
    digest = zlib.crc32(path.name.encode("utf-8", "surrogateescape"))  # long names must not outgrow 255 bytes
    return path.with_name(f".{path.name[:40]}.{digest:08x}.{os.getpid()}@{_home()}.part")


@functools.cache
def _home() -> str:
    """Where this process's number means something: host, boot and process namespace, as 8 hexadecimal digits.

    Jobs of several hosts or containers share folders; number 17 of another one says nothing about ours.
    """
    marks = [platform.node()]
    with contextlib.suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with contextlib.suppress(OSError):
        marks.append(str(os.stat("/proc/self/ns/pid").st_ino))
    return f"{zlib.crc32(' '.join(marks).encode('utf-8', 'surrogateescape')):08x}"


def _why(error: OSError) -> str:
    full = error.errno in (None, errno.ENOSPC, errno.EDQUOT)
    return "no space left on the disk; make room and run again" if full else error.strerror or str(error)


def write_with(path: str | os.PathLike, write: Callable[[IO[bytes]], None]) -> None:
    """Write `path` atomically: `write` fills an open binary file, which is synced before it gets its name."""
    with atomic_path(path) as part:
        with open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically."""
    write_with(path, lambda file: file.write(text.encode("utf-8")))


def save_npy(path: str | os.PathLike, array: np.ndarray) -> None:
    """Write one array as ``.npy`` atomically (never pickled).

    Not synced to disk, because a feature folder has 100,000 of them: a killed process leaves no half file; after a
    power cut the reader's checks name what has to be redone.
    """
    with atomic_path(path) as part, open(part, "wb") as file:
        np.save(file, array, allow_pickle=False)


def remove_orphans(folder: str | os.PathLike) -> int:
    """Remove part files that dead processes left in `folder`; returns how many.

    A part file belongs to a dead process when it is a day old, or when it was made here (same host, boot and process
    namespace; names of the older form, without that, count as made here) and no process of its number runs.
    """
    removed = 0
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            match = _PART.match(entry.name)
            if match is None:
                continue
            with contextlib.suppress(OSError):
                dead = match["home"] in (None, _home()) and not _alive(int(match["pid"]))
                if dead or time.time() - entry.stat(follow_symlinks=False).st_mtime > _ORPHAN_AGE:
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path)
                    else:
                        os.unlink(entry.path)
                    removed += 1
    return removed


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's; a number that no process has: not ours to judge
        return True
    return not _ended(pid)


def _ended(pid: int) -> bool:
    """Whether a process is over and only waits for its parent to notice: in containers that can take for ever."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):  # gone meanwhile, or no Linux
        return False
    return state in (b"Z", b"X")
