"""The folder of one run: its name's lock and its sockets. Private to the user; gone with the run.

`<root>/<name>.lock` is locked (flock) while the run lives. A second run of that name is refused, because a second
bind on the same ipc path would silently take over the first one's traffic.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.errors import ConfigError, RunExists, RunNotFound

_MAX_SOCKET_PATH = 107  # sizeof(sockaddr_un.sun_path) - 1
_OURS = re.compile(r"(control|(frames|predictions)(-\d+)?)\.sock|inference(-\d+)?\.journal|connect-\d+")
_MARK = b"mpipeline run\n"  # what is in a lock
_PATIENCE_S = 0.5
_RETRY_S = 0.01


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The ZeroMQ addresses of a run. `model` is the number of the model whose data channels are meant, from 0."""

    folder: Path
    model: int = 0

    def of_model(self, number: int) -> Endpoints:
        """The addresses with the data channels of another model."""
        return replace(self, model=number)

    @property
    def control(self) -> str:
        """Supervisor ⇄ everyone."""
        return f"ipc://{self.folder}/control.sock"

    @property
    def frames(self) -> str:
        """Decoders → inference."""
        return f"ipc://{self.folder}/frames{self._number}.sock"

    @property
    def predictions(self) -> str:
        """Inference ⇄ sinks."""
        return f"ipc://{self.folder}/predictions{self._number}.sock"

    @property
    def journal(self) -> str:
        """The file in which inference notes what it is about to do, for a successor."""
        return str(self.folder / f"inference{self._number}.journal")

    @property
    def _number(self) -> str:
        return f"-{self.model}" if self.model else ""


class RunDirectory:
    """A run's own folder, held by a lock until `close` or the end of the process. `models`: how many the run has."""

    def __init__(self, root: Path, name: str, models: int = 1) -> None:
        self.name = name
        self.folder = root / name
        self.endpoints = Endpoints(self.folder)
        longest = _path(self.endpoints.of_model(models - 1).predictions)
        if len(str(longest).encode()) > _MAX_SOCKET_PATH:
            raise ConfigError(
                f"the socket path {longest} is longer than {_MAX_SOCKET_PATH} bytes: "
                "use a shorter run name, or set MPIPELINE_RUN_ROOT to a shorter folder"
            )
        self._path_of_lock = root / f"{name}.lock"
        self._lock = self._claim(_PATIENCE_S)
        shutil.rmtree(self.folder, ignore_errors=True)  # a dead run's sockets
        _make_folder(self.folder, may_exist=False)

    def restore(self) -> bool:
        """Makes lock and folder again if somebody has removed them; says whether.

        Raises RunExists if another run has taken the name meanwhile, ConfigError if they cannot be made.
        """
        has_name, has_folder = self._has_name(), self.folder.is_dir()
        if not has_name:
            former, self._lock = self._lock, self._claim(patience_s=0)
            os.close(former)
        if not has_folder:
            _make_folder(self.folder, may_exist=True)
        return not (has_name and has_folder)

    def close(self) -> None:
        """Removes the folder and gives the name free; harmless when repeated. What another run has made there stays."""
        if self._lock >= 0:
            if self._has_name():
                shutil.rmtree(self.folder, ignore_errors=True)
                with suppress(OSError):  # in a folder that can no longer be written, it stays; nobody holds it
                    self._path_of_lock.unlink()
            os.close(self._lock)
            self._lock = -1

    def _claim(self, patience_s: float) -> int:
        root, lock = self.folder.parent, self._path_of_lock
        _make_folder(root, may_exist=True)
        _check_trust(root)
        for path, is_ours in ((lock, _is_lock(lock)), (self.folder, _is_run_folder(self.folder))):
            if not is_ours:
                raise ConfigError(f"{path} is not of a run: give this run another name, or a run_dir of its own")
        descriptor = _lock(lock, patience_s)
        if descriptor < 0:
            name = self.name
            raise RunExists(f"a run named {name!r} is alive on this machine: stop it, or give this one another name")
        with suppress(OSError):  # on a full disk it stays without
            os.pwrite(descriptor, _MARK, 0)
        return descriptor

    def _has_name(self) -> bool:
        """Whether the lock that is held is the one that others find."""
        try:
            return os.path.samestat(os.fstat(self._lock), self._path_of_lock.stat())
        except OSError:
            return False


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
    return _path(endpoint).parent.parent


def _path(endpoint: str) -> Path:
    return Path(endpoint.removeprefix("ipc://"))


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
    """Removes the folders of runs whose supervisor is gone; returns their names.

    Whatever else lies there stays: a root may be a folder in which others keep things too.
    """
    swept = []
    for path in sorted(root.glob("*.lock")):
        with suppress(ConfigError, OSError):  # of a disk that can only be read, or of what is gone meanwhile
            if not _is_dead_run(path):
                continue
            lock = _lock(path, create=False)
            if lock < 0:
                continue
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            with suppress(OSError):
                path.unlink()
                swept.append(path.stem)
            os.close(lock)
    return swept


def _is_lock(path: Path) -> bool:
    """Whether this is a run's lock, unlike those of package tools, or nothing: another run may come and go meanwhile.

    It may be empty: made and not yet marked.
    """
    try:
        is_file = stat.S_ISREG(path.lstat().st_mode)
        return is_file and path.stat().st_size <= len(_MARK) and path.read_bytes() in (_MARK, b"")
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _is_dead_run(lock: Path) -> bool:
    """Whether there is something of a run to be removed; a lock alone counts if it is marked as one."""
    folder = lock.with_suffix("")
    if not _is_lock(lock):
        return False
    return _is_run_folder(folder) if os.path.lexists(folder) else lock.stat().st_size > 0


def _is_run_folder(path: Path) -> bool:
    """Whether this is a folder with nothing in it but what runs put there, or nothing."""
    try:
        return not path.is_symlink() and all(_OURS.fullmatch(name) for name in os.listdir(path))
    except FileNotFoundError:
        return True
    except OSError:
        return False


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


def _lock(path: Path, patience_s: float = 0.0, *, create: bool = True) -> int:
    """A file descriptor that holds the lock on `path`, or -1 if somebody else does for `patience_s` seconds.

    A look whether a run is alive and a sweep of dead ones hold the lock too, for a moment.
    """
    clock = SystemClock()
    deadline = clock.monotonic_ns() + int(patience_s * NS_PER_S)
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
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
