"""From one prediction to every sink: encoding, credit, acknowledgements, and what they mean for the slots."""

from __future__ import annotations

from collections.abc import Callable

from mpipeline.clock import NS_PER_S
from mpipeline.messages import SessionOpened, SinkAdded, SinkStatus, SourceEnded
from mpipeline.metrics.recorder import Recorder
from mpipeline.prediction import Prediction
from mpipeline.ring.reader import Lease
from mpipeline.transport import codec
from mpipeline.workers.ledger import Ledger
from mpipeline.workers.outlet import Delivery, Outlet
from mpipeline.workers.wire import to_wire

_LARGEST = 2**63 - 1  # that a message can hold
_OPENING_NS = 2 * NS_PER_S  # how long a sink may go on talking of the session before, after it was sent a new one

Deliver = Callable[[str, bytes], bool]
Decline = Callable[[str, int, int, int], None]


class Dispatch:
    """All outlets of the inference worker. `deliver(identity, bytes)` sends, `decline(ring, slot, sequence, bit)`
    clears a sink's pending bit on its behalf when a delivery to it is dropped."""

    def __init__(self, deliver: Deliver, recorder: Recorder, decline: Decline) -> None:
        self._deliver = deliver
        self._decline = decline
        self._recorder = recorder
        self._outlets: dict[str, Outlet] = {}
        self._opened_ns: dict[str, int] = {}
        self._ended: dict[str, tuple[SourceEnded, bool]] = {}
        self._ledger = Ledger()
        self._sessions = 0

    def add(self, spec: SinkAdded) -> None:
        """Predictions go to this sink from now on; it hears of the sources that have ended before it came."""
        if spec.name not in self._outlets:
            self._outlets[spec.name] = Outlet(spec)
            self._repeat_ends(self._outlets[spec.name])

    @property
    def pixel_readers(self) -> int:
        """The bits of the sinks that want pixels, as a mask."""
        return sum(1 << outlet.spec.bit for outlet in self._outlets.values() if outlet.spec.bit >= 0)

    def remove(self, name: str) -> None:
        """This sink is gone for good."""
        if self._outlets.pop(name, None) is not None:
            self._ledger.forgive(name)

    def publish(self, prediction: Prediction, lease: Lease, every_frame: bool) -> None:
        """Queues a prediction for every sink. Under `every_frame` the lease is kept until it is acknowledged."""
        frame, ref = prediction.frame, lease.ref
        encoded: dict[bool, bytes] = {}
        required, drops = [], []
        for name, outlet in self._outlets.items():
            pixels = outlet.spec.bit >= 0
            if pixels not in encoded:
                encoded[pixels] = codec.encode(to_wire(prediction, ref if pixels else None))
            delivery = Delivery(frame.source, frame.frame_id, encoded[pixels], ref if pixels else None)
            dropped = outlet.offer(delivery, every_frame)
            if outlet.is_lossless(every_frame):
                required.append(name)
            elif dropped is not None:
                drops.append((outlet, dropped))
        if every_frame:
            self._ledger.keep(frame.source, frame.frame_id, lease, required)
            if not required:
                self._recorder.set("acknowledged_frame_id", frame.frame_id, source=frame.source)
        for outlet, dropped in drops:  # last: it may turn out that the ring is damaged, and all of it is forgotten
            self._drop(outlet, dropped)

    def end(self, message: SourceEnded, every_frame: bool) -> None:
        """Tells every sink, behind the source's last prediction."""
        self._ended[message.source] = (message, every_frame)
        data = codec.encode(message)
        for outlet in self._outlets.values():
            outlet.offer(Delivery(message.source, 0, data), every_frame)

    def status(self, identity: str, status: SinkStatus, now_ns: int) -> None:
        """Takes what a sink says; a sink that does not know its session gets a new one."""
        outlet = self._outlets.get(status.sink)
        if outlet is None:
            return
        if status.session == outlet.session and outlet.session:
            done = outlet.update(status)
            for delivery in done:
                self._recorder.add("predictions_acknowledged", sink=status.sink)
                self._ledger.settle(delivery.source, delivery.frame_id, status.sink)
            for source in {delivery.source for delivery in done}:
                must = (o.acknowledged(source) for o in self._outlets.values() if o.is_lossless(every_frame=True))
                self._recorder.set("acknowledged_frame_id", min(must), source=source)
        elif identity != outlet.identity or now_ns - self._opened_ns.get(status.sink, 0) > _OPENING_NS:
            # A sink that waits for its disk does not listen: it is told of the same session again, not of a new one.
            if identity != outlet.identity or not outlet.is_untouched:
                if outlet.spec.repeats_ends and outlet.identity not in ("", identity):
                    self._repeat_ends(outlet)
                self._sessions += 1
                # Unlike any session of a predecessor of this process: the clock is part of the number.
                outlet.open_session(((now_ns << 8) + (self._sessions & 0xFF)) & _LARGEST, identity)
            self._opened_ns[status.sink] = now_ns
            self._deliver(identity, codec.encode(SessionOpened(outlet.session)))

    def forget(self, source: str) -> None:
        """The rings of this source are damaged: nothing of them can be given back, or seen by a sink."""
        self._ledger.forget(source)
        for outlet in self._outlets.values():
            outlet.forget(source)

    def send(self) -> None:
        """Sends what credit allows."""
        for name, outlet in self._outlets.items():
            if count := outlet.send(self._deliver):
                self._recorder.add("predictions_sent", count, sink=name)
            self._recorder.set("predictions_outstanding", outlet.outstanding, sink=name)

    def oldest_owed(self, source: str) -> int | None:
        """The first frame of `source` that still waits for an acknowledgement."""
        return self._ledger.oldest(source)

    def is_idle(self, lossless_only: bool) -> bool:
        """Whether every sink has what it must have, or, unless `lossless_only`, all that waits for it."""
        return all(outlet.is_idle(lossless_only) for outlet in self._outlets.values()) and not len(self._ledger)

    def give_up_lossy(self) -> None:
        """The run ends: what slow sinks that need not have everything have not fetched is dropped, and counted."""
        for name, outlet in self._outlets.items():
            if count := outlet.give_up_lossy():
                self._recorder.add("predictions_dropped", count, sink=name, reason="drain")

    def close(self) -> None:
        """Forgets the leases; their slots stay held for a successor."""
        self._ledger.forget()

    def _repeat_ends(self, outlet: Outlet) -> None:
        for message, every_frame in self._ended.values():
            outlet.offer(Delivery(message.source, 0, codec.encode(message)), every_frame)

    def _drop(self, outlet: Outlet, delivery: Delivery) -> None:
        self._recorder.add("predictions_dropped", sink=outlet.spec.name, reason="overflow")
        if delivery.ref is not None:
            self._decline(delivery.ref.ring, delivery.ref.slot, delivery.ref.sequence, outlet.spec.bit)
