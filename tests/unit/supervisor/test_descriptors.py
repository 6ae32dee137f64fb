"""Open files are reserved before the start."""

from __future__ import annotations

import resource

import pytest

from mpipeline.errors import ConfigError
from mpipeline.supervisor import descriptors


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The limits now, first; then each that was set."""
    seen = [(64, 1024)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: seen[0])
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: seen.append(both))
    return seen


def test_what_is_enough_stays(limits: list[tuple[int, int]]) -> None:
    descriptors.reserve(2)
    assert limits == [(64, 1024)]


def test_the_soft_limit_is_raised(limits: list[tuple[int, int]]) -> None:
    descriptors.reserve(30)
    assert limits[1:] == [(48 + 8 * 30, 1024)]


def test_too_low_a_hard_limit_says_how_many_are_needed(limits: list[tuple[int, int]]) -> None:
    with pytest.raises(
        ConfigError, match=r"200 workers need 1648 open files, the limit is 1024: raise it \(ulimit -Hn"
    ):
        descriptors.reserve(200)
    assert limits == [(64, 1024)]
