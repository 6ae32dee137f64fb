"""Asks of a loaded config what `load_config` promises: it is valid and travels, or the error says where."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mpipeline.config.load import load_config
from mpipeline.config.schema import RunConfig
from mpipeline.errors import ConfigError

SECRET = "tr0ub4dor-and-3"
VARIABLES = {"FUZZ_SECRET": SECRET, "FUZZ_EMPTY": "", "FUZZ_PORT": "554"}


@contextmanager
def workplace() -> Iterator[Path]:
    """A current directory with a video and a model, and an environment with a secret."""
    before, known = Path.cwd(), dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("shop.mp4", "yard.mp4", "model.onnx"):
            (Path(folder) / name).touch()
        os.environ.update(VARIABLES)
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(known)


def loaded(document: bytes, overrides: tuple[str, ...] = ()) -> RunConfig | None:
    """The config in `document`, None if it is refused; any other error goes up. Only inside a `workplace`."""
    path = Path("fuzz.yaml")
    path.write_bytes(document)
    try:
        config = load_config(path, overrides)
    except ConfigError as refused:
        check_message(str(refused), document)
        return None
    assert RunConfig.from_mapping(config.to_mapping()) == config
    return config


def check_message(message: str, document: bytes) -> None:
    """Fails unless every line of a refusal says where, and none shows what the environment holds."""
    lines = message.split("\n")
    if len(message) > 200 * (1 + len(document)) + 2000:
        raise AssertionError(f"a refusal of {len(message)} characters for {len(document)} bytes")
    for line in lines:
        if not re.match(r"fuzz\.yaml(:\d+:\d+)?: .|--set ", line):
            raise AssertionError(f"a refusal that does not say where: {line!r}")
    if SECRET in message and SECRET.encode() not in document:
        raise AssertionError("a refusal shows a value of the environment")
