"""A program with an inference pipeline that is interrupted: python -m support.interrupted WAY

WAY: `start` dispatches in the main thread, `join` waits there, `leave` ends without a word while it runs, `raise` with
an error. `fork` is `start`, and makes a copy of the process that lives on, whose id it says. It says `flows` when
frames come, and writes what it ends with.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from mpipeline import InferencePipeline


def main() -> int:
    """Runs until it is interrupted; 3 after KeyboardInterrupt."""
    way = sys.argv[1]
    flows = threading.Event()

    def sink(prediction: Any, frame: Any) -> None:
        if not flows.is_set():
            if way == "fork":
                _fork()
            print("flows", flush=True)
        flows.set()

    def ended() -> None:
        print("hook", flush=True)

    reference: Any = ["TestPatternStreamProducer"]
    logic = lambda frames: [None] * len(frames)  # noqa: E731
    pipeline = InferencePipeline.init_with_custom_logic(reference, logic, sink, on_pipeline_end=ended)
    try:
        pipeline.start(use_main_thread=way in ("start", "fork"))
        if way == "join":
            pipeline.join()
        flows.wait()
        if way == "raise":
            raise ValueError("enough")
        return 0
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        return 3


def _fork() -> None:
    process = os.fork()
    if not process:
        signal.pause()
        os._exit(1)
    print(process, flush=True)


if __name__ == "__main__":
    sys.exit(main())
