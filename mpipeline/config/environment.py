"""The only reader of the environment: `${NAME}` in the config, the run directory's root, log, systemd, store …"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from mpipeline.errors import ConfigError

RUN_ROOT = "MPIPELINE_RUN_ROOT"
LOG_LEVEL = "MPIPELINE_LOG_LEVEL"
LOG_JSON = "MPIPELINE_LOG_JSON"
NOTIFY_SOCKET = "NOTIFY_SOCKET"
WATCHDOG_USEC = "WATCHDOG_USEC"
WATCHDOG_PID = "WATCHDOG_PID"
LEVELS = ("debug", "info", "warning", "error")
MODEL_CACHE_DIR = "MODEL_CACHE_DIR"
API_KEYS = ("ROBOFLOW_API_KEY", "API_KEY")
API_BASE_URL = "API_BASE_URL"
OFFLINE_MODE = "OFFLINE_MODE"
_DEFAULT_API = "https://api.roboflow.com"

_TOKEN = re.compile(r"\$\$|\$\{(?P<body>[^}]*)(?P<close>\}?)")
_BODY = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^$]*))?")
# A variable in the user part of an address: behind "scheme://", before the '@'.
_BEFORE_USER = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#@]*\Z")
_AFTER_USER = re.compile(r"(?:[^/?#@{]|\$\{[^}]*\})*@")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class InterpolationError(ConfigError):
    """A variable is missing, or its `${...}` is malformed."""


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A text with its variables filled in.

    `shown` is the same text for people: variables as `${NAME}`, without values and defaults. `secrets` are pairs of a
    value that was filled in and how it is to be shown.
    """

    text: str
    shown: str
    secrets: tuple[tuple[str, str], ...]


def interpolate(text: str, variables: Mapping[str, str] | None = None) -> Interpolated:
    """Fills in `${NAME}` and `${NAME:-default}` (used if the variable is unset or empty); `$$` stands for `$`.

    In the user part of an address, characters that would end it are percent-encoded, so that a password may hold any.
    Raises InterpolationError.
    """
    known = os.environ if variables is None else variables
    out, shown, position = [], [], 0
    secrets: list[tuple[str, str]] = []
    for token in _TOKEN.finditer(text):
        literal = text[position : token.start()]
        position = token.end()
        out.append(literal)
        shown.append(literal)
        if token.group() == "$$":
            out.append("$")
            shown.append("$$")
            continue
        name, value = _value_of(token, known)
        secrets.append((value, f"${{{name}}}"))
        if _BEFORE_USER.match(text[: token.start()]) and _AFTER_USER.match(text[token.end() :]):
            value = quote(_STRAY_PERCENT.sub("%25", value), safe="%!$&'()*+,;=:~")
            secrets.append((value, f"${{{name}}}"))
        out.append(value)
        shown.append(f"${{{name}}}")
    out.append(text[position:])
    shown.append(text[position:])
    return Interpolated("".join(out), "".join(shown), tuple(pair for pair in secrets if pair[0]))


def _value_of(token: re.Match[str], known: Mapping[str, str]) -> tuple[str, str]:
    body = _BODY.fullmatch(token["body"])
    if not token["close"] or body is None:
        raise InterpolationError("malformed variable; expected ${NAME} or ${NAME:-default}, and $$ for a plain $")
    name, default = body["name"], body["default"]
    value = known.get(name)
    if value is None and default is None:
        raise InterpolationError(f"environment variable {name} is not set; set it, or write ${{{name}:-default}}")
    return name, default if default is not None and not value else value or ""


def run_root() -> Path:
    """The directory under which each run makes its own: $MPIPELINE_RUN_ROOT, $XDG_RUNTIME_DIR/mpipeline if that can be
    used, else /tmp/mpipeline-UID. It need not exist yet."""
    chosen = os.environ.get(RUN_ROOT)
    if chosen:
        return Path(chosen).absolute()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and _usable(Path(runtime)):
        return Path(runtime) / "mpipeline"
    return Path("/tmp") / f"mpipeline-{os.getuid()}"


def _usable(directory: Path) -> bool:
    try:
        own = directory.is_absolute() and directory.is_dir() and directory.stat().st_uid == os.getuid()
    except OSError:
        return False
    return own and os.access(directory, os.W_OK | os.X_OK)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is logged, and whether as JSON lines."""

    level: str = "info"
    json: bool = False


def log_settings() -> LogSettings:
    """The settings from MPIPELINE_LOG_LEVEL (debug, info, warning, error) and MPIPELINE_LOG_JSON (1 or 0)."""
    level = os.environ.get(LOG_LEVEL, "").lower() or "info"
    if level not in LEVELS:
        raise ConfigError(f"{LOG_LEVEL}: expected one of {', '.join(LEVELS)}, got {level!r}")
    json = os.environ.get(LOG_JSON, "").lower() or "0"
    if json not in ("0", "1", "false", "true"):
        raise ConfigError(f"{LOG_JSON}: expected 1 or 0, got {json!r}")
    return LogSettings(level, json in ("1", "true"))


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How systemd wants to hear of this process: at which socket (empty: not at all), and how often that it is well.

    `watchdog_s`: a service that has not said so for so many seconds is ended; 0: none is.
    """

    address: str = ""
    watchdog_s: float = 0.0


def service_settings() -> ServiceSettings:
    """The settings from NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which systemd sets for what it starts."""
    is_meant = os.environ.get(WATCHDOG_PID, str(os.getpid())) == str(os.getpid())
    period = os.environ.get(WATCHDOG_USEC, "") if is_meant else ""
    return ServiceSettings(os.environ.get(NOTIFY_SOCKET, ""), int(period) / 1e6 if period.isdecimal() else 0.0)


def x_display() -> str | None:
    """The X server that windows are shown on, as DISPLAY names it; None or empty if there is none."""
    return os.environ.get("DISPLAY")


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where models are kept and fetched from. `api_key` is empty if there is none; `offline` forbids all fetching."""

    cache: Path
    api_key: str = field(default="", repr=False)
    api_url: str = _DEFAULT_API
    offline: bool = False


def model_cache() -> Path:
    """Where models, and what was found out about them, are kept: MODEL_CACHE_DIR. It need not exist yet.

    Without that variable it is under the user's own cache directory: /tmp is emptied now and then, and others can write
    there. Raises ConfigError if the user has no home, as in some containers.
    """
    chosen = os.environ.get(MODEL_CACHE_DIR)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        cache = Path(chosen).expanduser() if chosen else Path(base).expanduser() / "mpipeline" / "models"
    except RuntimeError as error:
        raise ConfigError(f"{MODEL_CACHE_DIR}: must name a folder for models: this user has no home") from error
    return cache.absolute()


def store_settings() -> StoreSettings:
    """The settings from MODEL_CACHE_DIR, ROBOFLOW_API_KEY or API_KEY, API_BASE_URL and OFFLINE_MODE.

    Raises ConfigError.
    """
    key = next((value for name in API_KEYS if (value := os.environ.get(name, "").strip())), "")
    url = (os.environ.get(API_BASE_URL) or _DEFAULT_API).rstrip("/")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError(f"{API_BASE_URL}: expected an address such as {_DEFAULT_API}")
    return StoreSettings(model_cache(), key, url, _truth(OFFLINE_MODE))


def proxy_of(url: str) -> str | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name for an address; None for none."""
    from urllib.request import getproxies, proxy_bypass  # late: it loads http.client

    parts = urlsplit(url)
    proxies = getproxies()
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


def _truth(name: str) -> bool:
    text = os.environ.get(name, "").strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("", "0", "false", "no", "off"):
        return False
    raise ConfigError(f"{name}: expected true or false, got {text!r}")
