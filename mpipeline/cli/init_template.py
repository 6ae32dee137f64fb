"""The text of a config for people who begin: what they have said, and what else they may say, as comments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mpipeline import registry
from mpipeline.config.load import model_key
from mpipeline.errors import ConfigError

_PATHS: Mapping[str, str] = {
    "jsonl": "out/predictions.jsonl",
    "csv": "out/predictions.csv",
    "video": "out/{source}.mp4",
}
_HEAD = """\
# {name}: written by `mpipeline init`. Lines behind a '#' are examples: without it, they hold.
#   mpipeline check {name}    tells what is wrong here, and how much memory a run takes; starts nothing
#   mpipeline run {name}      runs it: Ctrl-C once finishes what is in flight, twice ends at once
# Paths are relative to the folder in which the command is called. ${{NAME}} is that environment variable.
"""
_SOURCE = """\
    # max_fps: 10                # at most so many frames a second are passed on
    # delivery: {other:<14}   # {meaning}
"""
_MODEL_FILE = """\
  # confidence: 0.5              # only detections that score more are told
  # classes: [0]                 # only these, by number or by name
"""
_REST = """\
# batching: {max_wait_ms: 20}    # let frames wait for others, where a model gains by batches
# limits: {connects: 4}          # how many cameras connect at one moment
"""
_DELIVERIES = {True: ("every_frame", "none is lost, as of a file"), False: ("latest", "always the freshest, as live")}


def config_text(name: str, sources: Sequence[str], model: str, sinks: Sequence[str]) -> str:
    """The config in the file `name`. A sink is KIND or KIND=VALUE, the value being for the one key that it needs.

    Raises ConfigError for a sink that cannot be said so.
    """
    return "\n".join(
        [
            _HEAD.format(name=name),
            "sources:",
            *_sources(sources),
            "model:",
            *_model(model),
            "sinks:",
            *sink_lines(sinks),
            "",
            _REST,
        ]
    )


def _sources(sources: Sequence[str]) -> Iterator[str]:
    for uri in sources:
        other, meaning = _DELIVERIES[not Path(uri).is_file()]
        yield f"  - uri: {_quoted(uri)}\n{_SOURCE.format(other=other, meaning=meaning)}"


def _model(model: str) -> Iterator[str]:
    key = model_key(model)
    yield f"  {key}: {_quoted(model)}\n{_MODEL_FILE if key != 'target' else ''}"


def sink_lines(sinks: Sequence[str]) -> list[str]:
    """The entries of sinks given as KIND or KIND=VALUE. Raises ConfigError for one that cannot be said so."""
    lines = []
    for sink in sinks:
        kind, _, value = sink.partition("=")
        fields = registry.load("sinks", kind).Options.model_fields
        needed = [name for name, field in fields.items() if field.is_required()]
        value = value or _PATHS.get(kind, "")
        if len(needed) > 1 or (needed and not value):
            keys = ", ".join(needed)
            hint = f"--sink {kind}=VALUE" if len(needed) == 1 else "write it into the file"
            raise ConfigError(f"--sink {kind}: this kind needs {keys}: {hint}")
        if value and not needed:
            raise ConfigError(f"--sink {sink}: this kind needs nothing; give --sink {kind}")
        lines.append(f"  - kind: {kind}")
        lines += [f"    {name}: {_quoted(value)}" for name in needed]
    return lines


def _quoted(text: str) -> str:
    """A text as YAML takes it whatever it holds; JSON's form is one of YAML's."""
    return json.dumps(text, ensure_ascii=False)
