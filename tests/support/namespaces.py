"""A private view of the file system for one test: small or read-only tmpfs mounts that only its commands see.

Needs no privilege where the kernel allows user namespaces, else root; where neither works the test is skipped.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import pytest
from support.leftovers import wait_until

_KINDS = (["unshare", "--user", "--map-root-user", "--mount"], ["unshare", "--mount"])


class MountSpace:
    """A mount namespace with a tmpfs on each of the given folders, until the end of the block.

    `tmpfs`: folder → mount options, such as "size=1m" or "ro". Folders that do not exist are made. `files`: path of a
    file → the file that is seen in its place.
    """

    def __init__(self, tmpfs: Mapping[str | Path, str], files: Mapping[str | Path, Path] | None = None) -> None:
        self._tmpfs = dict(tmpfs)
        self._files = dict(files or {})
        self._keeper: subprocess.Popen[bytes] | None = None
        self._enter: list[str] = []

    def __enter__(self) -> MountSpace:
        for folder in self._tmpfs:
            Path(folder).mkdir(parents=True, exist_ok=True)
        failures = []
        for kind in _KINDS:
            if (failure := self._open(kind)) is None:
                return self
            failures.append(failure)
        pytest.skip(f"a private mount namespace is not allowed here: {'; '.join(failures)}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.wait()

    def command(self, folder: Path, *arguments: str) -> list[str]:
        """These arguments, run inside and in that folder; the process that is started becomes the program itself."""
        return [*self._enter, "sh", "-c", 'cd "$0" && exec "$@"', str(folder), *arguments]

    def path(self, path: str | Path) -> Path:
        """A path of the inside, as it can be used from outside."""
        assert self._keeper is not None
        return Path(f"/proc/{self._keeper.pid}/root") / Path(path).absolute().relative_to("/")

    def fill(self, path: str | Path, leave: int = 0) -> Path:
        """A file that takes all the space of its mount but `leave` bytes; returns it, to be removed from outside."""
        ballast = self.path(path)
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
            file.truncate(max(0, file.tell() - leave))
        return ballast

    def remount(self, folder: str | Path, options: str) -> None:
        """Changes the options of a mount inside."""
        # With its source named, mount leaves out the old options, which a user namespace may not be allowed to repeat.
        subprocess.run([*self._enter, "mount", "-o", f"remount,{options}", "tmpfs", str(folder)], check=True)

    def _open(self, kind: list[str]) -> str | None:
        """Starts the process that keeps the namespace; the reason if that is not possible."""
        mounts = [
            f"mount -t tmpfs -o {shlex.quote(options)} tmpfs {shlex.quote(str(folder))}"
            for folder, options in self._tmpfs.items()
        ]
        mounts += [f"mount --bind {shlex.quote(str(new))} {shlex.quote(str(old))}" for old, new in self._files.items()]
        script = f"{' && '.join(mounts)} && echo ready && exec sleep infinity"
        try:
            keeper = subprocess.Popen([*kind, "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except FileNotFoundError:
            return f"there is no {kind[0]}"
        assert keeper.stdout is not None
        said = keeper.stdout.readline().decode().strip()
        if said != "ready":
            keeper.kill()
            keeper.wait()
            return said or f"{kind[0]} failed"
        self._keeper = keeper
        users = ["--user", "--preserve-credentials"] if "--user" in kind else []
        self._enter = ["nsenter", "--target", str(keeper.pid), *users, "--mount"]
        return None


def wait_for_no_segments(space: MountSpace) -> None:
    """Waits until the private /dev/shm has no ring of ours; at once after an orderly end."""
    folder = space.path("/dev/shm")
    wait_until(lambda: not list(folder.glob("mp-*")), "the end of the segments", lambda: str(list(folder.iterdir())))
