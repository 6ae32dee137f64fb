"""A program that runs a config and writes everything which a run tells a program: its status, again and again.

python -m support.watching CONFIG OUTPUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from mpipeline.config.load import load_config
from mpipeline.errors import MpipelineError
from mpipeline.pipeline import Pipeline
from mpipeline.supervisor.status import RunStatus


def main() -> int:
    """Runs until the file `stop` exists; returns the run's exit code."""
    config, output = Path(sys.argv[1]), Path(sys.argv[2])
    with output.open("w") as file:
        try:
            pipeline = Pipeline(load_config(config))

            def watch(status: RunStatus) -> None:
                print(repr(status), file=file, flush=True)
                if Path("stop").exists():
                    pipeline.stop()

            return pipeline.run(watch)
        except MpipelineError as error:
            print(repr(error), error, file=file, flush=True)
            return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
