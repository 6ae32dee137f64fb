"""The config's reader against documents that no editor would write, and all that a coverage-guided fuzzer has found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fuzz.loaded import loaded, workplace
from hypothesis import given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "corpus" / "config").iterdir())
EXAMPLES = [path.read_text(encoding="utf-8") for path in sorted((HERE.parents[1] / "configs").glob("*.yaml"))]

ODD_TEXTS = [
    "",
    "\0",
    "a\0b",
    "${FUZZ_SECRET}",
    "rtsp://u:${FUZZ_SECRET}@h:${FUZZ_PORT}/x",
    "${",
    "${}",
    "${FUZZ_MISSING}",
    "${FUZZ_MISSING:-${FUZZ_SECRET}}",
    "${FUZZ_EMPTY:-x}",
    "$$",
    "$FUZZ_SECRET",
    "~nobody/x",
    "/dev/null",
    "/proc/self/mem",
    ".",
    "x" * 5000,
    "é\u2028\x85\ud7ff\U0001f600",
    "rtsp://[::1",
    "rtsp://h:99999999/",
    "http://user:pass@",
    "file:///shop.mp4",
    "os:system",
    "shop.mp4",
]
ODD = (
    st.sampled_from(ODD_TEXTS)
    | st.text(max_size=8)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([10**400, -(10**30), 2**63, 1e308, -0.0])
    | st.sampled_from([[], {}, [[]], {"": ""}, {1: 2}, {"kind": "video"}, ["shop.mp4"], [{"uri": "shop.mp4"}]])
)
ANY_TREE = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)
ODD_LINES = st.sampled_from(
    [
        "<<: *a",
        "a: &a [*a]",
        "b: *a",
        "!!python/object/apply:os.system ['true']",
        "x: !!python/name:os.system",
        "? [complex, key] : 1",
        "- ",
        "\t- x",
        "---",
        "...",
        "%YAML 9.9",
        "%TAG ! tag:x,2000:",
        "'",
        '"\\u0000"',
        '"\\ud800"',
        "a: {b: [",
        "a: |",
        "a: >-9",
        "a: 0x_ff",
        "a: 1e999",
        "a: .inf",
        "a: 2001-01-01",
        "!!binary: aGVsbG8=",
        "\ufeff",
        "sources: !!set {x}",
    ]
)


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[Path]:
    with workplace() as folder:
        yield folder


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_arbitrary_bytes(data: bytes) -> None:
    loaded(data)


@settings(max_examples=60)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@`$\n \t?,<.0é\x00\x07\ufeff", max_size=60))
def test_arbitrary_punctuation(text: str) -> None:
    loaded(text.encode())


@settings(max_examples=80)
@given(st.data())
def test_an_example_with_lines_changed(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(EXAMPLES)).splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(lines)))
        new = data.draw(ODD_LINES | st.sampled_from(lines or [""]))
        lines[place : place + data.draw(st.integers(0, 2))] = [" " * data.draw(st.integers(0, 4)) + new]
    loaded("\n".join(lines).encode())


@settings(max_examples=80)
@given(st.data())
def test_an_example_with_values_changed(data: st.DataObject) -> None:
    tree: Any = yaml.safe_load(data.draw(st.sampled_from(EXAMPLES)))
    for _ in range(data.draw(st.integers(1, 3))):
        holder = tree
        for _ in range(data.draw(st.integers(0, 3))):
            inner = [one for one in (holder.values() if isinstance(holder, dict) else holder) if one]
            inner = [one for one in inner if isinstance(one, (dict, list))]
            holder = data.draw(st.sampled_from(inner)) if inner else holder
        keys = [*holder, data.draw(st.text(max_size=6))] if isinstance(holder, dict) else range(len(holder))
        holder[data.draw(st.sampled_from(list(keys)))] = data.draw(ANY_TREE)
    loaded(yaml.safe_dump(tree, allow_unicode=True).encode())


@settings(max_examples=60)
@given(ANY_TREE, st.lists(st.sampled_from(["sources.0.uri", "sources", "model.path", "sinks.5", "", "a[0]", "name"])))
def test_arbitrary_trees_and_overrides(tree: Any, keys: list[str]) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True).encode()
    loaded(text, tuple(f"{key}={value}" for key, value in zip(keys, ODD_TEXTS[3:], strict=False)))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name[:12])
def test_what_the_fuzzer_has_found(path: Path) -> None:
    loaded(path.read_bytes())


def bomb(first: str, inner: str) -> str:
    """Twelve levels, each of ten times what is in the one before."""
    return f"a0: &a0 {first}\n" + "".join(
        f"a{i}: &a{i} {inner.format(','.join([f'*a{i - 1}'] * 10))}\n" for i in range(1, 12)
    )


@pytest.mark.parametrize(
    "document",
    [
        bomb("[x, x, x, x]", "[{}]"),
        bomb("{x: 1}", "{{<<: [{}]}}"),
        bomb("{}", "{{<<: [{}]}}"),
        "a: &a {b: *a}",
        "a: &a {<<: *a}",
        "- a\n" * 110_000,
        "[" * 5_000,
        "{a: " * 5_000,
        "- " * 20_000,
        "? " * 20_000,
        "a: " + "9" * 100_000,
        "a: 1e" + "9" * 1000,
        "a: !!int " + "9" * 10_000,
        "a: !!float x",
        "a: !!timestamp 2001-13-45",
        "a: !!python/object/apply:os.system ['true']",
        "a: !!python/name:os.system",
        "a: !!binary %%%",
        "%YAML 7.0\n---\na: 1",
        "%TAG ! !!!\n---\na: 1",
        "a: b\x00c",
        '"\\ud800": 1',
        'sources: [{uri: "\\0"}]\nmodel: {path: "\\0"}\nsinks: [{kind: jsonl, path: "\\0"}]',
        'sources: [{uri: "\\ud800"}]\nmodel: {path: "\\ud800"}\nsinks: [{kind: jsonl, path: "\\ud800"}]',
        "\ufeff\ufeffa: 1",
        "a: ${" * 1000,
        "a: " + "${FUZZ_SECRET}" * 1000,
        "sources: [" + "{uri: 'rtsp://u:${FUZZ_SECRET}@h/'}, " * 500 + "]",
        "sinks: [" + "{kind: jsonl, path: x}, " * 1000 + "]",
        "sources: [" + "'shop.mp4', " * 1000 + "]\nsinks: [" + "{kind: jsonl, path: '{source}'}, " * 300 + "]",
    ],
    ids=lambda document: repr(document[:24]),
)
def test_a_bomb_is_refused(document: str) -> None:
    assert loaded(document.encode("utf-8", "surrogatepass")) is None


def test_a_tag_makes_nothing(place: Path) -> None:
    target = place / "made"
    assert loaded(f"a: !!python/object/apply:os.mkdir ['{target}']".encode()) is None
    assert not target.exists()
