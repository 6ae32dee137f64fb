"""docs/configuration.md and configs/ keep step with the schema and with the kinds that come along."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from mpipeline import registry
from mpipeline.config import schema, supervision, tracker
from mpipeline.config.environment import LOG_JSON, LOG_LEVEL, RUN_ROOT
from mpipeline.config.load import load_config
from mpipeline.config.spec import KindSpec, Spec

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
SECTIONS = {
    schema.RunConfig: "The run",
    schema.SourceSpec: "sources",
    schema.ExpectSpec: "sources",
    schema.ModelSpec: "model",
    schema.NamedModelSpec: "model",
    schema.SinkSpec: "sinks",
    schema.FilterSpec: "sinks",
    tracker.TrackerSpec: "tracker",
    schema.BatchingSpec: "batching",
    supervision.RestartSpec: "supervision",
    supervision.PerRoleSpec: "supervision",
    supervision.LimitsSpec: "limits",
}


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the real ones, instead of those that stand in for them elsewhere."""


def rows(section: str) -> dict[str, str]:
    """Key → row of the tables in a section; of several rows with a key, all together."""
    text = re.split(rf"^## {section}$", PAGE, flags=re.MULTILINE)[1].split("\n## ")[0]
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            for key in re.findall(r"`(\w+)`", line.split("|")[1]):
                found[key] = found.get(key, "") + line
    return found


def words_of(default: object) -> str:
    return {True: "`true`", False: "`false`"}[default] if isinstance(default, bool) else f"{default:g}"


def options_of(group: registry.Group) -> dict[str, type[BaseModel]]:
    """Kind → the model of its options, of the kinds that come along."""
    return {kind: registry.load(group, kind).Options for kind in builtin(group)}


def builtin(group: registry.Group) -> dict[str, str]:
    return dict(importlib.import_module(f"mpipeline.{group}").KINDS)


def undocumented(model: type[BaseModel], section: str) -> list[str]:
    table = rows(section)
    missing = []
    for name, field in model.model_fields.items():
        if name == "options" and issubclass(model, KindSpec):
            continue
        plain = isinstance(field.default, (bool, int, float))
        if name not in table or (plain and words_of(field.default) not in table[name]):
            missing.append(f"{name} (default {field.default!r})")
    return missing


@pytest.mark.parametrize("spec", SECTIONS, ids=lambda spec: spec.__name__)
def test_every_key_is_documented_with_its_default(spec: type[Spec]) -> None:
    assert not undocumented(spec, SECTIONS[spec])


def test_every_spec_has_a_section() -> None:
    known = [one for module in (schema, supervision, tracker) for one in vars(module).values()]
    specs = {kind for kind in known if isinstance(kind, type) and issubclass(kind, Spec)}
    assert specs - {Spec, KindSpec} == set(SECTIONS)


@pytest.mark.parametrize("spec", [schema.SourceSpec, schema.SinkSpec, tracker.TrackerSpec])
def test_every_key_of_every_kind_is_documented_and_none_shadows_a_common_one(spec: type[KindSpec]) -> None:
    group = spec.GROUP
    for kind, options in options_of(group).items():
        assert not undocumented(options, SECTIONS[spec]), kind
        assert not set(options.model_fields) & set(spec.model_fields) - {"options"}, kind


def test_no_key_is_documented_that_does_not_exist() -> None:
    known: dict[str, set[str]] = {}
    for spec, section in SECTIONS.items():
        models = [spec, *(options_of(spec.GROUP).values() if issubclass(spec, KindSpec) else [])]
        known.setdefault(section, set()).update(name for model in models for name in model.model_fields)
    assert {section: set(rows(section)) - keys for section, keys in known.items()} == {
        section: set() for section in known
    }


def test_every_kind_family_backend_and_variable_is_named() -> None:
    for group in ("sources", "sinks", "models", "backends", "trackers"):
        for name in builtin(group):
            assert f"`{name}`" in PAGE
    for name in (RUN_ROOT, LOG_LEVEL, LOG_JSON):
        assert f"`{name}`" in PAGE


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_loads(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text(encoding="utf-8")
    for variable in re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setenv(variable, "p@ss/word")
    for file in re.findall(r"(?:uri|path): ([\w/.]+\.(?:mp4|mkv|onnx))\b", text):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    monkeypatch.chdir(tmp_path)
    config = load_config(path)
    assert config.sources
    assert config.sinks
    assert type(config).from_mapping(config.to_mapping()) == config
