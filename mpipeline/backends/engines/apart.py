"""Builds an engine in a process of its own, so that a crash in the library is an error like others.

That process is given all it needs and gives back bytes: it writes no file, so that nothing of it is left when it dies.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from mpipeline import errors
from mpipeline.backends.engines.builder import Built
from mpipeline.backends.engines.errand import DONE, FAILED, STAGE, Errand
from mpipeline.backends.engines.pulse import PATIENCE, Pulse, processor_time
from mpipeline.backends.engines.stages import Stage
from mpipeline.errors import BackendError, MpipelineError

# The same places for modules, in the same order, as this process has.
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from mpipeline.backends.engines.errand import main
main(int(sys.argv[2]), int(sys.argv[3]))
"""
_BEAT_S = 1.0  # so often it is told that the process is still at work
_READ = 1 << 16  # bytes
_LAST_WORDS = 400  # characters


def build_apart(errand: Errand, timing: bytes, tell: Callable[[Stage], None]) -> Built:
    """As `builder.build`; `tell` is called once a second at least, whether or not there is news.

    Raises as it does, and BackendError if the process dies or hangs. Whatever is raised here, also by `tell`, ends the
    process.
    """
    goods = os.memfd_create("engine")
    printed = os.memfd_create("printed")
    try:
        os.write(goods, timing)
        os.lseek(goods, 0, os.SEEK_SET)
        with _started(goods, printed) as (process, words):
            assert process.stdin is not None  # it stays open: its end tells the process that this one has ended
            with suppress(BrokenPipeError):  # it is dead already: its exit code tells more
                process.stdin.write(errand.line())
            try:
                verdict = _verdict(words, Pulse(partial(processor_time, process.pid)), tell)
            except _Hangs as error:
                raise BackendError(f"{errand.model}: {error}") from error
            code = process.wait() if verdict is None else 0
        if verdict is None:
            raise BackendError(f"{errand.model}: {_death(code, printed)}")
        return _built(verdict, goods)
    finally:
        os.close(goods)
        os.close(printed)


@contextmanager
def _started(goods: int, printed: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The process, and the descriptor from which its lines are read; it does not outlive the block."""
    words, for_child = os.pipe()
    try:
        process = _launched(for_child, goods, printed)
        with process:
            try:
                yield process, words
            finally:
                process.kill()
    finally:
        os.close(words)


def _launched(words: int, goods: int, printed: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, json.dumps(sys.path), str(words), str(goods)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=printed,
            pass_fds=(words, goods),
            start_new_session=True,  # a Ctrl-C at the terminal is for the one who waits here
        )
    except OSError as error:
        raise BackendError(f"no process can be started that builds the engine: {error.strerror}") from error
    finally:
        os.close(words)


class _Hangs(Exception):
    """The process does nothing any more."""


def _verdict(words: int, pulse: Pulse, tell: Callable[[Stage], None]) -> list[Any] | None:
    """The last line of the process; None if it ends without one."""
    stage, rest = Stage("starting"), b""
    with selectors.DefaultSelector() as selector:
        selector.register(words, selectors.EVENT_READ)
        while True:
            speaks = bool(selector.select(_BEAT_S))
            if speaks:
                read = os.read(words, _READ)
                if not read:
                    return None
                *lines, rest = (rest + read).split(b"\n")
                for line in lines:
                    word, *more = json.loads(line)
                    if word != STAGE:
                        return [word, *more]
                    stage = Stage(*more)
            if not pulse.beat(speaks):
                raise _Hangs(
                    f"the process that builds the engine hangs, and was ended: for {PATIENCE // 60} minutes it has "
                    f"said nothing and not used the processor (stage: {stage.text}); does the GPU work? See nvidia-smi "
                    "and dmesg"
                )
            tell(stage)


def _built(verdict: list[Any], goods: int) -> Built:
    word, *more = verdict
    if word == FAILED:
        kind, text = more
        raise _error(kind, text)
    assert word == DONE
    (told,) = more
    with os.fdopen(goods, "rb", closefd=False) as file:
        file.seek(0)
        plan, timing = file.read(told["plan"]), file.read()
    return Built(plan, timing, told["metadata"], told["tensors"], tuple(told["notes"]))


def _error(kind: str, text: str) -> MpipelineError:
    found = getattr(errors, kind)
    return errors.ConfigError(text) if found is errors.MissingDependency else found(text)


def _death(code: int, printed: int) -> str:
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    size = os.lseek(printed, 0, os.SEEK_END)
    os.lseek(printed, max(0, size - _LAST_WORDS), os.SEEK_SET)
    said = os.read(printed, _LAST_WORDS).decode(errors="replace").strip()
    last = f"; its last words: {said}" if said else ""
    return f"the process that built the engine {how}, which is a fault in the library, or too little memory{last}"
