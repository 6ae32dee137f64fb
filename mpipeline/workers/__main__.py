"""The entry of a worker process: `python -m mpipeline.workers ROLE --name N --incarnation I --control ENDPOINT`.

ROLE `fork-server` makes workers by forking; each of these comes by here as well.

The supervisor starts both by this folder's path instead, so that a folder `mpipeline` in the current directory, such as
a source tree without the compiled module, is never taken for the package that the supervisor itself runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:
    del sys.path[0]  # this folder
    home = str(Path(__file__).resolve().parents[2])
    if home not in sys.path:
        sys.path.append(home)

from mpipeline import registry
from mpipeline.transport import fork_channel
from mpipeline.workers import command_line, fork_server
from mpipeline.workers.runtime import Runtime

ROLES = {
    "decoder": "mpipeline.workers.decoder_worker:DecoderWorker",
    "inference": "mpipeline.workers.inference_worker:InferenceWorker",
    "sink": "mpipeline.workers.sink_worker:SinkWorker",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one worker until its work is done or its supervisor is gone; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["fork-server"]:
        forked = _serve(given[1:])
        return 0 if forked is None else _work(forked)
    return _work(given)


def _serve(given: Sequence[str]) -> list[str] | None:
    parser = argparse.ArgumentParser(prog="python -m mpipeline.workers fork-server", description="Forks workers.")
    parser.add_argument("--control", help="the supervisor's endpoint; only tells whose this is")
    parser.add_argument("--supervisor", type=int, required=True, help="its process id")
    parser.add_argument("--channel", type=int, required=True, help="file descriptor of the socket to the supervisor")
    parser.add_argument("--sources", type=lambda text: text.split(","), default=[], help="kinds that will be needed")
    parser.add_argument("--room", help="takes room for longer command lines")
    options = parser.parse_args(given)
    command_line.show([sys.executable, sys.argv[0], "fork-server", "--control", options.control])
    modules = [path.partition(":")[0] for path in ROLES.values()]
    channel = fork_channel.from_descriptor(options.channel)
    return fork_server.serve(channel, options.supervisor, modules, options.sources)


def _work(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m mpipeline.workers", description="One worker of a run.")
    parser.add_argument("role", choices=sorted(ROLES))
    parser.add_argument("--name", required=True, help="the worker's name within the run")
    parser.add_argument("--incarnation", type=int, default=1, help="which start of this name it is")
    parser.add_argument("--control", required=True, help="the supervisor's endpoint")
    parser.add_argument("--lifeline", type=int, help="file descriptor whose end-of-file means: the supervisor is gone")
    parser.add_argument("--supervisor", type=int, default=os.getppid(), help="its process id")
    parser.add_argument("--log-level", default="info")
    given = parser.parse_args(arguments)
    runtime = Runtime(
        given.role,
        given.name,
        given.incarnation,
        given.control,
        given.lifeline,
        given.log_level,
        supervisor=given.supervisor,
    )
    return runtime.run(registry.resolve(ROLES[given.role]))


if __name__ == "__main__":
    sys.exit(main())
