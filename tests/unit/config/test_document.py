"""YAML as plain values: what scalars mean, merges, and that no text brings the reader down."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpipeline.config.document import parse, show
from mpipeline.config.locate import Place
from mpipeline.errors import ConfigError

FILE = Place("a.yaml", 1, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-2", -2),
        ("0.5", 0.5),
        ("1e3", "1e3"),  # YAML 1.1 wants "1.0e+3"; number fields take the text as well
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 1", "1"),
        (".inf", ".inf"),
    ],
)
def test_scalars_mean_what_they_look_like(text: str, value: object) -> None:
    found = parse(f"a: {text}", FILE).data["a"]
    assert found == value
    assert type(found) is type(value)


def test_own_keys_win_over_merged_ones_and_earlier_over_later() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {a: 2, c: 2}\nz: {<<: [*x, *y], b: 3}\n"
    assert parse(text, FILE).data["z"] == {"a": 1, "b": 3, "c": 2}


def test_every_value_has_its_place() -> None:
    document = parse("a:\n  - b: 1\n    c:\n      2\n", FILE)
    assert document.places.find(("a", 0, "c")) == Place("a.yaml", 3, 5)
    assert document.places.find(("a", 0, "nowhere")) == Place("a.yaml", 2, 5)
    assert document.places.find(("nowhere",)) == FILE


@settings(deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,?~$ \n\t\\0", max_size=40) | st.text(max_size=40))
def test_any_text_is_a_document_or_a_config_error(text: str) -> None:
    try:
        parse(text, FILE)
    except ConfigError as error:
        assert str(error).startswith("a.yaml:")  # noqa: PT017


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "nothing"),
        (True, "true"),
        (1.5, "1.5"),
        ("a\nb", "'a b'"),
        ("x" * 99, "'" + "x" * 59 + "…'"),
        ("rtsp://u:p@h", "'rtsp://***@h'"),
        ([], "an empty list"),
        ([1], "a list"),
        ({}, "an empty mapping"),
        ({"a": 1}, "a mapping"),
    ],
)
def test_values_are_shown_short_and_without_credentials(value: object, shown: str) -> None:
    assert show(value) == shown
