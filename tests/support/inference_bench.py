"""An inference loop over one real ring, with a predictor that fails where it is told to and a sink that is a list."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from mpipeline.batching import Batcher
from mpipeline.clock import NS_PER_MS, ManualClock
from mpipeline.frame import Frame, FrameFormat, FrameMeta, FrameRef, PixelFormat
from mpipeline.messages import FrameReady, PredictionReady, SessionOpened, SinkAdded, SinkStatus
from mpipeline.metrics.recorder import Recorder
from mpipeline.prediction import Detections, Findings
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import create_ring
from mpipeline.ring.writer import RingWriter
from mpipeline.testing.fakes import level_of, seen
from mpipeline.transport import codec
from mpipeline.workers.inference import AttachedRing, InferenceLoop
from mpipeline.workers.journal import Journal
from mpipeline.workers.predictor import AHEAD, LIVE_AHEAD, Work, at_once, keep
from mpipeline.workers.ways import LetGo, RingMemory

FORMAT = FrameFormat(PixelFormat.GRAY8, 16, 16)


class Inline:
    """A predictor without threads."""

    max_batch = 8
    ahead, live_ahead = AHEAD, LIVE_AHEAD
    rings: RingMemory | None = None

    def begin(self, frames: Sequence[Frame], ended: Callable[[], object] | None = None, let_go: LetGo = keep) -> Work:
        return Work([at_once(self.predict, frames)])

    def predict(self, frames: Sequence[Frame]) -> Sequence[Findings]:
        raise NotImplementedError

    def close(self) -> None:
        pass


class Predictor(Inline):
    """Fails for poisonous levels; counts calls."""

    def __init__(self) -> None:
        self.poison: set[int] = set()
        self.broken = False
        self.short = False
        self.calls: list[int] = []

    def predict(self, frames: Sequence[Frame]) -> list[Detections]:
        self.calls.append(len(frames))
        levels = [int(frame.planes[0][0, 0]) for frame in frames]
        if self.broken or self.poison.intersection(levels):
            raise RuntimeError("poison")
        return [seen(level, 16, 16) for level in levels][1 if self.short else 0 :]


class Threaded(Predictor):
    """As if a thread of its own did the work, which is done when `finish` is called; `told` counts what it has said."""

    def __init__(self) -> None:
        super().__init__()
        self.told = 0
        self._open: deque[tuple[Future[Sequence[Findings]], Sequence[Frame], LetGo]] = deque()

    def begin(self, frames: Sequence[Frame], ended: Callable[[], object] | None = None, let_go: LetGo = keep) -> Work:
        part: Future[Sequence[Findings]] = Future()
        self._open.append((part, frames, let_go))
        return Work([part], ended)

    @property
    def begun(self) -> list[int]:
        """Of how many frames each batch is that is in the model."""
        return [len(frames) for _, frames, _ in self._open]

    def let_go(self, count: int) -> None:
        """Of the oldest batch the pixels of the first so many frames are not needed any more."""
        _, frames, let_go = self._open[0]
        let_go(frames[:count])

    def finish(self) -> None:
        """The oldest batch is through."""
        part, frames, _ = self._open.popleft()
        done = at_once(self.predict, frames)
        if (error := done.exception()) is not None:
            part.set_exception(error)
        else:
            part.set_result(done.result())


class Deliveries:
    """What a loop has sent to its sink, which takes everything."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.session = 0

    def deliver(self, identity: str, data: bytes) -> bool:
        message = codec.decode(data)
        if isinstance(message, SessionOpened):
            self.session = message.session
        else:
            self.sent.append(message)
        return True


class Bench(Deliveries):
    """One ring, one sink that takes everything, an inference loop."""

    def __init__(self, every_frame: bool, slots: int = 8, bit: int = -1, staleness_ms: int = 500) -> None:
        self.clock = ManualClock()
        self.recorder = Recorder()
        self.predictor = Predictor()
        super().__init__()
        self.ring = create_ring(uuid.uuid4().hex[:12], "a", 0, FORMAT, slots)
        self.ring.add_reader(0, pinned=every_frame)
        self.ring.add_reader(1, pinned=False)
        self.writer = RingWriter(self.ring.descriptor, reuse=True)
        self.every_frame, self.bit, self.staleness_ms = every_frame, bit, staleness_ms
        self.begin()

    def begin(self, journal: Journal | None = None) -> None:
        """A fresh incarnation of inference, as after the death of another: it hears of sink and ring."""
        batcher = Batcher(8, 0, self.staleness_ms * NS_PER_MS)
        self.loop = InferenceLoop(self.predictor, batcher, self.deliver, self.clock, self.recorder, journal)
        self.loop.add_sink(SinkAdded("s", self.bit, "block", "drop_oldest", 4))
        self.loop.rings.add(AttachedRing(RingReader(self.ring.descriptor, 0), self.every_frame))
        self.sent.clear()
        self.session = 0

    def publish(self, frame_id: int, hint: bool = True) -> FrameReady:
        slot = self.writer.reserve(0.0)
        assert slot is not None
        self.writer.planes(slot)[0][:] = level_of(frame_id)
        now = self.clock.monotonic_ns()
        sequence = self.writer.publish(slot, FrameMeta("a", frame_id, None, now, now, 16, 16))
        ready = FrameReady(FrameRef(self.ring.descriptor.segment, slot, sequence), frame_id, now)
        if hint:
            self.loop.hint(ready)
        return ready

    def report(self) -> None:
        """The sink has done all that it was sent."""
        self.loop.status("x", SinkStatus("s", 1, 0, 0, 0))
        ids = [m.frame.frame_id for m in self.sent if isinstance(m, PredictionReady)]
        self.loop.status("x", SinkStatus("s", 1, self.session, len(self.sent), 100, {"a": max(ids, default=0)}))

    def counted(self, metric: str) -> float:
        return sum(v for k, v in self.recorder.snapshot().items() if k.partition("{")[0] == metric)

    def reasons(self) -> dict[str, float]:
        snapshot = self.recorder.snapshot().items()
        return {k.partition("reason=")[2].partition(",")[0]: v for k, v in snapshot if k.startswith("frames_dropped")}

    def predictions(self) -> list[PredictionReady]:
        return [m for m in self.sent if isinstance(m, PredictionReady)]

    def close(self) -> None:
        self.loop.close()
        self.writer.close()
        self.ring.close()
