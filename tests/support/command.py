"""Runs the real `mpipeline` command in a folder of its own, watches it, and proves that it leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import yaml
from support.leftovers import fork_servers_under, segments_of, wait_until, workers_under

_TESTS = Path(__file__).resolve().parents[1]


class Command:
    """One `mpipeline` process, or another program beside it. Its log is stderr; with `--json` one object a line."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path, log: Path, run_root: Path) -> None:
        self.process = process
        self.pid = process.pid
        self._output, self._log, self._run_root = output, log, run_root

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def events(self, event: str | None = None, **fields: object) -> list[dict[str, Any]]:
        """Log records with this event and these fields, oldest first; lines that are no JSON are left out."""
        found = []
        for line in self.log.splitlines():
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                wanted = {**({"event": event} if event is not None else {}), **fields}
                if isinstance(record, dict) and wanted.items() <= record.items():
                    found.append(record)
        return found

    def wait_for(self, event: str, times: int = 1, **fields: object) -> list[dict[str, Any]]:
        """Waits until the log has `times` such records; returns them."""
        self.wait_until(lambda: len(self.events(event, **fields)) >= times, f"{times} x {event} {fields}")
        return self.events(event, **fields)

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Waits for a condition that must come about while the command runs."""

        def reached() -> bool:
            ended = self.process.poll() is not None  # before the look: what was reached at the end counts
            if condition():
                return True
            assert not ended, f"ended with {self.process.returncode} before {what}; log:\n{self.log[-4000:]}"
            return False

        wait_until(reached, what, lambda: self.log[-4000:])

    def wait(self) -> int:
        """Waits for its end; returns the exit code, negative for a signal."""
        wait_until(lambda: self.process.poll() is not None, "the end of the command", lambda: self.log[-4000:])
        return self.process.returncode

    def signal(self, number: int) -> None:
        """Sends a signal to the command's own process."""
        self.process.send_signal(number)

    def workers(self, name: str = "") -> list[psutil.Process]:
        """Its living workers of that name ("decoder:a") or role ("decoder"); all without one."""
        found = workers_under(self._run_root)
        return [process for process, worker in found if not name or name in (worker, worker.partition(":")[0])]

    def worker(self, name: str, other_than: int = 0) -> psutil.Process:
        """The worker of that name or role; waits until there is one, and not the one with that process id."""

        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = [process for process in self.workers(name) if process.pid != other_than]
            return bool(found)

        self.wait_until(look, f"a process of {name}")
        return found[0]

    def fork_server(self, other_than: int = 0) -> psutil.Process:
        """Its fork server; waits until there is one, and not the one with that process id."""

        def find() -> list[psutil.Process]:
            return [process for process in fork_servers_under(self._run_root) if process.pid != other_than]

        self.wait_until(find, "a fork server")
        return find()[0]

    def kill_worker(self, name: str) -> int:
        """SIGKILL to the worker of that name or role; returns the process id that it had."""
        victim = self.worker(name)
        victim.kill()
        return victim.pid

    def segments(self) -> list[str]:
        """The shared-memory segments that it owns."""
        return segments_of(self.pid)


class Workplace:
    """A folder, a run root and an environment for commands. At the end of the block nothing of theirs may be left.

    `folder` is the commands' current directory; modules written there can be imported by them. The run root is apart,
    because the path of a socket must be short. `environment` is what all its commands have in theirs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_root = Path(tempfile.mkdtemp(prefix="mp-test-"))
        self.commands: list[Command] = []
        self.environment: dict[str, str] = {}
        self.is_abandoned = False  # True: only clear up, a test has failed in the middle

    def __enter__(self) -> Workplace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and not self.is_abandoned:
                for command in self.commands:
                    assert command.process.poll() is not None, f"{command.process.args!r} was not waited for"
                self.assert_nothing_left()
        finally:
            self._clear()

    def write(self, name: str, content: str | Mapping[str, Any]) -> Path:
        """A file in the folder: a text, or a mapping as YAML."""
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(dict(content)), encoding="utf-8")
        return path

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Command:
        """Starts `mpipeline ARGUMENTS…`."""
        return self.start_program([sys.executable, "-m", "mpipeline", *arguments], environment)

    def run(self, config: Mapping[str, Any], *arguments: str, name: str = "run") -> Command:
        """Writes the config as NAME.yaml and starts `mpipeline run` on it, with a JSON log."""
        self.write(f"{name}.yaml", config)
        return self.start("run", f"{name}.yaml", "--json", *arguments)

    def start_program(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Command:
        """Starts any program, in a session of its own, with the folder as its current directory."""
        number = len(self.commands)
        output, log = self.folder / f"stdout-{number}", self.folder / f"stderr-{number}"
        paths = [str(_TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
        given = {"MPIPELINE_RUN_ROOT": str(self.run_root), "PYTHONPATH": os.pathsep.join(paths)}
        given |= {**self.environment, **(environment or {})}
        with output.open("wb") as out, log.open("wb") as err:
            process = subprocess.Popen(
                list(arguments),
                cwd=self.folder,
                env={**os.environ, **given},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        command = Command(process, output, log, self.run_root)
        self.commands.append(command)
        return command

    def leftovers(self) -> list[str]:
        """What is there of the commands besides their output: processes, segments, run directories."""
        processes = [f"process {process.pid} ({name})" for process, name in workers_under(self.run_root)]
        processes += [f"process {process.pid} (fork server)" for process in fork_servers_under(self.run_root)]
        segments = [f"segment {name}" for command in self.commands for name in command.segments()]
        folders = [f"run directory {path}" for path in self.run_root.glob("*")] if self.run_root.exists() else []
        return processes + segments + folders

    def assert_nothing_left(self) -> None:
        """At once, after commands that have ended in order."""
        assert not self.leftovers()

    def wait_until_nothing_left(self) -> None:
        """In a while, after commands that were killed."""
        wait_until(lambda: not self.leftovers(), "the end of all leftovers", lambda: str(self.leftovers()))

    def _clear(self) -> None:
        for command in self.commands:
            if command.process.poll() is None:
                command.process.kill()
            command.process.wait()
        workers = [process for process, _ in workers_under(self.run_root)]
        for process in [*workers, *fork_servers_under(self.run_root)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        for command in self.commands:
            for name in command.segments():
                (Path("/dev/shm") / name).unlink(missing_ok=True)
        shutil.rmtree(self.run_root, ignore_errors=True)
