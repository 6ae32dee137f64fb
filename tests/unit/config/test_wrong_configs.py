"""Wrong configs: each gives file, line and column, the key, and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpipeline.config.load import load_config
from mpipeline.errors import ConfigError

GOOD = """\
sources:
  - uri: shop.mp4
model: {path: model.onnx}
sinks:
  - {kind: box, path: out}
"""

SOURCE = "sources:\n  - {uri: shop.mp4}\n"
MODEL = "model: {path: model.onnx}\n"
SINKS = "sinks: [{kind: box, path: out}]\n"

# name, text, then place, key and a piece of the sentence for each line of the error
WRONG: list[tuple[str, str, list[tuple[str, str, str]]]] = [
    ("empty", "", [("1:1", "", "empty; expected at least 'sources' and 'model'")]),
    ("only a comment", "# nothing\n", [("1:1", "", "empty; expected")]),
    ("not a mapping", "- a\n", [("1:1", "", "expected a mapping with 'sources' and 'model', got a list")]),
    ("tab", "model:\n\tpath: x\n", [("2:1", "", "a tab; YAML is indented by spaces")]),
    ("two colons", "model: path: x\n", [("1:12", "", "second ': '")]),
    ("open bracket", "sources: [1\nmodel: 2\n", [("1:10", "", "not closed")]),
    ("open quote", 'name: "x\nmodel: 2\n', [("1:7", "", "a quote is not closed")]),
    ("indentation", "a:\n  b: 1\n c: 2\n", [("3:2", "", "wrong indentation")]),
    ("two documents", "a: 1\n---\nb: 1\n", [("2:1", "", "expected one document")]),
    ("starred password", "password: *hunter2\n", [("1:11", "", "in quotes")]),
    ("control character", "a: \x07\n", [("1:4", "", "not a text file")]),
    ("recursive anchor", "a: &a [*a]\n", [("1:4", "", "holds itself")]),
    ("list as key", "{[1]: 2}\n", [("1:2", "", "a key must be a word")]),
    ("nested deeply", "[" * 600, [("1:1", "", "nested too deeply")]),
    (
        "nothing but a name",
        "name: x\n",
        [
            ("1:1", "sources", "missing; expected a list of mappings with at least 1 item"),
            ("1:1", "model", "missing; expected a mapping with the keys path"),
            ("1:1", "sinks", "at least one sink"),
        ],
    ),
    (
        "threshold for own code",
        SOURCE + 'model: {target: "m:M", confidence: 0.5}\n' + SINKS,
        [("3:24", "model.confidence", "not for backend 'python'")],
    ),
    ("unknown part", GOOD + "batchin: {}\n", [("6:1", "batchin", "unknown key; did you mean 'batching'?")]),
    ("number as key", GOOD + "1: 2\n", [("6:1", "[1]", "unknown key")]),
    ("key twice", GOOD + "name: a\nname: b\n", [("7:1", "name", "key given twice, here and in line 6")]),
    ("no source", "sources: []\n" + MODEL + SINKS, [("1:1", "sources", "at least 1 item, got an empty list")]),
    ("source is text", "sources: [shop.mp4]\n" + MODEL + SINKS, [("1:11", "sources[0]", "a mapping with the keys")]),
    (
        "source without kind",
        "sources: [{name: a}]\n" + MODEL + SINKS,
        [("1:11", "sources[0].kind", "missing; expected 'uri', from which the kind follows, or 'kind'")],
    ),
    (
        "misspelt option",
        "sources:\n- uri: shop.mp4\n  conection_timeout: 3\n" + MODEL + SINKS,
        [("3:3", "sources[0].conection_timeout", "unknown key; did you mean 'connect_timeout'?")],
    ),
    (
        "misspelt common key",
        "sources: [{uri: shop.mp4, max_fsp: 3}]\n" + MODEL + SINKS,
        [("1:27", "sources[0].max_fsp", "did you mean 'max_fps'?")],
    ),
    (
        "misspelt kind",
        "sources: [{kind: tpae, uri: shop.mp4}]\n" + MODEL + SINKS,
        [("1:12", "sources[0].kind", "unknown source kind 'tpae'; did you mean 'tape'?")],
    ),
    (
        "option out of bounds",
        "sources: [{uri: shop.mp4, connect_timeout: 90}]\n" + MODEL + SINKS,
        [("1:27", "sources[0].connect_timeout", "expected a number above 0 and at most 60, got 90")],
    ),
    (
        "option's choice",
        "sources: [{uri: shop.mp4, transport: tpc}]\n" + MODEL + SINKS,
        [("1:27", "sources[0].transport", "expected one of tcp, udp, got 'tpc'; did you mean 'tcp'?")],
    ),
    (
        "the kind's own check",
        "sources: [{uri: 'ftp://bob:pw@host/x'}]\n" + MODEL + SINKS,
        [("1:12", "sources[0].uri", "cannot read ftp://***@host/x: no ftp")],
    ),
    (
        "mapping of an option",
        "sources: [{uri: shop.mp4, options: {a: [1]}}]\n" + MODEL + SINKS,
        [("1:37", "sources[0].options.a", "expected text, got a list")],
    ),
    (
        "delivery",
        "sources: [{uri: shop.mp4, delivery: newest}]\n" + MODEL + SINKS,
        [("1:27", "sources[0].delivery", "expected one of every_frame, latest, got 'newest'")],
    ),
    (
        "number for a name",
        "sources: [{uri: shop.mp4, name: 3}]\n" + MODEL + SINKS,
        [("1:27", "sources[0].name", "expected text, got 3; put it in quotes")],
    ),
    (
        "slash in a name",
        "sources: [{uri: shop.mp4, name: a/b}]\n" + MODEL + SINKS,
        [("1:27", "sources[0].name", "letters, digits")],
    ),
    (
        "duplicate names",
        "sources:\n- {uri: shop.mp4, name: a}\n- {uri: yard.mp4, name: a}\n" + MODEL + SINKS,
        [("3:19", "sources[1].name", "duplicate name 'a': sources[0] has it already")],
    ),
    (
        "true for a number",
        "sources: [{uri: shop.mp4, max_fps: true}]\n" + MODEL + SINKS,
        [("1:27", "sources[0].max_fps", "expected a number above 0 and at most 1000, got true")],
    ),
    (
        "missing source file",
        "sources:\n- uri: shop.mp4\n- uri: yrad.mp4\n" + MODEL + SINKS,
        [("3:3", "sources[1].uri", "no such file: 'yrad.mp4'; did you mean 'yard.mp4'?")],
    ),
    (
        "missing model file",
        SOURCE + "model:\n  path: x/y.onnx\n" + SINKS,
        [("4:3", "model.path", "no such file: 'x/y.onnx'; paths are relative to the current directory")],
    ),
    ("no model file", SOURCE + "model: {}\n" + SINKS, [("3:1", "model.path", "missing; expected the path")]),
    (
        "directory for a model",
        SOURCE + "model: {path: .}\n" + SINKS,
        [("3:9", "model.path", "expected a file, got a directory: '.'")],
    ),
    (
        "text for a number",
        SOURCE + "model: {path: model.onnx, confidence: high}\n" + SINKS,
        [("3:27", "model.confidence", "expected a number between 0 and 1, got 'high'")],
    ),
    (
        "percent",
        SOURCE + "model: {path: model.onnx, confidence: 40}\n" + SINKS,
        [("3:27", "model.confidence", "expected a number between 0 and 1, got 40")],
    ),
    (
        "fraction of a count",
        SOURCE + "model: {path: model.onnx, max_detections: 1.5}\n" + SINKS,
        [("3:27", "model.max_detections", "expected a whole number between 1 and 100000, got 1.5")],
    ),
    (
        "family",
        SOURCE + "model: {path: model.onnx, family: yoloxx}\n" + SINKS,
        [("3:27", "model.family", "unknown model family 'yoloxx'; did you mean 'yolox'?")],
    ),
    (
        "backend",
        SOURCE + "model: {path: model.onnx, backend: cuda}\n" + SINKS,
        [("3:27", "model.backend", "unknown backend 'cuda'; valid: auto, onnxruntime, openvino, python")],
    ),
    (
        "python without target",
        SOURCE + "model: {backend: python}\n" + SINKS,
        [("3:1", "model.target", "missing; backend 'python' needs it")],
    ),
    (
        "target without colon",
        SOURCE + "model: {target: my.module}\n" + SINKS,
        [("3:9", "model.target", "expected 'module:attribute', got 'my.module'")],
    ),
    (
        "one name for classes",
        SOURCE + "model: {path: model.onnx, classes: person}\n" + SINKS,
        [("3:27", "model.classes", "expected a list (each item a whole number or text), got 'person'")],
    ),
    (
        "half a size",
        SOURCE + "model: {path: model.onnx, size: [640]}\n" + SINKS,
        [("3:27", "model.size[1]", "missing; expected a whole number")],
    ),
    (
        "sink without kind",
        SOURCE + MODEL + "sinks:\n- path: out\n",
        [("5:3", "sinks[0].kind", "missing; expected one of box")],
    ),
    (
        "sink's required option",
        SOURCE + MODEL + "sinks:\n- kind: box\n",
        [("5:3", "sinks[0].path", "missing; expected a path")],
    ),
    (
        "overflow",
        SOURCE + MODEL + "sinks:\n- kind: box\n  path: out\n  overflow: blok\n",
        [("7:3", "sinks[0].overflow", "did you mean 'block'?")],
    ),
    (
        "the same sink twice",
        SOURCE + MODEL + "sinks:\n- {kind: box, path: a}\n- {kind: box, path: a}\n",
        [("6:3", "sinks[1]", "the same as sinks[0]")],
    ),
    ("batch of none", GOOD + "batching:\n  max_size: 0\n", [("7:3", "batching.max_size", "between 1 and 256, got 0")]),
    (
        "delays that shrink",
        GOOD + "supervision: {first_delay: 5, max_delay: 1}\n",
        [("6:31", "supervision.max_delay", "expected at least first_delay (5), got 1")],
    ),
    (
        "part is a list",
        GOOD + "limits: [1]\n",
        [("6:1", "limits", "a mapping with the keys stop_timeout, connects, got a list")],
    ),
    ("run name", GOOD + "name: My Run\n", [("6:1", "name", "small letters")]),
    (
        "missing variable",
        "sources:\n- uri: rtsp://u:${NO_SUCH_VARIABLE}@host/x\n" + MODEL + SINKS,
        [("2:3", "sources[0].uri", "environment variable NO_SUCH_VARIABLE is not set")],
    ),
    ("malformed variable", GOOD + "name: ${a b}\n", [("6:1", "name", "malformed variable; expected ${NAME}")]),
    ("open variable", GOOD + "name: ${HOME\n", [("6:1", "name", "malformed variable")]),
    ("tag", GOOD + "name: !secret x\n", [("6:1", "name", "YAML tags (!...) are not supported")]),
    (
        "several at once",
        "sources:\n- {uri: no.mp4, x: 1}\nmodel: {path: model.onnx, iou: 2}\nsinks: [{kind: bxo}]\n",
        [
            ("2:4", "sources[0].uri", "no such file"),
            ("2:17", "sources[0].x", "unknown key"),
            ("3:27", "model.iou", "did you mean"),
            ("4:10", "sinks[0].kind", "did you mean 'box'?"),
        ],
    ),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_each_error_has_place_key_and_expectation(
    text: str, expected: list[tuple[str, str, str]], folder: Path
) -> None:
    (folder / "cams.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(Path("cams.yaml"))
    lines = str(caught.value).splitlines()
    assert len(lines) == len(expected), str(caught.value)
    for line, (place, key, piece) in zip(lines, expected, strict=True):
        head = f"cams.yaml:{place}: {key}: " if key else f"cams.yaml:{place}: "
        assert line.startswith(head), line
        assert piece in line[len(head) :], line


@pytest.mark.parametrize("text", [row[1] for row in WRONG], ids=[row[0] for row in WRONG])
def test_errors_are_free_of_jargon_and_secrets(text: str, folder: Path) -> None:
    (folder / "cams.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(Path("cams.yaml"))
    for word in ("pydantic", "Input should", "value_error", "validation error", "type=", "yaml.org", "hunter2", "bob:"):
        assert word not in str(caught.value)


def test_the_good_one_is_good(folder: Path) -> None:
    (folder / "cams.yaml").write_text(GOOD)
    assert load_config(Path("cams.yaml")).name == "cams"


@pytest.mark.parametrize(
    ("make", "piece"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "expected a YAML file, got a directory"),
        (lambda path: path.write_bytes(b"a: 1\nb: \xff\xfe"), ":2:1: not a text file in UTF-8"),
        (lambda path: path.write_bytes(b"#" * (5 << 20)), "more than 4 MB"),
    ],
    ids=["missing", "directory", "binary", "large"],
)
def test_a_file_that_is_no_config(make, piece: str, folder: Path) -> None:
    make(folder / "cams.yaml")
    with pytest.raises(ConfigError, match=r"^cams\.yaml:") as caught:
        load_config(Path("cams.yaml"))
    assert piece in str(caught.value)


def test_a_file_beside_the_config_is_hinted_at(folder: Path) -> None:
    (folder / "etc").mkdir()
    (folder / "etc" / "near.onnx").touch()
    (folder / "etc" / "cams.yaml").write_text(SOURCE + "model: {path: near.onnx}\n" + SINKS)
    with pytest.raises(ConfigError, match="it is in 'etc', but paths are relative to the current directory"):
        load_config(Path("etc/cams.yaml"))


def test_a_merged_key_is_blamed_where_it_stands(folder: Path) -> None:
    (folder / "cams.yaml").write_text(
        "sources:\n- &base\n  uri: shop.mp4\n  max_fps: 0\n- {<<: *base, name: b}\n" + MODEL + SINKS
    )
    with pytest.raises(ConfigError) as caught:
        load_config(Path("cams.yaml"))
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["cams.yaml:4:3"] * 2
