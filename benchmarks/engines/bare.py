"""The program that runs an engine alone: random input, nothing else in the process.

    python bare.py ENGINE PRECISION SECONDS RESULT MODEL ...

ENGINE is `onnxruntime` or `openvino`. Each model file, whose input says how large a batch is, is run in each of
`SHAPES`, for so many seconds. RESULT gets "STREAMS x THREADS, batch N" → frames/s as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

SHAPES = ((1, 1), (1, 2), (2, 1))  # streams, threads of each; a batch of several on all cores only
_WARM = 2  # calls of each stream that do not count
Speed = tuple[float, int]  # frames/s, frames of a call


def by_onnxruntime(path: str, streams: int, threads: int, seconds: float) -> Speed:
    """A session for each stream, called from a thread of its own."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    sessions = [onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]) for _ in range(streams)]
    entry = sessions[0].get_inputs()[0]
    image = _random(entry.shape)
    counts = [0] * streams
    for session in sessions:
        for _ in range(_WARM):
            session.run(None, {entry.name: image})
    begun = time.perf_counter()

    def call(index: int) -> None:
        while time.perf_counter() - begun < seconds:
            sessions[index].run(None, {entry.name: image})
            counts[index] += 1

    callers = [threading.Thread(target=call, args=(index,)) for index in range(streams)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return sum(counts) * len(image) / (time.perf_counter() - begun), len(image)


def by_openvino(path: str, streams: int, threads: int, seconds: float, precision: str) -> Speed:
    """A queue of requests, twice as many as there are streams."""
    import openvino

    config = {
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams * threads,
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "ENABLE_CPU_PINNING": False,
    }
    compiled = openvino.Core().compile_model(path, "CPU", config)
    image = _random(list(compiled.input(0).shape))
    queue = openvino.AsyncInferQueue(compiled, 2 * streams)
    for _ in range(_WARM * streams):
        queue.start_async({0: image})
    queue.wait_all()
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        queue.start_async({0: image})  # waits for a request that is free
        count += 1
    queue.wait_all()
    return count * len(image) / (time.perf_counter() - begun), len(image)


def _random(shape: list[int]) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).random(shape, np.float32)


def main() -> None:
    """Runs and tells."""
    engine, precision, seconds, result, *models = sys.argv[1:]
    found = {}
    for path in models:
        for streams, threads in SHAPES[bool(found) :]:
            if engine == "openvino":
                rate, batch = by_openvino(path, streams, threads, float(seconds), precision)
            else:
                rate, batch = by_onnxruntime(path, streams, threads, float(seconds))
            found[f"{streams} x {threads}, batch {batch}"] = rate
    Path(result).write_text(json.dumps(found), encoding="ascii")


if __name__ == "__main__":
    main()
