"""The environment: variables in texts, the run directory's root, log settings."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpipeline.config import environment
from mpipeline.config.environment import InterpolationError, interpolate
from mpipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "filled", "shown"),
    [
        ("plain", "plain", "plain"),
        ("a$b $ $c", "a$b $ $c", "a$b $ $c"),
        ("$$", "$", "$$"),
        ("$${A}", "${A}", "$${A}"),
        ("${A}", "alpha", "${A}"),
        ("x${A}y${A}z", "xalphayalphaz", "x${A}y${A}z"),
        ("${NONE:-d/e}", "d/e", "${NONE}"),
        ("${NONE:-}", "", "${NONE}"),
        ("${EMPTY:-d}", "d", "${EMPTY}"),
        ("${EMPTY}", "", "${EMPTY}"),
        ("${A:-d}", "alpha", "${A}"),
        ("rtsp://u:${ODD}@host/${ODD}", "rtsp://u:a%20b%2F%40c@host/a b/@c", "rtsp://u:${ODD}@host/${ODD}"),
        ("rtsp://${A}:${ODD}@host/", "rtsp://alpha:a%20b%2F%40c@host/", "rtsp://${A}:${ODD}@host/"),
        ("rtsp://${A}/x@y", "rtsp://alpha/x@y", "rtsp://${A}/x@y"),
        ("rtsp://u:${CODED}@host", "rtsp://u:p%40s@host", "rtsp://u:${CODED}@host"),
    ],
)
def test_variables_are_filled_in(text: str, filled: str, shown: str) -> None:
    variables = {"A": "alpha", "EMPTY": "", "ODD": "a b/@c", "CODED": "p%40s"}
    result = interpolate(text, variables)
    assert (result.text, result.shown) == (filled, shown)


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${A", "${A-b}", "${A B}", "${A:-${B}}", "${A:b}"])
def test_malformed_variables_are_refused(text: str) -> None:
    with pytest.raises(InterpolationError, match="malformed variable"):
        interpolate(text, {"A": "secret", "B": "secret"})


@settings(deadline=None)
@given(password=st.text(min_size=1, alphabet=st.characters(exclude_characters="%", exclude_categories=["Cs"])))
def test_any_password_survives_in_the_user_part(password: str) -> None:
    text = interpolate("rtsp://u:${P}@host:1/x", {"P": password}).text
    user, at, host = text.removeprefix("rtsp://").partition("@")
    assert (at, host) == ("@", "host:1/x")
    assert "/" not in user
    assert unquote(user) == f"u:{password}"


def test_the_run_root_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MPIPELINE_RUN_ROOT", str(tmp_path / "x"))
    assert environment.run_root() == tmp_path / "x"


def test_the_run_root_is_the_users_runtime_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MPIPELINE_RUN_ROOT", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert environment.run_root() == tmp_path / "mpipeline"


@pytest.mark.parametrize("runtime", ["", "relative", "/no/such/directory", "/proc/1/root/x"])
def test_an_unusable_runtime_directory_is_passed_over(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MPIPELINE_RUN_ROOT", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    assert str(environment.run_root()).startswith("/tmp/mpipeline-")


def test_log_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MPIPELINE_LOG_LEVEL", raising=False)
    monkeypatch.delenv("MPIPELINE_LOG_JSON", raising=False)
    assert environment.log_settings() == environment.LogSettings("info", False)
    monkeypatch.setenv("MPIPELINE_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("MPIPELINE_LOG_JSON", "1")
    assert environment.log_settings() == environment.LogSettings("debug", True)
    monkeypatch.setenv("MPIPELINE_LOG_JSON", "maybe")
    with pytest.raises(ConfigError, match="MPIPELINE_LOG_JSON: expected 1 or 0"):
        environment.log_settings()
    monkeypatch.setenv("MPIPELINE_LOG_LEVEL", "loud")
    with pytest.raises(ConfigError, match="MPIPELINE_LOG_LEVEL: expected one of debug"):
        environment.log_settings()
