"""The schema for editors: it takes every config that is right, refuses plain mistakes, and describes every key."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from support.pages import ROOT, block, blocks, text_of

from mpipeline.cli import main
from mpipeline.config.descriptions import DESCRIPTIONS
from mpipeline.config.json_schema import json_schema

PAGE = "docs/configuration.md"
SINK = "sinks: [{kind: jsonl, path: out.jsonl}]"


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the real ones, instead of those that stand in for them elsewhere."""


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def configs() -> list[str]:
    written = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "configs").glob("*.yaml"))]
    return written + [one.text for one in blocks(PAGE) if one.language == "yaml" and "sources:" in one.text]


@pytest.mark.parametrize("text", configs())
def test_every_example_is_valid(validator: Any, text: str) -> None:
    assert not list(validator.iter_errors(yaml.safe_load(text)))


@pytest.mark.parametrize(
    "text",
    [
        "sources: [{uri: 0, fps: 15}]\nmodel: {id: coco/3}\nbatching:\n" + SINK,
        "sources: [{uri: a.mp4}]\nmodel: {path: a.onnx, confidence: '${CONFIDENCE}'}\n" + SINK,
        "sources: [{gstreamer: 'a ! b'}]\nmodel: {id: coco/3}\n" + SINK,
        "sources: [{uris: [a.mp4]}]\nmodel: {id: coco/3}\n" + SINK,
        "sources: [{kind: synthetic, count: 3}]\nmodel: {target: 'a:B'}\nsinks: [{kind: python, target: 'a:B'}]",
        "sources: [{uri: a.mp4}]\nmodel: {path: a.onnx, size: [640, 640], names: [a, b]}\nlimits: {connects: 2}\n"
        + SINK,
    ],
)
def test_what_is_right_is_taken(validator: Any, text: str) -> None:
    assert not list(validator.iter_errors(yaml.safe_load(text)))


@pytest.mark.parametrize(
    "text",
    [
        "sources: [{uri: a.mp4, trnsport: tcp}]\nmodel: {path: a.onnx}\n" + SINK,
        "sources: [{uri: a.mp4}]\nmodel: {path: a.onnx, confidence: 2}\n" + SINK,
        "sources: [{uri: a.mp4}]\nmodel: {path: a.onnx}\nsinks: [{kind: jsnol, path: a}]",
        "sources: [{uri: a.mp4}]\nmodel: {path: a.onnx}\nsinks: [{kind: jsonl}]",
        "sources: [{kind: jsonl, path: a}]\nmodel: {path: a.onnx}\n" + SINK,
        "sources: []\nmodel: {path: a.onnx}\n" + SINK,
        "model: {path: a.onnx}\n" + SINK,
        "sources: [{uri: a.mp4, slots: lots}]\nmodel: {path: a.onnx}\n" + SINK,
    ],
)
def test_a_plain_mistake_is_refused(validator: Any, text: str) -> None:
    assert list(validator.iter_errors(yaml.safe_load(text)))


def test_every_key_of_the_specs_is_described() -> None:
    schema = json_schema()
    for name, keys in DESCRIPTIONS.items():
        if name in ("SourceSpec", "SinkSpec"):
            continue
        part = schema if name == "RunConfig" else schema["$defs"][name]
        assert set(part["properties"]) == set(keys), name
        assert all(field["description"] for field in part["properties"].values())


@pytest.mark.parametrize("group", ["sources", "sinks"])
def test_every_kind_is_there_with_its_options_and_the_common_keys(group: str) -> None:
    spec = {"sources": "SourceSpec", "sinks": "SinkSpec"}[group]
    branches = {one["properties"]["kind"]["const"]: one for one in json_schema()["$defs"][spec]["anyOf"]}
    for kind, path in importlib.import_module(f"mpipeline.{group}").KINDS.items():
        module, _, name = path.partition(":")
        options = getattr(importlib.import_module(module), name).Options.model_fields
        keys = branches[kind]["properties"]
        own = {field.alias or key for key, field in options.items()}
        assert set(keys) == own | set(DESCRIPTIONS[spec])
        assert all(keys[key]["description"] for key in DESCRIPTIONS[spec])


def test_the_command_prints_and_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    command, verb, *options = block(PAGE, "command: schema").split()
    assert command == "mpipeline"
    monkeypatch.chdir(tmp_path)
    assert main([verb, *options]) == 0
    assert json.loads((tmp_path / "mpipeline.schema.json").read_text()) == printed
    assert "# yaml-language-server: $schema=mpipeline.schema.json" in text_of(PAGE)
    assert main(["schema", "--output", "none/schema.json"]) == 78
    assert "cannot be written" in capsys.readouterr().err
