"""The fork server: a process that has imported what workers need, and makes workers by forking.

A Python that begins with nothing imports for a good part of a second until it can work, and has all of that in memory
of its own. A fork has it at once, and shares it with all others. The server holds nothing that does not survive a fork:
no thread of its own, no ZeroMQ context, no ring, no device, no engine, nothing of OpenCV.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from mpipeline import registry
from mpipeline.config.inheritance import inherit
from mpipeline.transport.fork_channel import ForkChannel
from mpipeline.workers import command_line

_STDERR = 2
_WORKERS_OWN = (signal.SIGTERM, signal.SIGINT)  # blocked here and not ignored: a fork would lose them


def serve(channel: ForkChannel, supervisor: int, modules: Sequence[str], sources: Sequence[str]) -> list[str] | None:
    """Forks until the supervisor, of this process id, is gone. Returns None then, and in each child its arguments.

    `modules` are imported beforehand, and what the built-in ones of the source kinds `sources` say that they need.
    """
    _settle_signals()
    _import(modules, sources)
    gc.collect()
    gc.freeze()  # a collection in a child would write into every page that it shares
    channel.send({})
    while (asked := _next(channel, supervisor)) is not None:
        body, descriptors = asked
        if "reap" in body:
            channel.send({"code": _exit_code(body["reap"])})
        elif (arguments := _fork(channel, body, descriptors)) is not None:
            return arguments
    return None


def _settle_signals() -> None:
    """Of those that a service manager sends to all processes, this one must tell how the workers have ended."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _WORKERS_OWN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a supervisor that ignores it would leave no exit codes here


def _import(modules: Sequence[str], sources: Sequence[str]) -> None:
    """What fails here fails in the worker as well, which tells of it."""
    wanted = list(modules)
    for kind in sources:
        with suppress(Exception):
            if registry.is_builtin("sources", kind):
                wanted += getattr(registry.load("sources", kind), "libraries", ())
    for name in wanted:
        with suppress(Exception):
            importlib.import_module(name)


def _next(channel: ForkChannel, supervisor: int) -> tuple[dict[str, Any], list[int]] | None:
    """What the supervisor asks for next; None if it is gone, though a fork of its program may hold its socket."""
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    watched = -1
    try:
        watched = os.pidfd_open(supervisor)
        poll.register(watched, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll()}
    except ProcessLookupError:
        return None
    finally:
        if watched >= 0:
            os.close(watched)
    return channel.receive() if channel.fileno() in ready else None


def _fork(channel: ForkChannel, body: dict[str, Any], descriptors: list[int]) -> list[str] | None:
    """In the child the worker's arguments, else None."""
    try:
        pid = os.fork()
    except OSError as error:
        channel.send({"errno": error.errno})
        pid = -1
    if pid == 0:
        channel.close()
        return _become(body, *descriptors)
    if pid > 0:
        pidfd = os.pidfd_open(pid)
        channel.send({"pid": pid}, (pidfd,))
        os.close(pidfd)
    for descriptor in descriptors:
        os.close(descriptor)
    return None


def _become(body: dict[str, Any], lifeline: int, stderr: int) -> list[str]:
    """This process is a worker from now on, as if it had been started by its command line."""
    os.setsid()
    os.dup2(stderr, _STDERR)
    os.close(stderr)
    inherit(body)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WORKERS_OWN)  # one that came since the fork ends it now
    if (numbers := sys.modules.get("numpy.random")) is not None:
        numbers.seed()  # unlike that of Python itself, this generator would give the same in each worker
    arguments = [*body["arguments"], "--lifeline", str(lifeline)]
    sys.argv[1:] = arguments
    command_line.show([sys.executable, sys.argv[0], *arguments])
    return arguments


def _exit_code(pid: int) -> int | None:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return None
