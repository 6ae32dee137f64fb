"""What each role does for one frame in the steady state of a run, in calls of Python functions and in messages."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from support import media, onnx_models
from support.calls import CallCounter
from support.decoding import Bench
from support.lab import Lab, lab
from support.lab_parts import SinkSetup, SourceSetup

from mpipeline.config.schema import ModelSpec
from mpipeline.frame import Frame, FrameFormat, FrameMeta, PixelFormat
from mpipeline.sources.video import VideoSource
from mpipeline.sources.video_open import VideoOptions
from mpipeline.testing.fakes import FakeSourceOptions
from mpipeline.transport import codec
from mpipeline.workers.loading import open_predictor

KEPT = Path(__file__).parents[1] / "unit" / "workers" / "frame_costs.json"
UPDATE = "python -m benchmarks.calls --update"
TOLERANCE = 0.05
_ENDLESS = 10**9
_WARM_UP, _ROUNDS = 20, 40


@dataclass(frozen=True)
class Cost:
    """For one frame: `calls` of functions in all, `messages` sent, and the calls of each function."""

    calls: float
    messages: float
    functions: Mapping[str, float]


def _cost(counted: Counter[str], messages: int, frames: int) -> Cost:
    functions = {name: round(count / frames, 3) for name, count in sorted(counted.items())}
    return Cost(round(counted.total() / frames, 2), round(messages / frames, 3), functions)


class _FileBench(Bench):
    def _open(self) -> Any:
        path = media.video(media.VideoSpec(frames=_WARM_UP + _ROUNDS + 20))
        return VideoSource("cam", VideoOptions(uri=str(path), threads=1))


def decoder() -> Cost:
    """A file, decoded by FFmpeg, into a ring; every frame announced."""
    bench = _FileBench(FakeSourceOptions())
    counter = CallCounter()
    try:
        bench.run(until=lambda: bench.loop.progress == _WARM_UP)
        announced = len(bench.hints)
        while bench.loop.progress < _WARM_UP + _ROUNDS:
            with counter:
                bench.loop.step()
            bench.drain()
            bench.clock.advance(0.001)
        return _cost(counter.calls, len(bench.hints) - announced, _ROUNDS)
    finally:
        bench.close()


def _turn(made: Lab, inferring: CallCounter, sinking: CallCounter) -> tuple[int, int]:
    """A frame of each source from its ring to the sink; the messages that inference and the sink have sent."""
    for name in made.decoders:
        made.step_decoder(name)
    loop, identity = made.inference, made.children["sink:sink"].identity
    assert loop is not None
    with inferring:
        while made.wires.hints:
            loop.hint(made.wires.hints.popleft())
        while made.wires.statuses:
            sender, data = made.wires.statuses.popleft()
            loop.status(sender, codec.decode(data))  # type: ignore[arg-type]
        loop.step()
    sent = len(made.wires.deliveries[identity])
    with sinking:
        made.step_sink("sink", most=sent)
    made.settle_control()
    made.clock.advance(0.001)
    return sent, len(made.wires.statuses)


def inference_and_sink(sources: int, *, live: bool, pixels: bool) -> tuple[Cost, Cost]:
    """Frames of several sources, one of each in a batch, for one sink; the model costs nothing."""
    setups = [SourceSetup(f"source{n}", _ENDLESS, every_frame=not live) for n in range(sources)]
    inferring, sinking, sent, reported = CallCounter(), CallCounter(), 0, 0
    with lab(setups, [SinkSetup("sink", pixels, credit=32)]) as made:
        for _ in range(_WARM_UP):
            _turn(made, CallCounter(), CallCounter())
        written = len(made.stores["sink"].written)
        for _ in range(_ROUNDS):
            by_inference, by_sink = _turn(made, inferring, sinking)
            sent, reported = sent + by_inference, reported + by_sink
        frames = len(made.stores["sink"].written) - written
    assert frames == sources * _ROUNDS, f"{frames} frames came to the sink in their turn, not {sources * _ROUNDS}"
    return _cost(inferring.calls, sent, frames), _cost(sinking.calls, reported, frames)


def model(folder: Path) -> Cost:
    """A frame through a detector with two findings: preprocessing, engine, postprocessing."""
    answer = np.zeros((4 + 3, 20), np.float32)
    answer[:, :2] = np.array([[20, 20, 10, 10, 0.9, 0, 0], [40, 40, 12, 12, 0, 0.8, 0]]).T
    path = onnx_models.detector(folder / "detector.onnx", answer)
    predictor, _ = open_predictor(ModelSpec(path=path, backend="onnxruntime", family="yolo"), 1)
    format = FrameFormat(PixelFormat.I420, 64, 48)
    planes = tuple(np.zeros((rows, width), np.uint8) for rows, width in ((48, 64), (24, 32), (24, 32)))
    frame = Frame(FrameMeta("cam", 1, 0.0, 0, 0, 64, 48), format, planes)
    counter = CallCounter()
    try:
        for _ in range(_WARM_UP):
            predictor.predict([frame])
        for _ in range(_ROUNDS):
            with counter:
                found = predictor.predict([frame])
    finally:
        predictor.close()
    assert [len(one.score) for one in found] == [2]  # type: ignore[union-attr]
    return _cost(counter.calls, 0, _ROUNDS)


def measured() -> dict[str, Cost]:
    """By role."""
    with tempfile.TemporaryDirectory() as folder:
        costs = {"decoder of a file": decoder(), "model, batch of 1": model(Path(folder))}
    one = inference_and_sink(1, live=False, pixels=True)
    costs["inference, 1 file"], costs["sink with pixels, 1 file"] = one
    four = inference_and_sink(4, live=True, pixels=False)
    costs["inference, 4 cameras"], costs["sink without pixels, 4 cameras"] = four
    return costs


def kept() -> dict[str, Cost]:
    """What `keep` wrote."""
    return {role: Cost(**cost) for role, cost in json.loads(KEPT.read_text(encoding="utf-8")).items()}


def keep(costs: Mapping[str, Cost]) -> None:
    """Writes the bounds of the test."""
    KEPT.write_text(json.dumps({role: vars(cost) for role, cost in costs.items()}, indent=1) + "\n", encoding="utf-8")


def growth(role: str, before: Cost, now: Cost) -> str:
    """What a frame costs more than it did, "" if it is within the tolerance."""
    wrong = []
    if now.messages > before.messages:
        wrong.append(f"{now.messages} messages a frame, {before.messages} before")
    if now.calls > before.calls * (1 + TOLERANCE):
        wrong.append(f"{now.calls} calls a frame, {before.calls} before")
        names = sorted(now.functions.keys() | before.functions.keys())
        each = [(name, before.functions.get(name, 0), now.functions.get(name, 0)) for name in names]
        wrong += [f"    {name}: from {was} to {became}" for name, was, became in each if became > was]
    return "\n".join([f"{role}:", *wrong, f"If this was meant: {UPDATE}"]) if wrong else ""
