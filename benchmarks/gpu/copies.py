"""Copies of a ring's frames to the GPU: from shared memory as it is, page-locked as a whole, and through staging."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle

import numpy as np

from benchmarks.gpu.bench import GB, Bench, Kept, payload_of
from benchmarks.report import Chart, Report, Table
from benchmarks.samples import Figures, ratios, spread, take_turns, values
from mpipeline._native import Ring
from mpipeline.cuda.driver import Bytes
from mpipeline.errors import BackendError
from mpipeline.frame import FrameFormat
from mpipeline.ring.mapping import attach
from mpipeline.ring.segment import create_ring

PAGEABLE, REGISTERED, STAGED = "as it is (pageable)", "the whole ring registered", "page-locked staging"
BLOCK = "one large page-locked block"
_BLOCK_FRAMES = 64
_STAGES = 2  # while one goes up, the next is filled
_MIB = 1 << 20


@contextmanager
def ring_of(form: FrameFormat, slots: int) -> Iterator[tuple[Bytes, Sequence[Bytes]]]:
    """A ring as one of its readers has it mapped, a frame in each slot: the whole mapping, and the frames."""
    ring = create_ring(f"gpu-{os.getpid()}", "gate", 0, form, slots)
    mapping = attach(ring.descriptor.segment)
    try:
        whole, payload, size = np.frombuffer(mapping.memory, np.uint8), payload_of(form), form.payload_bytes()
        offsets = [Ring(mapping.memory).payload_offset(slot) for slot in range(slots)]
        frames = [whole[offset : offset + size] for offset in offsets]
        for frame in frames:
            frame[:] = payload
        yield whole, frames
    finally:
        mapping.close()
        ring.close()


def add(report: Report, bench: Bench, slots: int) -> None:
    """Measures, and puts table and chart into the report."""
    with ring_of(bench.form, slots) as (whole, frames), Kept() as kept:
        ways = _ways(bench, frames, kept)
        refusal = _refusal(bench, whole)
        if not refusal:
            ways[REGISTERED] = _registered(bench, whole, ways[PAGEABLE])
        rounds = take_turns(ways, bench.repetitions, "copies", minutes=bench.minutes)
        size = whole.nbytes
    rows = [
        [name, spread(values(rounds, name, "GB/s")), "" if name == BLOCK else ratios(rounds, "GB/s", name, BLOCK)]
        for name in ways
    ]
    text = f"The limit (x) is a block of {_BLOCK_FRAMES} frames in one copy. "
    if refusal:
        text += f"The ring was not registered: {refusal}"
    else:
        took = spread(values(rounds, REGISTERED, "register, ms")).text("{:.1f}")
        text += f"To register the ring, {size / _MIB:.0f} MiB, takes {took} ms, once."
    title = f"Frames of a ring in shared memory to the GPU, {bench.form.width} x {bench.form.height} I420, one by one"
    report.tables.append(Table(title, ("memory", "GB/s", "x"), rows, text))
    medians = [spread(values(rounds, name, "GB/s")).median for name in ways]
    report.charts.append(Chart("gpu_copies", title, "GB/s", list(ways), {"copied": medians}))
    report.data["copies"] = rounds


def _ways(bench: Bench, frames: Sequence[Bytes], kept: Kept) -> dict[str, Callable[[], Figures]]:
    """Those that need no registration; each copies the whole ring, or the block, `bench.calls` times."""
    gpu, stream, size = bench.gpu, bench.stream, frames[0].nbytes
    there = kept.keep(gpu.allocate(size * max(_BLOCK_FRAMES, len(frames))))
    block = kept.keep(gpu.allocate_host(size * _BLOCK_FRAMES))
    stages = cycle([(kept.keep(gpu.allocate_host(size)), kept.keep(gpu.event())) for _ in range(_STAGES)])
    block.array[:] = 1

    def as_it_is() -> None:
        for number, frame in enumerate(frames):
            gpu.upload(there.address + number * size, frame, stream)

    def staged() -> None:
        for number, frame in enumerate(frames):
            stage, is_up = next(stages)
            is_up.synchronize()
            np.copyto(stage.array, frame)
            gpu.upload(there.address + number * size, stage.array, stream)
            is_up.record(stream)

    def in_one() -> None:
        gpu.upload(there.address, block.array, stream)

    ring = size * len(frames)
    return {
        BLOCK: lambda: {"GB/s": block.array.nbytes / bench.seconds(in_one) / GB},
        PAGEABLE: lambda: {"GB/s": ring / bench.seconds(as_it_is) / GB},
        STAGED: lambda: {"GB/s": ring / bench.seconds(staged) / GB},
    }


def _registered(bench: Bench, whole: Bytes, copied: Callable[[], Figures]) -> Callable[[], Figures]:
    """The same copies, while the ring is registered."""

    def run() -> Figures:
        begun = time.perf_counter()
        registered = bench.gpu.register(whole)
        took_s = time.perf_counter() - begun
        try:
            return {**copied(), "register, ms": 1000 * took_s}
        finally:
            registered.free()

    return run


def _refusal(bench: Bench, whole: Bytes) -> str:
    """Why a ring cannot be registered here; nothing if it can."""
    if not bench.gpu.facts.registers:
        return f"{bench.gpu.facts} does not page-lock memory that exists."
    try:
        bench.gpu.register(whole).free()
    except BackendError as error:
        return f"{error}."
    return ""
