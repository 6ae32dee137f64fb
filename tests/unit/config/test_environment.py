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


STORE = ("MODEL_CACHE_DIR", "XDG_CACHE_HOME", "ROBOFLOW_API_KEY", "API_KEY", "API_BASE_URL", "OFFLINE_MODE")


@pytest.fixture
def no_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in STORE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.usefixtures("no_store")
def test_store_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    default = environment.StoreSettings(tmp_path / ".cache/mpipeline/models", "", "https://api.roboflow.com", False)
    assert environment.store_settings() == default
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert environment.store_settings().cache == tmp_path / "xdg/mpipeline/models"
    monkeypatch.setenv("MODEL_CACHE_DIR", "~/models")
    monkeypatch.setenv("API_KEY", " second ")
    monkeypatch.setenv("API_BASE_URL", "http://127.0.0.1:80/")
    monkeypatch.setenv("OFFLINE_MODE", "True")
    chosen = environment.StoreSettings(tmp_path / "models", "second", "http://127.0.0.1:80", True)
    assert environment.store_settings() == chosen
    monkeypatch.setenv("ROBOFLOW_API_KEY", "first")
    assert environment.store_settings().api_key == "first"
    assert "first" not in repr(environment.store_settings())


@pytest.mark.usefixtures("no_store")
@pytest.mark.parametrize(
    ("name", "value"), [("OFFLINE_MODE", "maybe"), ("API_BASE_URL", "hub"), ("API_BASE_URL", "ftp://x")]
)
def test_wrong_store_settings_are_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{name}: expected"):
        environment.store_settings()


def test_the_proxy_of_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert environment.proxy_of("https://hub.example/x") is None
    monkeypatch.setenv("all_proxy", "http://any:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "inner.example,10.0.0.1:8080")
    assert environment.proxy_of("https://hub.example/x") == "http://proxy:3128"
    assert environment.proxy_of("http://hub.example/x") == "http://any:1"
    assert environment.proxy_of("https://a.inner.example/x") is None
    assert environment.proxy_of("http://user@10.0.0.1:8080/x") is None
