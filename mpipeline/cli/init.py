"""`mpipeline init`: writes a commented config, from flags or by asking."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from mpipeline.cli.init_template import config_text, sink_lines
from mpipeline.config.load import config_from_text
from mpipeline.credentials import passwords
from mpipeline.errors import EXIT_DONE, ConfigError

_FILE = "pipeline.yaml"
_EXAMPLE = "for example: mpipeline init cameras.yaml --source lobby.mp4 --source 0 --model people.onnx"
_SINKS = ["jsonl"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = (
        "Writes a commented config that `mpipeline check` accepts. On a terminal it asks for what is not said; "
        "elsewhere --source and --model must be given."
    )
    parser.epilog = _EXAMPLE[:1].upper() + _EXAMPLE[1:]
    parser.add_argument("file", nargs="?", type=Path, default=Path(_FILE), metavar="FILE", help=f"default: {_FILE}")
    parser.add_argument(
        "--source", action="append", metavar="URI", help="a file, an address, or the number of a camera; repeatable"
    )
    parser.add_argument("--model", help="model file, id such as yolov8n-640, or module:attribute")
    parser.add_argument(
        "--sink", action="append", metavar="KIND[=VALUE]", help="jsonl (default), video=out/{source}.mp4, …; repeatable"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")


def command(arguments: argparse.Namespace) -> int:
    """Writes the file. Raises ConfigError if it is there already, or if what was said makes no config."""
    path: Path = arguments.file
    if not arguments.force and os.path.lexists(path):
        raise ConfigError(f"{path} is there already: --force replaces it, or give another name")
    asks = sys.stdin is not None and sys.stdin.isatty() and not (arguments.source and arguments.model)
    if asks:
        _ask(arguments)
    if not (arguments.source and arguments.model):
        raise ConfigError(f"say --source URI and --model MODEL, or call this on a terminal, where it asks; {_EXAMPLE}")
    text = config_text(path.name, arguments.source, arguments.model, arguments.sink or _SINKS)
    config_from_text(text, path)
    is_secret = any(passwords(uri) for uri in arguments.source)
    _write(path, text, 0o600 if is_secret else 0o666, replace=arguments.force)
    print(f"{path} is written; mpipeline check {path} tells what would run, mpipeline run {path} runs it")
    if is_secret:
        print("it holds a password, so only you can read it; ${NAME} in its place takes it from the environment")
    return EXIT_DONE


def _ask(arguments: argparse.Namespace) -> None:
    arguments.source = arguments.source or _words("sources (files, addresses, numbers of cameras)")
    arguments.model = arguments.model or _answer("model (an ONNX file, an id, or module:attribute)")
    arguments.sink = arguments.sink or _words("sinks (jsonl, video, …)", " ".join(_SINKS), sink_lines)


def _words(question: str, default: str = "", check: Callable[[list[str]], object] = list) -> list[str]:
    """The words of an answer, as in a shell: one in quotes may have blanks. Asked again until `check` takes them."""
    while True:
        answer = _answer(question, default)
        try:
            words = shlex.split(answer)
            check(words)
        except (ConfigError, ValueError) as error:  # quotes that do not close are of the latter
            print(f"  {error}")
        else:
            return words


def _answer(question: str, default: str = "") -> str:
    """What a person says, asked again until it is something."""
    while True:
        try:
            answer = input(f"{question}{f' [{default}]' if default else ''}: ").strip() or default
        except EOFError as error:
            raise ConfigError("nothing was answered, and nothing is written") from error
        except KeyboardInterrupt:
            print()  # what the shell says next begins a line
            raise
        if answer:
            return answer


def _write(path: Path, text: str, mode: int, *, replace: bool) -> None:
    """All of it or nothing. A file that has come meanwhile stays, unless it is to be replaced."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)
        try:
            if replace:
                os.replace(new, path)
            else:
                os.link(new, path)
        finally:
            new.unlink(missing_ok=True)
    except FileExistsError as error:
        raise ConfigError(f"{path} is there already: --force replaces it, or give another name") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
