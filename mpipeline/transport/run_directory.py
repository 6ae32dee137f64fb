"""The folder of one run: its name's lock and its sockets. Private to the user; gone with the run.

`<root>/<name>.lock` is locked (flock) while the run lives. A second run of that name is refused, because a second
bind on the same ipc path would silently take over the first one's traffic.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.errors import ConfigError, RunExists, RunNotFound

_MAX_SOCKET_PATH = 107  # sizeof(sockaddr_un.sun_path) - 1
_LONGEST_SOCKET = "predictions.sock"
_PATIENCE_S = 0.5
_RETRY_S = 0.01


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The ZeroMQ addresses of a run."""

    folder: Path

    @property
    def control(self) -> str:
        """Supervisor ⇄ everyone."""
        return f"ipc://{self.folder}/control.sock"

    @property
    def frames(self) -> str:
        """Decoders → inference."""
        return f"ipc://{self.folder}/frames.sock"

    @property
    def predictions(self) -> str:
        """Inference ⇄ sinks."""
        return f"ipc://{self.folder}/predictions.sock"

    @property
    def journal(self) -> str:
        """The file in which inference notes what it is about to do, for a successor."""
        return str(self.folder / "inference.journal")


class RunDirectory:
    """A run's own folder, held by a lock until `close` or the end of the process."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.folder = root / name
        self.endpoints = Endpoints(self.folder)
        if len(str(self.folder / _LONGEST_SOCKET).encode()) > _MAX_SOCKET_PATH:
            raise ConfigError(
                f"the socket path {self.folder / _LONGEST_SOCKET} is longer than {_MAX_SOCKET_PATH} bytes: "
                "use a shorter run name, or set MPIPELINE_RUN_ROOT to a shorter folder"
            )
        _make_folder(root, may_exist=True)
        _check_trust(root)
        self._lock = _lock(root / f"{name}.lock", _PATIENCE_S)
        if self._lock < 0:
            raise RunExists(f"a run named {name!r} is alive on this machine: stop it, or give this one another name")
        shutil.rmtree(self.folder, ignore_errors=True)  # a dead run's sockets
        _make_folder(self.folder, may_exist=False)

    def close(self) -> None:
        """Removes the folder and gives the name free; harmless when repeated."""
        if self._lock >= 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            with suppress(OSError):  # in a folder that can no longer be written, it stays; nobody holds it
                self.folder.with_name(f"{self.name}.lock").unlink()
            os.close(self._lock)
            self._lock = -1


def find(root: Path, name: str) -> Endpoints:
    """The addresses of the living run `name`.

    Raises RunNotFound, with the names of the runs that do live.
    """
    if name in (living := runs(root)):
        _check_trust(root)
        _check_trust(root / name)
        return Endpoints(root / name)
    raise RunNotFound(f"no run named {name!r} is alive here; alive: {', '.join(living) or 'none'}")


def root_of(endpoint: str) -> Path:
    """The folder that holds the run directories, from an address of one of the runs."""
    return Path(endpoint.removeprefix("ipc://")).parent.parent


def incarnation(root: Path, name: str) -> tuple[int, int]:
    """Which living run bears this name: another one's is different, (0, 0) if there is none."""
    path = root / f"{name}.lock"
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return (status.st_ino, status.st_ctime_ns) if _is_held(path) else (0, 0)


def runs(root: Path) -> list[str]:
    """The names of the runs that are alive under `root`."""
    return [path.stem for path in sorted(root.glob("*.lock")) if _is_held(path)]


def sweep(root: Path) -> list[str]:
    """Removes the folders of runs whose supervisor is gone; returns their names."""
    swept = []
    for path in sorted(root.glob("*.lock")):
        lock = _lock(path)
        if lock >= 0:
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            with suppress(OSError):
                path.unlink()
                swept.append(path.stem)
            os.close(lock)
    return swept


def _check_trust(path: Path) -> None:
    """Refuses a folder in which somebody else could put sockets of his own: over them come specs that are executed."""
    for status in (path.lstat(), path.stat()):
        foreign = status.st_uid not in (os.getuid(), 0)
        open_to_all = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX and not stat.S_ISLNK(status.st_mode)
        if foreign or open_to_all:
            why = "belongs to somebody else" if foreign else "can be written by others"
            raise ConfigError(f"the run directory {path} {why}: set MPIPELINE_RUN_ROOT to a folder of yours")


def _make_folder(path: Path, may_exist: bool) -> None:
    """A private folder; a root that is there already stays as it is."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=may_exist)
    except OSError as error:
        raise ConfigError(
            f"cannot make the run directory {path}: {error.strerror}; set MPIPELINE_RUN_ROOT to a folder of yours"
        ) from error


def _lock(path: Path, patience_s: float = 0.0) -> int:
    """A file descriptor that holds the lock on `path`, or -1 if somebody else does for `patience_s` seconds.

    A look whether a run is alive and a sweep of dead ones hold the lock too, for a moment.
    """
    clock = SystemClock()
    deadline = clock.monotonic_ns() + int(patience_s * NS_PER_S)
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            remedy = "set MPIPELINE_RUN_ROOT to a folder of yours with space"
            raise ConfigError(f"cannot lock {path}: {error.strerror}; {remedy}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            if clock.monotonic_ns() >= deadline:
                return -1
            clock.sleep(_RETRY_S)
            continue
        # Between open and flock the former holder may have removed the file: then the lock is on a file without a name.
        try:
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
