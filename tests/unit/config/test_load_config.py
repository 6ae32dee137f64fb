"""Good configs: from files, from arguments, with overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

import mpipeline.sinks
from mpipeline.config import RunConfig
from mpipeline.config.load import config_from_arguments, load_config, source_from_arguments
from mpipeline.errors import ConfigError

TEXT = """\
sources:
  - {name: gate.1, uri: "rtsp://viewer:${GATE_PASSWORD}@127.0.0.1:8554/gate"}
  - {uri: shop.mp4, max_fps: 5}
  - &yard {uri: yard.mp4, connect_timeout: 1e1}
  - {<<: *yard, uri: ./yard.mp4, loop: yes}
model: {path: model.onnx, names: {0: person, 2: car}, classes: [person, 2]}
sinks:
  - {kind: box, path: out}
  - {kind: box, path: out2, overflow: drop_newest}
  - {kind: free, anything: [1, {a: 010}]}
"""


@pytest.fixture
def file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATE_PASSWORD", "p@ss/w:r %d")
    (folder / "Cams of today.yaml").write_text(TEXT)
    return Path("Cams of today.yaml")


def test_names_kinds_and_defaults_are_filled_in(file: Path) -> None:
    config = load_config(file)
    assert config.name == "cams-of-today"
    assert [source.name for source in config.sources] == ["gate.1", "shop", "yard", "yard-2"]
    assert {source.kind for source in config.sources} == {"tape"}
    assert [sink.name for sink in config.sinks] == ["box", "box-2", "free"]
    assert config.sources[2].options.connect_timeout == 10.0
    assert config.sources[3].options.loop is True
    assert config.sources[3].options.connect_timeout == 10.0
    assert (config.model.confidence, config.model.iou_threshold, config.batching.max_size) == (0.4, 0.3, 8)
    assert config.model.classes == ("person", 2)


def test_a_password_of_the_environment_may_hold_any_character(file: Path) -> None:
    config = load_config(file)
    assert config.sources[0].options.uri == "rtsp://viewer:p%40ss%2Fw:r%20%25d@127.0.0.1:8554/gate"
    for text in (repr(config), str(config), repr(config.sources), str(config.sources[0])):
        assert "p%40" not in text
        assert "rtsp://***@127.0.0.1:8554/gate" in text


def test_a_config_survives_the_way_to_a_worker(file: Path) -> None:
    config = load_config(file)
    again = RunConfig.from_mapping(config.to_mapping())
    assert again == config
    assert again.model.given() == config.model.given()
    assert set(config.model.given()) == {"path", "names", "classes"}


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("model.confidence=0.7", lambda c: c.model.confidence, 0.7),
        ("sources.shop.max_fps=7", lambda c: c.sources[1].max_fps, 7.0),
        ("sources.gate.1.max_fps=7", lambda c: c.sources[0].max_fps, 7.0),
        ("sources.2.max_fps=7", lambda c: c.sources[2].max_fps, 7.0),
        ("sources[2].max_fps=7", lambda c: c.sources[2].max_fps, 7.0),
        ("sources.yard-2.connect_timeout=7", lambda c: c.sources[3].options.connect_timeout, 7.0),
        ("sinks.box-2.overflow=block", lambda c: c.sinks[1].overflow, "block"),
        ("batching.max_size=3", lambda c: c.batching.max_size, 3),
        ("batching={max_size: 3}", lambda c: c.batching.max_size, 3),
        ("name=other", lambda c: c.name, "other"),
        ("model.names=[a, b]", lambda c: c.model.names, ("a", "b")),
        ("sources.shop.max_fps=", lambda c: c.sources[1].max_fps, None),
        ("sources.shop.uri=rtsp://host/a=b", lambda c: c.sources[1].options.uri, "rtsp://host/a=b"),
    ],
)
def test_an_override_changes_one_thing(override: str, read, value: object, file: Path) -> None:
    before, after = load_config(file), load_config(file, [override])
    assert read(before) != value
    assert read(after) == value


def test_later_overrides_win_and_heal_what_the_file_lacks(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATE_PASSWORD")
    config = load_config(file, ["sources.0.uri=shop.mp4", "sources.0.uri=yard.mp4"])
    assert config.sources[0].options.uri == "yard.mp4"


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("model.confidense=1", "--set model.confidense: model.confidense: unknown key; did you mean 'confidence'?"),
        ("model.confidence=2", "--set model.confidence: model.confidence: expected a number between 0 and 1, got 2"),
        ("model.path=no.onnx", "--set model.path: model.path: no such file: 'no.onnx'"),
        ("sources.shed.loop=1", "--set sources.shed.loop: no entry 'shed' in sources; expected gate.1, shop, yard"),
        ("sources.9.loop=1", "--set sources.9.loop: no entry '9' in sources"),
        ("model.classes.7=1", "--set model.classes.7: no entry '7' in model.classes; expected a number below 2"),
        ("model.confidence", "--set model.confidence: expected KEY=VALUE"),
        ("=3", "--set : expected KEY=VALUE"),
        ("name=[", "--set name: not valid YAML"),
        ("model.device=${NOPE_1}", "--set model.device: model.device: environment variable NOPE_1 is not set"),
        ("sources=3", "--set sources: sources: expected a list of mappings"),
        ("sources.shop.uri=ftp://u:pw@h", "--set sources.shop.uri: sources[1].uri: cannot read ftp://***@h"),
    ],
)
def test_a_wrong_override_is_named(override: str, line: str, file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(file, [override])
    assert str(caught.value).startswith(line), str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_overrides_alone_can_fill_an_empty_file(folder: Path) -> None:
    (folder / "empty.yaml").write_text("")
    overrides = ["sources=[{uri: shop.mp4}]", "model.path=model.onnx", "sinks=[{kind: free}]"]
    assert load_config(Path("empty.yaml"), overrides).name == "empty"


def test_an_empty_part_means_its_default(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        "name:\nbatching:\nlimits: ~\nrun_dir:\n"
        "sources: [{uri: shop.mp4}]\nmodel: {path: model.onnx}\nsinks: [{kind: free}]\n"
    )
    config = load_config(Path("a.yaml"))
    assert (config.name, config.batching.max_size, config.limits.stop_timeout) == ("a", 8, 10.0)


def test_a_program_may_do_without_sinks(folder: Path) -> None:
    (folder / "a.yaml").write_text("sources: [{uri: shop.mp4}]\nmodel: {path: model.onnx}\n")
    assert load_config(Path("a.yaml"), sinks_required=False).sinks == ()


def test_an_address_needs_no_file(folder: Path) -> None:
    for uri in ("rtsp://host/x", "udp:1234", "file:///nowhere"):
        config = config_from_arguments([uri], "model.onnx", sinks_required=False)
        assert config.sources[0].options.uri == uri


def test_arguments_make_a_config(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mpipeline.sinks.KINDS, "jsonl", "kinds_of_config_tests:Box")
    monkeypatch.setitem(mpipeline.sinks.KINDS, "video", "kinds_of_config_tests:Box")
    config = config_from_arguments(
        ["shop.mp4", "./shop.mp4", "rtsp://u:pw@cam:554/"], "model.onnx", Path("out"), ["sources.cam.max_fps=2"]
    )
    assert [source.name for source in config.sources] == ["shop", "shop-2", "cam"]
    assert [(sink.kind, str(sink.options.path)) for sink in config.sinks] == [
        ("jsonl", "out/predictions.jsonl"),
        ("video", "out/{source}.mp4"),
    ]
    assert config.sources[2].max_fps == 2.0
    assert config.name == "run"


def test_a_model_in_python_is_known_by_its_colon(folder: Path) -> None:
    model = config_from_arguments(["shop.mp4"], "my.code:Model", sinks_required=False).model
    assert (model.target, model.backend, model.path) == ("my.code:Model", "python", None)


@pytest.mark.parametrize(
    ("videos", "model", "lines"),
    [
        (["no.mp4"], "model.onnx", ["VIDEO 1: sources[0].uri: no such file: 'no.mp4'"]),
        (["shop.mp4", "ftp://u:pw@h"], "model.onnx", ["VIDEO 2: sources[1].uri: cannot read ftp://***@h: no ftp"]),
        (["shop.mp4"], "no.onnx", ["--model: model.path: no such file: 'no.onnx'"]),
        ([], "model.onnx", ["arguments: sources: expected a list of mappings with at least 1 item, got an empty list"]),
    ],
)
def test_wrong_arguments_are_named(videos: list[str], model: str, lines: list[str], folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_arguments(videos, model, sinks_required=False)
    found = str(caught.value).splitlines()
    assert len(found) == len(lines)
    assert all(line.startswith(start) for line, start in zip(found, lines, strict=True)), found


def test_a_pipeline_of_gstreamer_is_one_source(folder: Path) -> None:
    text = "rtspsrc location=rtsp://u:hunter2@host/x user-pw=hunter2 ! decodebin"
    (folder / "a.yaml").write_text(f"sources: [{{gstreamer: '{text}'}}]\nmodel: {{path: model.onnx}}\n")
    for config in (
        load_config(Path("a.yaml"), sinks_required=False),
        config_from_arguments([text], "model.onnx", sinks_required=False),
    ):
        (source,) = config.sources
        assert (source.kind, source.name, source.options.gstreamer) == ("gstreamer", "gstreamer-1", text)
        assert source.looks_live()
        assert "hunter2" not in repr(config)
    assert source_from_arguments(text, ["read_timeout=2"]).options.read_timeout == 2
    with pytest.raises(ConfigError) as caught:
        source_from_arguments(text, ["read_timeout=-2"])
    assert "hunter2" not in str(caught.value)
