"""A run without processes: real rings, real loops and the real membership, over lists instead of sockets.

Time is moved by hand. Each part can be killed between two steps: what was on its way to it is lost, and its bits in the
rings stay as they are, exactly as with a killed process. Messages can be lost or come twice.
"""

from __future__ import annotations

import random
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from support.lab_obedience import obey_as_decoder, obey_as_inference, obey_as_sink
from support.lab_parts import Child, Decoder, SinkPart, SinkSetup, SourceSetup, Wires, config_of

from mpipeline.backends.backend import BackendOptions
from mpipeline.batching import Batcher
from mpipeline.clock import NS_PER_MS, ManualClock
from mpipeline.config import RunConfig
from mpipeline.errors import RingError
from mpipeline.messages import Bye, Heartbeat, Hello, Ready, RingDamaged, RingRequest, Role, Start
from mpipeline.metrics.recorder import Recorder
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.supervisor.membership import Membership
from mpipeline.supervisor.plan import make_plan
from mpipeline.testing.fakes import FakeFrameBackend, FakeSink, FakeSinkOptions, Store
from mpipeline.transport import codec
from mpipeline.transport.run_directory import Endpoints
from mpipeline.workers.inference import InferenceLoop
from mpipeline.workers.predictor import FramePredictor
from mpipeline.workers.sink import SinkLoop
from mpipeline.workers.subscription import Subscription


class Lab:
    """All parts of a run, the network between them, and the faults. Make it with `lab`, which cleans up."""

    def __init__(self, sources: list[SourceSetup], sinks: list[SinkSetup], max_batch: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = ManualClock()
        self.recorder = Recorder()  # of all incarnations of inference
        self.wires = Wires(self.rng)
        self.sources = {s.name: s for s in sources}
        self.stores = {s.name: Store() for s in sinks}
        self.lives: dict[str, list[int]] = {s.name: [] for s in sinks}  # where in the store each incarnation began
        self.max_batch = max_batch
        plan = make_plan(RunConfig.from_mapping(config_of(sources, sinks)))
        self.children = {w.name: Child(w) for w in plan.workers}
        self.members = Membership(
            plan, self.children, Endpoints(Path("/nowhere")), uuid.uuid4().hex[:12], self.wires.tell
        )
        self.decoders = {s.name: Decoder(s) for s in sources}
        self.sink_setups = {s.name: s for s in sinks}
        self.sinks: dict[str, SinkPart] = {}
        self.found: deque[RingDamaged] = deque()  # on its way to the supervisor
        self.inference: InferenceLoop | None = None
        self.start_inference()
        for setup in sinks:
            self.start_sink(setup.name)
        self.settle_control()

    # --- control channel: reliable while both ends live ------------------------------------------------------------

    def settle_control(self) -> None:
        """The supervisor hears and serves, buries whom it has killed; everyone takes what it has told."""
        while self.found:
            self.members.hear(self.children["inference"], self.found.popleft())
        if self.inference is not None:
            self.members.hear(self.children["inference"], Heartbeat(0, self.recorder.snapshot()))
        self.members.serve(self.clock.monotonic_ns())
        for name in self.decoders:
            if self.children[f"decoder:{name}"].killed:
                self.kill_decoder(name)
                self.start_decoder(name)
        for child in self.children.values():
            self._listen(child)

    def _listen(self, child: Child) -> None:
        queue = self.wires.control.get(child.identity, deque())
        while queue and child.is_alive:
            self._obey(child, queue.popleft())

    def _obey(self, child: Child, message: Any) -> None:
        if child.plan.role is Role.INFERENCE and self.inference is not None:
            obey_as_inference(self.inference, message)
        elif child.plan.role is Role.SINK and child.plan.spec["sink"]["name"] in self.sinks:
            obey_as_sink(self.sinks[child.plan.spec["sink"]["name"]], message)
        elif child.plan.role is Role.DECODER:
            try:
                obey_as_decoder(self.decoders[child.plan.spec["source"]["name"]], message)
            except RingError as error:
                self._fail(child, message.descriptor, error)

    def _greet(self, child: Child, role: Role) -> Start:
        self.members.greet(child.identity, Hello(role, child.name, child.incarnation, 1))
        start = self.wires.control[child.identity].popleft()
        assert isinstance(start, Start), start
        return start

    # --- inference ---------------------------------------------------------------------------------------------------

    def start_inference(self) -> None:
        """A fresh process: greets, loads, is ready, hears of rings and sinks."""
        child = self.children["inference"]
        child.is_alive = True
        self._greet(child, Role.INFERENCE)
        predictor = FramePredictor(FakeFrameBackend(BackendOptions("fake")), self.max_batch)
        batcher = Batcher(self.max_batch, 0, 500 * NS_PER_MS)
        self.inference = InferenceLoop(
            predictor, batcher, self.wires.deliver, self.clock, self.recorder, report=self.found.append
        )
        child.ready = Ready({})
        self.members.welcome(child, child.ready)

    def kill_inference(self) -> None:
        """SIGKILL: hints and statuses on their way are lost, and of each stream to a sink some of the end."""
        child = self.children["inference"]
        assert self.inference is not None
        self.inference.close()
        self.inference = None
        self.wires.break_down()
        self._bury(child)

    def step_inference(self) -> None:
        """Takes some hints and statuses, infers."""
        if self.inference is None:
            return
        for _ in range(self.rng.randint(0, len(self.wires.hints))):
            self.inference.hint(self.wires.hints.popleft())
        for _ in range(self.rng.randint(0, len(self.wires.statuses))):
            identity, data = self.wires.statuses.popleft()
            self.inference.status(identity, codec.decode(data))  # type: ignore[arg-type]
        self.inference.step()

    # --- sinks -------------------------------------------------------------------------------------------------------

    def start_sink(self, name: str) -> None:
        """A fresh process."""
        setup = self.sink_setups[name]
        child = self.children[f"sink:{name}"]
        child.is_alive = True
        start = self._greet(child, Role.SINK)
        identity = child.identity
        options = FakeSinkOptions(store=self.stores[name], wants_frames=setup.pixels, remembers=setup.remembers)
        sink = FakeSink(name, options)

        subscription = Subscription(name, child.incarnation, setup.credit, partial(self.wires.report, identity))
        subscription.acknowledged.update(sink.open(start.spec["resume"]))
        self.lives[name].append(len(self.stores[name].written))
        self.wires.deliveries[identity] = deque()
        loop = SinkLoop(name, sink, subscription, self.clock, Recorder(), self.found.append)
        self.sinks[name] = SinkPart(setup, loop, subscription, start.spec["feeds"][0]["bit"])
        child.ready = Ready({"wants_frames": setup.pixels})
        self.members.welcome(child, child.ready)

    def kill_sink(self, name: str, while_reading: bool = False) -> None:
        """SIGKILL; `while_reading`: with a lease on the frame of the next delivery, if there is one."""
        part = self.sinks.pop(name)
        child = self.children[f"sink:{name}"]
        queue = self.wires.deliveries.pop(child.identity)
        if while_reading:
            part.hold_next(queue)
        part.loop.close()
        self._bury(child)

    def remove_sink(self, name: str) -> None:
        """It has failed for good."""
        self.kill_sink(name)
        child = self.children[f"sink:{name}"]
        child.is_over = True
        self.members.farewell(child)

    def step_sink(self, name: str, most: int = 1) -> None:
        """Works off up to `most` deliveries, reports if it is time."""
        if name not in self.sinks:
            return
        part, child = self.sinks[name], self.children[f"sink:{name}"]
        self._listen(child)  # as it does when it is told of a frame in an unknown ring
        queue = self.wires.deliveries[child.identity]
        part.work_off(queue, most, self.clock.monotonic_ns())

    # --- decoders ----------------------------------------------------------------------------------------------------

    def step_decoder(self, name: str) -> None:
        """Publishes the next frame if there is a slot; ends behind the last one."""
        decoder, child = self.decoders[name], self.children[f"decoder:{name}"]
        if not child.is_alive or child.is_over:
            return
        if decoder.next_id > decoder.setup.frames:
            child.is_over, child.is_alive = True, False
            child.bye = Bye(last_frame_id=decoder.next_id - 1)
            self.members.farewell(child)
            return
        if decoder.wants_ring():
            ring = RingDescriptor("", name, 0, 0, decoder.format())
            self.members.request(child, RingRequest(ring, not decoder.setup.every_frame, decoder.next_id - 1, rate=5))
            return
        try:
            hint = decoder.publish(self.clock.monotonic_ns())
        except RingError as error:
            assert decoder.writer is not None
            self._fail(child, decoder.writer.descriptor, error)
            return
        if hint is not None:
            self.wires.announce(hint)
        elif decoder.writer is not None and not decoder.setup.every_frame:
            self.recorder.add("frames_dropped", reason="ring_full", source=name)
            decoder.next_id += 1

    def _fail(self, child: Child, ring: RingDescriptor, error: RingError) -> None:
        """A decoder ends by itself: its ring is damaged."""
        self.found.append(RingDamaged(ring.source, ring.segment, str(error)))
        child.kill()

    def kill_decoder(self, name: str, while_writing: bool = False) -> None:
        """SIGKILL; `while_writing`: with a slot half written."""
        if while_writing:
            self.decoders[name].hold_slot()
        self.decoders[name].close()
        self._bury(self.children[f"decoder:{name}"])

    def start_decoder(self, name: str) -> None:
        """A fresh process: goes on where the supervisor says."""
        child = self.children[f"decoder:{name}"]
        child.is_alive, child.killed, child.sentence, child.bye = True, False, None, None
        start = self._greet(child, Role.DECODER)
        self.decoders[name] = Decoder(self.sources[name], next_id=start.spec["resume_after"] + 1)
        child.ready = Ready({})
        self.members.welcome(child, child.ready)

    def _bury(self, child: Child) -> None:
        child.is_alive = False
        child.ready = None
        self.wires.control.pop(child.identity, None)
        self.members.interrupted(child)
        child.incarnation += 1

    def step(self, advance_s: float = 0.02) -> None:
        """Everyone alive does one step, in a random order; a network without faults unless `loss` is set."""
        acts = [lambda n=n: self.step_decoder(n) for n in self.decoders]
        acts += [lambda n=n: self.step_sink(n, 2) for n in list(self.sinks)]
        acts += [self.step_inference]
        self.rng.shuffle(acts)
        for act in acts:
            act()
        self.settle_control()
        self.clock.advance(advance_s)

    def is_over(self) -> bool:
        """Whether all sources have ended and inference has nothing left for the sinks that must have everything."""
        decoders = (c for c in self.children.values() if c.plan.role is Role.DECODER)
        return (
            all(c.is_over for c in decoders)
            and self.inference is not None
            and self.inference.is_drained(lossless_only=False)
            and not self.found
        )

    def finish(self, most: int = 3000) -> None:
        """Steps until everything is done; the faults are over."""
        self.wires.loss = 0.0
        for _ in range(most):
            if self.is_over():
                return
            self.step(0.05)
        raise AssertionError(f"not over after {most} steps: {self.describe()}")

    def describe(self) -> dict[str, Any]:
        """The rings' slots and the stores, for a failing test."""
        rings = {ring.descriptor.segment: dict(ring.statistics()) for ring in self.rings()}
        return {"rings": rings, "written": {name: len(store.written) for name, store in self.stores.items()}}

    def rings(self) -> list[Any]:
        """Every owned ring that is left."""
        return [ring for source in self.members._rings._sources.values() for ring in source.all()]

    def close(self) -> None:
        """Ends all parts."""
        if self.inference is not None:
            self.inference.close()
        for part in self.sinks.values():
            part.loop.close()
        for decoder in self.decoders.values():
            decoder.close()
        self.members.close()


@contextmanager
def lab(sources: list[SourceSetup], sinks: list[SinkSetup], max_batch: int = 4, seed: int = 0) -> Iterator[Lab]:
    """A lab that is cleaned up at the end of the block."""
    made = Lab(sources, sinks, max_batch, seed)
    try:
        yield made
    finally:
        made.close()
