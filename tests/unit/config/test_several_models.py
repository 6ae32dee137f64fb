"""`models`: several by name, which sources feed, and whose predictions sinks take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mpipeline.config import RunConfig
from mpipeline.config.load import load_config
from mpipeline.errors import ConfigError
from mpipeline.sinks.video import VideoSink

SOURCES = [{"name": "gate", "uri": "gate.mp4"}, {"name": "yard", "uri": "yard.mp4", "models": ["people"]}]
MODELS = {"people": {"target": "m:People"}, "faces": {"target": "m:Faces", "batching": {"max_size": 2}}}
LINES = {"kind": "jsonl", "path": "out.jsonl"}
FILM = {"kind": "video", "path": "{source}.mp4"}


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the real ones, instead of those that stand in for them elsewhere."""


def config(**changes: Any) -> RunConfig:
    return RunConfig.from_mapping({"sources": SOURCES, "models": MODELS, "sinks": [LINES], **changes})


def test_sources_and_sinks_take_all_models_or_those_that_they_name() -> None:
    made = config(sinks=[LINES, {**FILM, "models": ["faces"]}])
    assert [made.models_of(part) for part in (*made.sources, *made.sinks)] == [
        ("people", "faces"),
        ("people",),
        ("people", "faces"),
        ("faces",),
    ]
    assert RunConfig.from_mapping(made.to_mapping()) == made


def test_a_model_has_batching_of_its_own_or_that_of_all() -> None:
    made = config(batching={"max_size": 5, "max_wait_ms": 3})
    assert (made.batching_of("people").max_size, made.batching_of("faces").max_size) == (5, 2)
    assert made.batching_of("faces").max_wait_ms == 0


def test_the_only_model_has_no_name() -> None:
    made = config(models={}, model={"target": "m:M"}, sources=SOURCES[:1])
    assert list(made.every_model()) == [""]
    assert made.models_of(made.sources[0]) == ("",)
    assert made.batching_of("") == made.batching


def test_all_models_can_be_changed() -> None:
    for made in (config(), config(models={}, model={"target": "m:M"}, sources=SOURCES[:1])):
        changed = made.with_models(lambda spec: spec.model_copy(update={"device": "other"}))
        assert {spec.device for spec in changed.every_model().values()} == {"other"}
        assert list(changed.every_model()) == list(made.every_model())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"models": {}}, "model: missing; expected a mapping with the keys path.*, or several by name: models"),
        ({"model": {"target": "m:M"}}, "model: there are models by name already"),
        ({"models": {"a b": {"target": "m:M"}}}, "models.a b: a model's name: expected up to 64 letters"),
        ({"models": {7: {"target": "m:M"}}}, r"models\[7\]: a model's name: expected up to 64 letters"),
        ({"models": {"people": {"target": "m:M", "confidence": 2}}}, r"models.people.confidence: "),
        ({"models": {"people": {"target": "m:M", "batchin": {}}}}, r"models.people.batchin: unknown key"),
        ({"models": {"people": {"target": "m:M"}, "faces": {}}}, r"models.faces.path: missing"),
        (
            {"sources": [{**SOURCES[1], "models": ["peple"]}]},
            r"sources\[0\].models\[0\]: there is no model 'peple'; did you mean 'people'",
        ),
        ({"sources": [{**SOURCES[1], "models": ["people", "people"]}]}, r"sources\[0\].models\[1\]: 'people' is named"),
        ({"sources": [{**SOURCES[1], "models": []}]}, r"sources\[0\].models: .*at least 1 item"),
        ({"sinks": [{**LINES, "models": ["dogs"]}]}, r"sinks\[0\].models\[0\]: there is no model 'dogs'"),
        ({"sources": SOURCES[1:]}, "models.faces: no source feeds it; name it in `models` of a source"),
        (
            {"models": {}, "model": {"target": "m:M"}},
            r"sources\[1\].models\[0\]: there is only one model, and it has no",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config(**changes)


def test_a_kind_that_cannot_tell_models_apart_takes_one_of_each_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VideoSink, "several_models", False)
    with pytest.raises(ConfigError) as caught:
        config(sinks=[FILM])
    assert "sinks[0]: kind 'video' takes one model a source, and people and faces see source 'gate'" in str(
        caught.value
    )
    assert "choose one, as in models: [people]" in str(caught.value)
    apart = [{**SOURCES[0], "models": ["faces"]}, SOURCES[1]]
    assert config(sources=apart, sinks=[FILM]).models_of(config().sinks[0]) == ("people", "faces")


@pytest.mark.parametrize(("kind", "key"), [("mqtt", "topic"), ("redis", "stream")])
def test_a_model_is_named_only_where_it_has_a_name(kind: str, key: str) -> None:
    sink = {"kind": kind, "url": f"{kind}://localhost", key: "seen/{source}/{model}"}
    assert config(sinks=[sink]).sinks[0].options.names_models
    with pytest.raises(
        ConfigError, match=r"sinks\[0\]: \{model\} stands for a model's name, and the only one of this run"
    ):
        config(sinks=[sink], models={}, model={"target": "m:M"}, sources=SOURCES[:1])


def test_files_of_all_models_are_looked_for_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    text = "sources: [{kind: synthetic}]\nmodels:\n  one: {path: there.onnx}\n  two: {path: missing.onnx}\n"
    path.write_text(text + "sinks: [{kind: jsonl, path: there.onnx}]\n")
    (tmp_path / "there.onnx").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        with pytest.raises(ConfigError) as caught:
            load_config(path)
    assert "models.two.path: no such file: 'missing.onnx'" in str(caught.value)
    assert "would overwrite the model file" in str(caught.value)


def test_one_key_of_a_model_can_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("sources: [{kind: synthetic}]\nmodels: {one: {target: 'm:M'}}\nsinks: [{kind: jsonl, path: o}]\n")
    assert load_config(path, ["models.one.device=cpu"]).models["one"].device == "cpu"
