"""One worker as the supervisor sees it: its incarnations, its state, its last words."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections import deque
from dataclasses import dataclass
from enum import Enum

from mpipeline.credentials import redact
from mpipeline.errors import EXIT_FAILED, EXIT_TEMPORARY, Reason
from mpipeline.messages import Bye, Heartbeat, Ready, Role
from mpipeline.metrics.catalog import CATALOG
from mpipeline.supervisor.launch import Launch, Launched, Order, launch_process
from mpipeline.supervisor.plan import WorkerPlan
from mpipeline.supervisor.restart import RestartPolicy

_TAIL_LINES = 20
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE})
_READ_BYTES = 1 << 16
_READS_AT_ONCE = 16

logger = logging.getLogger("mpipeline")


class ProcessState(str, Enum):
    """Where a worker's process stands."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"


@dataclass(frozen=True, slots=True)
class Sentence:
    """Why the supervisor ends a worker that would go on: a reason code, and a text that follows "it"."""

    reason: Reason
    text: str

    @property
    def is_hang(self) -> bool:
        """Whether what the worker was doing may be to blame for it."""
        return self.reason is Reason.STALLED


class Child:
    """A worker over all its incarnations. Acts only when told; decisions are the supervisor's.

    It is a process of its own, unless it `is_hosted` by the calling program, which knows how to `launch` it.
    """

    def __init__(
        self,
        plan: WorkerPlan,
        policy: RestartPolicy,
        control: str,
        log_level: str,
        launch: Launch = launch_process,
        *,
        is_hosted: bool = False,
    ) -> None:
        self.plan = plan
        self.policy = policy
        self.state = ProcessState.STARTING
        self.incarnation = 0
        self.restarts = 0
        self.ready: Ready | None = None
        self.ready_ns = 0
        self.heartbeat: Heartbeat | None = None
        self.heard_ns = 0
        self.bye: Bye | None = None
        self.due_ns = 0  # when a restart is due, in BACKOFF
        self.exit_code: int | None = None
        self.failure = ""
        self.blamed = False  # whether its last end was its own fault
        self.sentence: Sentence | None = None  # why this incarnation was ended from outside
        self.pidfd = -1
        self.stderr_fd = -1
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self.counters: dict[str, float] = {}  # of earlier incarnations, summed
        self._control = control
        self._log_level = log_level
        self._launch = launch
        self._launched: Launched | None = None
        self._spawned_pid = 0
        self.is_hosted = is_hosted
        self._partial = b""

    @property
    def name(self) -> str:
        """The worker's name within the run."""
        return self.plan.name

    @property
    def identity(self) -> str:
        """Its name on the control channel, of the latest incarnation: no process of another run has the same."""
        return f"{self.name}#{self.incarnation}.{self._spawned_pid}"

    @property
    def pid(self) -> int:
        """Process id, 0 while it does not run."""
        launched = self._launched  # once: another thread may ask for the run's status
        return launched.pid if launched is not None else 0

    @property
    def is_alive(self) -> bool:
        """Whether an incarnation of it runs, or has ended and was not reaped yet."""
        return self._launched is not None

    @property
    def is_over(self) -> bool:
        """Whether it has ended and will not be started again."""
        return self.state in (ProcessState.EXITED, ProcessState.FATAL)

    @property
    def has_refused_to_open(self) -> bool:
        """Whether it has ended with an error of its own while opening, and was never ready before: it never will be."""
        return self.ready_ns == 0 and self.exit_code == EXIT_FAILED

    @property
    def has_hung(self) -> bool:
        """Whether this incarnation was ended from outside because it did not go on."""
        return self.sentence is not None and self.sentence.is_hang

    def spawn(self, lifeline: int, now_ns: int) -> None:
        """Starts the next incarnation."""
        self.incarnation += 1
        self.restarts = self.incarnation - 1
        self.ready, self.heartbeat, self.bye, self.exit_code, self.sentence = None, None, None, None, None
        self.heard_ns = now_ns
        self.state = ProcessState.STARTING
        launched = self._launch(Order(self.plan, self.incarnation, self._control, lifeline, self._log_level))
        self._launched, self._spawned_pid = launched, launched.pid
        self.pidfd, self.stderr_fd = launched.pidfd, launched.stderr_fd

    def read_stderr(self) -> bool:
        """Passes on what the worker has logged; anything else it printed is kept for the report of a crash.

        False if there will be no more of it.
        """
        if self.stderr_fd < 0:
            return False
        for _ in range(_READS_AT_ONCE):  # a worker that floods its log must not keep the supervisor from the others
            try:
                data = os.read(self.stderr_fd, _READ_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            *lines, self._partial = (self._partial + data).split(b"\n")
            self._partial = self._partial[-_READ_BYTES:]
            for line in lines:
                self._log(line.decode(errors="replace"))
        return True

    def reap(self) -> int:
        """Collects the exit code of an incarnation that has ended, and closes what belonged to it."""
        assert self._launched is not None
        code = self._launched.reap()
        self.read_stderr()
        if self._partial:
            self._log(self._partial.decode(errors="replace"))
            self._partial = b""
        self._launched.close()
        self.pidfd = self.stderr_fd = -1
        self._launched = None
        self.exit_code = code
        self.blamed = self._is_to_blame(code)
        if self.heartbeat is not None:
            for key, value in self.heartbeat.metrics.items():
                if not _is_gauge(key):
                    self.counters[key] = self.counters.get(key, 0.0) + value
            self.heartbeat = Heartbeat(
                self.heartbeat.progress, {}, self.heartbeat.state, self.heartbeat.reason, self.heartbeat.detail
            )
        return code

    def metrics(self) -> dict[str, float]:
        """Its counters over all incarnations."""
        total, heartbeat = dict(self.counters), self.heartbeat
        if heartbeat is not None:
            for key, value in heartbeat.metrics.items():
                total[key] = total.get(key, 0.0) + value
        return total

    def kill(self, signal_number: int = signal.SIGKILL) -> None:
        """Sends a signal to the process and whatever it has started; asks a hosted worker to end."""
        if self._launched is not None:
            self._launched.kill(signal_number)

    def why(self) -> str:
        """The reason code of its end, empty if there is none."""
        if self.sentence is not None:
            return self.sentence.reason.value
        return self.bye.reason if self.bye is not None else ""

    def describe_exit(self) -> str:
        """How it ended, for people: exit code or signal, and the last lines it printed."""
        code = self.exit_code if self.exit_code is not None else 0
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        if self.sentence is not None:
            return redact(f"was ended by the supervisor ({self.sentence.reason}): it {self.sentence.text}")
        words = self.bye.detail if self.bye is not None and self.bye.detail else " | ".join(list(self.tail)[-3:])
        return redact(f"{how}{': ' + words if words else ''}")

    def _is_to_blame(self, code: int) -> bool:
        """Whether what the worker was doing may have ended it; not if somebody else has."""
        if self.sentence is not None:
            greedy = self.sentence.reason is Reason.MEMORY_LIMIT and self.plan.role is Role.INFERENCE
            return self.sentence.is_hang or greedy
        if self.bye is not None and self.bye.reason == Reason.GPU_LOST.value:
            return True
        # A worker says goodbye before it ends, unless native code ends it; and with 75 it obeys a TERM.
        wordless = self.bye is None and code >= 0 and code != EXIT_TEMPORARY
        return wordless or -code in _CRASHES

    def _log(self, line: str) -> None:
        try:
            record = json.loads(line)
            message, level = record.pop("message"), record.pop("level")
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            if line.strip():
                self.tail.append(line)
                logger.info("%s: %s", self.name, line, extra={"event": "worker_output", "worker": self.name})
            return
        number = logging.getLevelName(str(level).upper())
        trace = record.pop("trace", "")
        self.tail.append(str(message))
        fields = {k: v for k, v in record.items() if k in ("event", "source", "reason", "sink", "count", "file")}
        text = f"{message}\n{trace}" if trace else message
        logger.log(
            number if isinstance(number, int) else logging.INFO, "%s", text, extra={"worker": self.name, **fields}
        )


def _is_gauge(key: str) -> bool:
    metric = CATALOG.get(key.partition("{")[0])
    return metric is not None and metric.kind == "gauge"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # real-time signals have no names of their own
