"""The `mpipeline` command. One file a command; the table below names them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

# name → (module with `add_arguments(parser)` and `command(arguments) -> exit code`, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("mpipeline.cli.run", "run a config, or a model over videos"),
    "check": ("mpipeline.cli.check", "validate a config and print what would run, without starting it"),
    "sources": ("mpipeline.cli.sources", "open a source and tell what it is: codec, size, rate, live or finite"),
    "status": ("mpipeline.cli.status", "tell which runs are alive, and how one of them does"),
    "top": ("mpipeline.cli.top", "show what a run does, as a live table"),
    "init": ("mpipeline.cli.init", "write a commented config, from flags or by asking"),
    "models": ("mpipeline.cli.models", "fetch models by id, list, describe and compare those on this machine"),
    "engine": ("mpipeline.cli.engine", "build, list, describe and remove the engines of TensorRT"),
    "chaos": ("mpipeline.cli.chaos", "kill workers of a run at random moments and account for every frame"),
    "schema": ("mpipeline.cli.schema", "print the JSON Schema of the config, for editors"),
    "doctor": ("mpipeline.cli.doctor", "look over this machine: what is available, what is not, and how to get it"),
    "completion": ("mpipeline.cli.completion", "print a script for a shell that completes commands and options"),
    "demo": ("mpipeline.cli.demo", "run four synthetic cameras through a small detector and measure its accuracy"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of the command; returns the exit code: 0 done, 65 a source failed, 75 try again, 78 configuration."""
    import importlib

    for name in ("stdout", "stderr"):  # closed by a daemon or a cron job
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open until the process ends
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="mpipeline",
        description="Runs vision models over many video sources at once.",
        epilog="mpipeline COMMAND --help tells more of each command. Exit codes: 0 done, 65 a source failed for good, "
        "75 temporary failure, 78 wrong configuration, 2 wrong arguments, 130 interrupted before the start, "
        "1 anything else.",
    )
    parser.add_argument("--version", action="version", version=f"mpipeline {_version()}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in given if not word.startswith("-")), None)
    from mpipeline.errors import MpipelineError

    try:
        for name, (module_name, help_text) in COMMANDS.items():
            sub = subparsers.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
            if name == chosen:
                module = importlib.import_module(module_name)
                module.add_arguments(sub)
                sub.set_defaults(run=module.command)
        options = parser.parse_args(given)
        code: int = options.run(options)
    except MpipelineError as error:
        print(f"mpipeline: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return code


def _version() -> str:
    from mpipeline import __version__

    return __version__
