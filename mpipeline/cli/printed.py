"""What the processes of a run print while a table stands on the terminal: it is taken in, and shown above the table."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STDOUT = 1
_LAST_S = 1.0  # how long the end of the run's own processes may take to show
_LONGEST = 1 << 16  # bytes of a line that never ends


@contextmanager
def taken_in(show: Callable[[str], object]) -> Iterator[None]:
    """While this lasts, `show` gets every line that is written to the standard output, if that is a terminal.

    Whoever writes still sees a terminal, and so writes line by line. `show` is called in a thread of its own.
    """
    try:
        ours, theirs = os.openpty() if os.isatty(_STDOUT) else (-1, -1)
    except OSError:  # none is left: lines run into the table
        ours, theirs = -1, -1
    if ours < 0:
        yield
        return
    before = os.dup(_STDOUT)
    os.dup2(theirs, _STDOUT)
    os.close(theirs)
    thread = threading.Thread(target=_pass_on, args=(ours, show), name="printed", daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.dup2(before, _STDOUT)
        os.close(before)
        thread.join(_LAST_S)  # somebody who has outlived the run may still hold the other end


def _pass_on(descriptor: int, show: Callable[[str], object]) -> None:
    rest = b""
    while data := _read(descriptor):
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > _LONGEST:
            lines, rest = [*lines, rest], b""
        for line in lines:
            show(line.decode(errors="replace").rstrip("\r"))
    if rest:
        show(rest.decode(errors="replace"))
    os.close(descriptor)


def _read(descriptor: int) -> bytes:
    """What was written; nothing at the end, which a pseudo-terminal tells as an error."""
    try:
        return os.read(descriptor, _LONGEST)
    except OSError:
        return b""
