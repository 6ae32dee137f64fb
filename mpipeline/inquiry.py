"""Asks a run on this machine, from another process, how it stands. The run goes on as if nobody had asked."""

from __future__ import annotations

import uuid
from pathlib import Path
from types import TracebackType

from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.config.environment import run_root
from mpipeline.errors import MpipelineError, RunNotFound
from mpipeline.messages import StatusAnswer, StatusRequest
from mpipeline.supervisor.status import RunStatus
from mpipeline.supervisor.status_mapping import from_mapping
from mpipeline.transport import channel, run_directory

_WAIT_S = 0.25
_PATIENCE_S = 10.0


def living_runs(root: Path | None = None) -> list[str]:
    """The names of the runs that are alive on this machine, of this user."""
    return run_directory.runs(root or run_root())


class Inquiry:
    """A connection to the run named `run`; a context manager. Raises RunNotFound if no such run is alive."""

    def __init__(self, run: str, root: Path | None = None, patience_s: float = _PATIENCE_S) -> None:
        self._run = run
        self._root = root or run_root()
        self._patience_s = patience_s
        endpoints = run_directory.find(self._root, run)
        self._incarnation = run_directory.incarnation(self._root, run)
        self._clock = SystemClock()
        self._context = channel.context()
        self._control = channel.connect_control(self._context, endpoints.control, f"status:{uuid.uuid4().hex}")
        self._poller = channel.Poller()
        self._poller.add(self._control)

    def status(self) -> RunStatus:
        """The run as it stands now.

        Raises RunNotFound once it has ended, MpipelineError if it does not answer.
        """
        self._control.send(StatusRequest())
        deadline = self._clock.monotonic_ns() + int(self._patience_s * NS_PER_S)
        while self._clock.monotonic_ns() < deadline:
            self._poller.wait(_WAIT_S)
            answers = [one for one in self._control.arrived() if isinstance(one, StatusAnswer)]
            if answers:
                return from_mapping(answers[-1].status)
            if run_directory.incarnation(self._root, self._run) != self._incarnation:
                raise RunNotFound(f"the run {self._run!r} has ended")
        text = f"the run {self._run!r} has not answered for {self._patience_s:g} s: its process stands still"
        raise MpipelineError(f"{text}, or is of another version of mpipeline")

    def close(self) -> None:
        """Leaves; harmless when repeated."""
        if not self._context.closed:
            self._control.close(linger_ms=0)
            self._context.term()

    def __enter__(self) -> Inquiry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
