"""Children of a supervisor without processes."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

from mpipeline.messages import Bye, Heartbeat, Ready, Role
from mpipeline.supervisor.child import ProcessState, Sentence
from mpipeline.supervisor.plan import WorkerPlan


@dataclass
class FakeChild:
    """As much of a child as shutdown, membership and status use. `dies_of`: the signals that end it."""

    plan: WorkerPlan
    state: ProcessState = ProcessState.RUNNING
    incarnation: int = 1
    ready: Ready | None = field(default_factory=lambda: Ready({}))
    dies_of: tuple[int, ...] = (signal.SIGTERM, signal.SIGKILL)
    signals: list[int] = field(default_factory=list)
    heartbeat: Heartbeat | None = None
    heard_ns: int = 0
    due_ns: int = 0
    bye: Bye | None = None
    blamed: bool = False
    sentence: Sentence | None = None
    failure: str = ""
    counters: dict[str, float] = field(default_factory=dict)
    is_hosted: bool = False
    has_hung: bool = False
    exit_code: int | None = None

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def identity(self) -> str:
        return f"{self.name}#{self.incarnation}"

    @property
    def pid(self) -> int:
        return 4711 if self.is_alive else 0

    @property
    def restarts(self) -> int:
        return self.incarnation - 1

    @property
    def is_alive(self) -> bool:
        return self.state in (ProcessState.RUNNING, ProcessState.STARTING)

    @property
    def is_over(self) -> bool:
        return self.state in (ProcessState.EXITED, ProcessState.FATAL)

    def metrics(self) -> dict[str, float]:
        return dict(self.counters)

    def kill(self, signal_number: int = signal.SIGKILL) -> None:
        if self.is_alive:
            self.signals.append(signal_number)
            if signal_number in self.dies_of:
                self.exit()

    def exit(self) -> None:
        """Has ended and will not come back."""
        self.state = ProcessState.EXITED

    def restart(self) -> None:
        """A new incarnation is ready."""
        self.incarnation += 1
        self.state = ProcessState.RUNNING


def child(role: Role, name: str, **fields: object) -> FakeChild:
    """A running child."""
    specs = {Role.DECODER: {"source": {"name": name}}, Role.SINK: {"sink": {"name": name}}, Role.INFERENCE: {}}
    worker = "inference" if role is Role.INFERENCE else f"{role.value}:{name}"
    return FakeChild(WorkerPlan(role, worker, specs[role]), **fields)  # type: ignore[arg-type]
