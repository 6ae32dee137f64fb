"""What a damaged ring costs: its own source a new start, and nobody else anything."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping

from mpipeline.clock import NS_PER_S
from mpipeline.errors import EXIT_SOURCE_FAILED, Reason
from mpipeline.messages import Heartbeat, RingDamaged, RingRequest
from mpipeline.metrics.recorder import metric_key
from mpipeline.supervisor.child import Child, ProcessState, Sentence
from mpipeline.supervisor.plan import Plan, decoder_name
from mpipeline.supervisor.rings import Rings

logger = logging.getLogger("mpipeline.supervisor")

_LOOK_NS = NS_PER_S // 10
_REMEMBERED = 64  # damaged rings, for sinks that come later
_END_S = 1.0  # what the writer of a ring takes to end once its damage was seen, at most
_ASSUMED_RATE = 60.0  # Hz, of a stream that tells none


class Mending:
    """Discards the rings of a source that has a damaged one, tells all readers, and has its decoder started again.

    A file under `every_frame` is read again behind the last frame that every sink has which must have it. If that is
    not to be (its decoder has finished, or the run is ending), its frames are lost: then the source has failed.
    A live stream goes on, with ids that nobody has seen.

    `tell` sends a message to everyone who attaches to rings; `streams` has what each decoder has told of its source.
    """

    def __init__(
        self,
        plan: Plan,
        rings: Rings,
        children: Mapping[str, Child],
        streams: Mapping[str, RingRequest],
        tell: Callable[[RingDamaged], None],
    ) -> None:
        self.told: deque[RingDamaged] = deque(maxlen=_REMEMBERED)
        self._plan = plan
        self._rings = rings
        self._children = children
        self._streams = streams
        self._tell = tell
        self._looked_ns = -_LOOK_NS
        self._found: dict[str, str] = {}  # source → what a worker has found wrong with a ring of it
        self._acknowledged: dict[tuple[str, str], int] = {}  # inference and source → the last such frame
        self._owed: dict[str, int] = {}  # source → its last frame when its rings were discarded, until it has new ones

    def hear(self, message: RingDamaged) -> None:
        """A worker has found a damaged ring. It may be late: then the ring is gone already.

        If it went as a damaged one, every reader has been told. If it was retired, none has, and the one that reports
        it has let go of the source's other rings as well: what it misses comes again only if the source begins anew.
        """
        was_told = any(told.segment == message.segment for told in self.told)
        if self._rings.segments(message.source) and not was_told:
            self._found.setdefault(message.source, message.detail)

    def note(self, inference: Child, beat: Heartbeat) -> None:
        """An inference process has told which frames every sink has that must have what this model finds."""
        for source in self._streams:
            frame_id = int(beat.metrics.get(metric_key("acknowledged_frame_id", {"source": source}), 0))
            key = inference.name, source
            self._acknowledged[key] = max(frame_id, self._acknowledged.get(key, 0))

    def _done(self, source: str) -> int:
        """The last frame that every sink has which must have it. Models that were given up are not waited for."""
        workers = [model.worker for model in self._plan.models_of(source)]
        going = [worker for worker in workers if self._children[worker].state is not ProcessState.FATAL]
        return min(self._acknowledged.get((worker, source), 0) for worker in going or workers)

    def look(self, now_ns: int) -> None:
        """Looks at all rings if it is time, and discards what is damaged."""
        unseen_ns = now_ns - self._looked_ns  # more than planned if this process was stopped, or made a large ring
        if unseen_ns >= _LOOK_NS:
            self._looked_ns = now_ns
            self._rings.look()
        found = {**self._found, **self._rings.damaged}
        self._found.clear()
        for source, detail in found.items():
            self._begin_anew(source, detail, unseen_ns / NS_PER_S)

    def granted(self, source: str) -> None:
        """This source has a fresh ring: what is owed of it comes again."""
        self._owed.pop(source, None)

    def settle(self) -> None:
        """Inference is over. What is still owed is lost: these sources have failed, and so has the run."""
        for source, last in self._owed.items():
            decoder, done = self._children[decoder_name(source)], self._done(source)
            if done >= last or not decoder.is_over:
                continue
            which = f"frames from {done + 1} to {last} have not reached every sink"
            decoder.state, decoder.exit_code = ProcessState.FATAL, EXIT_SOURCE_FAILED
            decoder.failure = f"a ring was damaged, and {which}: `mpipeline run --resume` reads them again"
            fields = {"event": "frames_lost", "source": source, "reason": Reason.RING_DAMAGED.value}
            logger.error("%s: %s", source, decoder.failure, extra=fields)

    def _begin_anew(self, source: str, detail: str, unseen_s: float) -> None:
        decoder = self._children[decoder_name(source)]
        last = max(self._rings.last_frame_id(source), decoder.bye.last_frame_id if decoder.bye is not None else 0)
        stream, goes_on = self._streams[source], last
        if stream.live:  # what has come since the last look has an id as well, which no other frame must have
            goes_on += math.ceil((stream.rate or _ASSUMED_RATE) * (unseen_s + _END_S)) + 1
        elif self._rings.is_every_frame(source):
            goes_on = min(last, self._done(source))
            self._owed[source] = last
        fields = {"event": "ring_damaged", "source": source, "reason": Reason.RING_DAMAGED.value}
        begins = f"; it begins anew behind frame {goes_on}" if not decoder.is_over else ""
        logger.error("%s: %s%s", source, detail, begins, extra=fields)
        segments = self._rings.segments(source)
        self._rings.discard(source, goes_on)
        for segment in segments:
            message = RingDamaged(source, segment)
            self.told.append(message)
            self._tell(message)
        if decoder.is_alive:
            decoder.sentence = Sentence(Reason.RING_DAMAGED, "wrote into a ring that is damaged")
            decoder.kill()
