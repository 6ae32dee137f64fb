"""`mpipeline schema`: the JSON Schema of the config, from which editors complete and check it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mpipeline.config.json_schema import json_schema
from mpipeline.errors import EXIT_DONE, ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = (
        "Prints the JSON Schema of the config, with the options of every kind that is installed here. Editors that "
        "know YAML schemas complete and check configs with it."
    )
    parser.epilog = (
        "Example:  mpipeline schema --output mpipeline.schema.json, and as the first line of a config "
        "# yaml-language-server: $schema=mpipeline.schema.json"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write it there instead (replaced if it is there)")


def command(arguments: argparse.Namespace) -> int:
    """Prints or writes it. Raises ConfigError if the file cannot be written."""
    text = json.dumps(json_schema(), indent=1)
    if arguments.output is None:
        print(text)
        return EXIT_DONE
    try:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{arguments.output}: cannot be written: {error.strerror}") from error
    return EXIT_DONE
