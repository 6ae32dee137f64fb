"""A run in its end: the shutdown over children without processes."""

from __future__ import annotations

from support.children import FakeChild, child

from mpipeline.clock import NS_PER_S
from mpipeline.messages import Role
from mpipeline.supervisor.shutdown import Phase, Shutdown


class Run:
    """Two decoders, inference, two sinks; `obedient` ones end when they are asked to."""

    def __init__(self, obedient: bool = True, stop_timeout: float = 10.0) -> None:
        roles = [(Role.SINK, "x"), (Role.SINK, "y"), (Role.INFERENCE, ""), (Role.DECODER, "a"), (Role.DECODER, "b")]
        made = [child(role, name) for role, name in roles]
        self.x, self.y, self.inference, self.a, self.b = made
        self.children = {one.name: one for one in made}
        self.asked: list[str] = []
        self.buried: list[str] = []
        self.stubborn: set[str] = set() if obedient else set(self.children)
        self.now = 100 * NS_PER_S
        self.stops = 0
        self.shutdown = Shutdown(stop_timeout, self.children, self._drain, self._farewell)  # type: ignore[arg-type]

    def _farewell(self, one: FakeChild) -> None:
        self.buried.append(one.name)

    def _drain(self, one: FakeChild) -> None:
        self.asked.append(one.identity)
        if one.name not in self.stubborn:
            one.exit()

    def pass_time(self, seconds: float) -> None:
        """In steps of a tenth of a second, as the supervisor looks."""
        for _ in range(round(seconds * 10)):
            self.now += NS_PER_S // 10
            self.shutdown.advance(self.now, self.stops)

    def look(self) -> None:
        self.shutdown.advance(self.now, self.stops)

    @property
    def phase(self) -> Phase:
        return self.shutdown.phase
