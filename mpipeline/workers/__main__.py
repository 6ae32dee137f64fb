"""The entry of a worker process: `python -m mpipeline.workers ROLE --name N --incarnation I --control ENDPOINT`.

The supervisor starts it by this folder's path instead, so that a folder `mpipeline` in the current directory, such as a
source tree without the compiled module, is never taken for the package that the supervisor itself runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:
    del sys.path[0]  # this folder
    home = str(Path(__file__).resolve().parents[2])
    if home not in sys.path:
        sys.path.append(home)

from mpipeline import registry
from mpipeline.workers.runtime import Runtime

ROLES = {
    "decoder": "mpipeline.workers.decoder_worker:DecoderWorker",
    "inference": "mpipeline.workers.inference_worker:InferenceWorker",
    "sink": "mpipeline.workers.sink_worker:SinkWorker",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one worker until its work is done or its supervisor is gone; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mpipeline.workers", description="One worker of a run.")
    parser.add_argument("role", choices=sorted(ROLES))
    parser.add_argument("--name", required=True, help="the worker's name within the run")
    parser.add_argument("--incarnation", type=int, default=1, help="which start of this name it is")
    parser.add_argument("--control", required=True, help="the supervisor's endpoint")
    parser.add_argument("--lifeline", type=int, help="file descriptor whose end-of-file means: the supervisor is gone")
    parser.add_argument("--log-level", default="info")
    given = parser.parse_args(arguments)
    runtime = Runtime(given.role, given.name, given.incarnation, given.control, given.lifeline, given.log_level)
    return runtime.run(registry.resolve(ROLES[given.role]))


if __name__ == "__main__":
    sys.exit(main())
