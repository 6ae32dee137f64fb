"""The specs as values: lossless as mappings, frozen, named, and without secrets in their text."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mpipeline.config.schema import BatchingSpec, ModelSpec, RunConfig, SinkSpec, SourceSpec
from mpipeline.errors import ConfigError

NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
SOURCES = st.fixed_dictionaries(
    {"uri": st.text(max_size=30).filter(lambda uri: not uri.startswith("ftp:"))},
    optional={
        "kind": st.just("tape"),
        "delivery": st.sampled_from(["every_frame", "latest", None]),
        "max_fps": st.floats(0.1, 1000) | st.none(),
        "slots": st.integers(2, 256),
        "expect": st.fixed_dictionaries({"width": st.integers(1, 9999), "height": st.integers(1, 9999)}),
        "password": st.text(max_size=20),
        "options": st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
        "loop": st.booleans(),
    },
)
MODELS = st.fixed_dictionaries(
    {"path": st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text)},
    optional={
        "confidence": st.floats(0, 1),
        "names": st.lists(st.text(max_size=8), max_size=3)
        | st.dictionaries(st.integers(0, 99), st.text(max_size=8), max_size=3),
        "classes": st.lists(st.integers(0, 99) | st.text(max_size=8), max_size=3),
        "size": st.tuples(st.integers(1, 9999), st.integers(1, 9999)),
        "class_agnostic_nms": st.booleans(),
        "family": st.sampled_from(["yolo", "yolox", None]),
    },
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(sources=st.lists(SOURCES, min_size=1, max_size=4), model=MODELS, name=NAMES)
def test_a_config_is_equal_after_its_way_through_json(sources: list, model: dict, name: str) -> None:
    sources[0]["name"] = name
    config = RunConfig.from_mapping({"sources": sources, "model": model, "batching": {"max_size": 2}})
    mapping = config.to_mapping()
    again = RunConfig.from_mapping(json.loads(json.dumps(mapping)))
    assert again == config
    assert again.to_mapping() == mapping
    assert again.model.given() == config.model.given()
    assert len({source.name for source in config.sources}) == len(sources)


def test_a_secret_travels_but_is_not_shown() -> None:
    source = SourceSpec.from_mapping({"uri": "rtsp://bob:pw1@host/x", "password": "pw2"})
    assert source.to_mapping()["password"] == "pw2"
    assert source.to_mapping()["uri"] == "rtsp://bob:pw1@host/x"
    for text in (repr(source), str(source), f"{source}"):
        assert "pw1" not in text
        assert "pw2" not in text


def test_specs_are_frozen() -> None:
    spec = BatchingSpec()
    with pytest.raises(ValidationError):
        spec.max_size = 3  # type: ignore[misc]


def test_only_what_was_given_is_given() -> None:
    model = ModelSpec.from_mapping({"path": "m.onnx", "confidence": 0.4, "family": None})
    assert set(model.given()) == {"path", "confidence"}


def test_a_target_means_the_python_backend() -> None:
    assert ModelSpec.from_mapping({"target": "a.b:C"}).backend == "python"


@pytest.mark.parametrize(
    ("source", "live", "size"),
    [
        ({"uri": "a.mp4"}, False, None),
        ({"uri": "RTSP://host/a"}, True, None),
        ({"uri": "udp://0.0.0.0:5000"}, True, None),
        ({"uri": "https://host/a.mp4"}, False, None),
        ({"uri": "a", "expect": {"width": 4, "height": 2}}, False, (4, 2)),
    ],
)
def test_what_can_be_guessed_before_a_source_is_open(source: dict, live: bool, size: tuple | None) -> None:
    spec = SourceSpec.from_mapping(source)
    assert (spec.looks_live(), spec.expected_size()) == (live, size)


def test_a_single_spec_tells_its_errors_without_a_place() -> None:
    with pytest.raises(ConfigError, match=r"^kind: missing; expected one of"):
        SinkSpec.from_mapping({})
    with pytest.raises(ConfigError, match=r"^quue: unknown key; did you mean 'queue'\?"):
        SinkSpec.from_mapping({"kind": "box", "path": "a", "quue": 3})


def test_a_kind_may_take_any_key() -> None:
    sink = SinkSpec.from_mapping({"kind": "free", "shape": [1, 2]})
    assert sink.options.shape == [1, 2]
    assert SinkSpec.from_mapping(sink.to_mapping()) == sink


def test_options_may_be_given_as_an_object() -> None:
    options = SourceSpec.from_mapping({"uri": "a.mp4"}).options
    assert SourceSpec(kind="tape", options=options).options is options


KEYS = st.sampled_from(
    [
        "name",
        "sources",
        "model",
        "sinks",
        "batching",
        "limits",
        "kind",
        "uri",
        "options",
        "path",
        "expect",
        "width",
        "names",
        "classes",
        "size",
        "target",
    ]
) | st.integers(0, 3)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["tape", "box"])
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(KEYS, TREES, max_size=5),
    st.lists(st.dictionaries(KEYS, TREES, max_size=4), max_size=3),
    st.dictionaries(KEYS, TREES, max_size=4),
)
def test_any_data_is_a_config_or_a_config_error(tree: dict, sources: list, model: dict) -> None:
    try:
        RunConfig.from_mapping({**tree, "sources": sources, "model": model})
    except ConfigError as error:
        lines = str(error).splitlines()
        assert lines
        for line in lines:
            assert ": " in line
            assert "Input should" not in line
            assert "should be" not in line
