"""Replaces a source's video as a whole: the fragmented MP4 by an ordinary one, and that by one that can grow again.

Both are made beside the file and renamed: at any moment, and after any crash or power cut, the path leads to one form
or the other. There must be room for both: where there is none no copy is begun, or each attempt would fill the disk for
all others.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mpipeline.errors import SinkError
from mpipeline.sinks.encoder import fragmented, rewrite
from mpipeline.sinks.fragments import Remains, find_remains, mark
from mpipeline.sinks.paths import file_error
from mpipeline.sinks.timeline import Moment


def finish(path: Path, source: str, last: Moment, pulse: Callable[[], None]) -> None:
    """Makes an ordinary MP4 of a fragmented one. SinkError if that is impossible; the file is left as it is."""
    with _replacing(path) as made:
        rewrite(path, made, pulse)
        with made.open("ab") as file:
            file.write(mark(source, last))


def reopen(path: Path, remains: Remains, pulse: Callable[[], None]) -> Remains:
    """Makes a finished file fragmented, so that it can grow; what is then in it. One that is fragmented stays.

    SinkError if that is impossible; the file is left as it is.
    """
    if not remains.finished:
        return remains
    with _replacing(path) as made, made.open("wb") as file:
        file.writelines(fragmented(path, remains.last.ticks, pulse))
        file.write(mark(remains.source, remains.last))
    found = find_remains(path)
    if found is None or found.finished:
        raise SinkError(f"cannot go on with {path}: no frame was found in it; remove it to start anew")
    return found


def unfinished(path: Path) -> Path:
    """Where the other form of `path` is made. What a crash has left there is worth nothing."""
    return path.with_name(f".{path.name}.unfinished")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Gives a path to write to; puts that file in the place of `path`, or removes it if anything goes wrong."""
    made = unfinished(path)
    try:
        _check_room(path)
        yield made
        _force(made)  # or a power cut may leave the name with nothing behind it
        made.replace(path)
        with suppress(OSError):  # some network file systems cannot
            _force(path.parent)
    except BaseException as error:
        with suppress(OSError):
            made.unlink()
        if isinstance(error, OSError):
            raise file_error("rewrite", path, error) from error
        raise


def _check_room(path: Path) -> None:
    disk, needed = os.statvfs(path.parent), path.stat().st_size
    if disk.f_blocks and disk.f_bavail * disk.f_frsize < needed:  # some network file systems tell nothing
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _force(path: Path) -> None:
    """Brings a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
