"""What the processes of a run print while a table stands on the terminal: it is taken in, and shown above the table."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mpipeline.clock import NS_PER_S, SystemClock

_STDOUT = 1
_TOGETHER_NS = NS_PER_S // 20  # lines that come in this time are shown at once: each time the table is drawn anew
_LAST_S = 1.0  # how long the end of the run's own processes may take to show
_LONGEST = 1 << 16  # bytes of a line that never ends


@contextmanager
def taken_in(show: Callable[[str], object]) -> Iterator[None]:
    """While this lasts, `show` gets the lines that are written to the standard output, if that is a terminal.

    Whoever writes still sees a terminal, and so writes line by line. `show` is called in a thread of its own, with one
    line, or several if they come soon after each other.
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
    clock, poll = SystemClock(), select.poll()
    poll.register(descriptor, select.POLLIN)
    waiting: list[bytes] = []
    rest, due_ns, is_open = b"", 0, True
    while is_open:
        left_ns = due_ns - clock.monotonic_ns()
        if not waiting or (left_ns > 0 and poll.poll(left_ns // 1_000_000 + 1)):
            data = _read(descriptor)
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > _LONGEST or not data:
                lines, rest = [*lines, *filter(None, [rest])], b""
            if lines and not waiting:
                due_ns = clock.monotonic_ns() + _TOGETHER_NS
            waiting += lines
            is_open = bool(data)
        if waiting and (not is_open or clock.monotonic_ns() >= due_ns):
            show("\n".join(line.decode(errors="replace").rstrip("\r") for line in waiting))
            waiting.clear()
    os.close(descriptor)


def _read(descriptor: int) -> bytes:
    """What was written, waited for; nothing at the end, which a pseudo-terminal tells as an error."""
    try:
        return os.read(descriptor, _LONGEST)
    except OSError:
        return b""
