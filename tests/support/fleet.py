"""RTSP cameras under the real command: which of them flow, what the log tells of each, and an end in order."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

from support import media, runs
from support.command import Command, Workplace
from support.namespaces import MountSpace

CLIP = media.VideoSpec(width=160, height=96, frames=75, rate=15, gop=5)
LARGE = media.VideoSpec(width=320, height=192, frames=75, rate=15, gop=5)
OTHER_CODEC = media.VideoSpec(codec="libx265", width=160, height=96, frames=75, rate=15, gop=5)


def stream(name: str, uri: str, **options: Any) -> dict[str, Any]:
    """A source that gives up on silence soon."""
    return {"name": name, "uri": uri, "connect_timeout": 1.5, "read_timeout": 1.5, "key_frame_timeout": 2, **options}


class Fleet:
    """One `mpipeline run` over some streams into a JSON lines file, in a private view of the file system if given."""

    def __init__(
        self, place: Workplace, *sources: dict[str, Any], space: MountSpace | None = None, **more: Any
    ) -> None:
        self.names = [source["name"] for source in sources]
        config = runs.config(*sources, **more)
        if space is None:
            self.run: Command = place.run(config)
        else:
            place.write("run.yaml", config)
            command = [sys.executable, "-m", "mpipeline", "run", "run.yaml", "--json"]
            self.run = place.start_program(space.command(place.folder, *command))
        self._path: Path = place.folder / "out.jsonl"
        self._position = 0
        self._lines: dict[str, list[dict[str, Any]]] = {}

    def lines(self, source: str) -> list[dict[str, Any]]:
        """The predictions of a source so far."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._position)
                fresh = file.read()
            whole = fresh[: fresh.rfind(b"\n") + 1]
            self._position += len(whole)
            for line in map(json.loads, whole.splitlines()):
                self._lines.setdefault(line["source"], []).append(line)
        return self._lines.get(source, [])

    def wait_for_flow(self, *sources: str, more: int = 8) -> None:
        """Waits until each of these sources, or all, has so many new frames; they are in order."""
        names = sources or self.names
        before = {name: len(self.lines(name)) for name in names}
        self.run.wait_until(
            lambda: all(len(self.lines(name)) >= before[name] + more for name in names),
            f"{more} more frames of {names}",
        )
        for name in names:
            ids = [line["frame_id"] for line in self.lines(name)]
            assert all(first < second for first, second in itertools.pairwise(ids)), f"{name}: {ids}"

    def wait_for_reason(self, source: str, *reasons: str) -> dict[str, Any]:
        """Waits until the log tells that this source is lost for one of these reasons; returns the record."""

        def found() -> list[dict[str, Any]]:
            events = self.run.events("reconnects", source=source)
            return [event for event in events if event["reason"] in reasons]

        self.run.wait_until(found, f"{source} lost by {reasons}")
        return found()[0]

    def wait_for_state(self, source: str, states: tuple[str, ...], reasons: tuple[str, ...] = ()) -> None:
        """Waits until a line of progress shows this source in one of the states, by one of the reasons if given."""
        texts = [
            text
            for state in states
            for text in ([f"{source} {state} ({r})" for r in reasons] or [f"{source} {state} "])
        ]

        def shown() -> bool:
            return any(text in event["message"] for event in self.run.events("progress") for text in texts)

        self.run.wait_until(shown, f"{texts} in a line of progress")

    def assert_undisturbed(self, *sources: str) -> None:
        """These were connected once, and have lost nothing since."""
        for name in sources:
            assert len(self.run.events("stream_opened", source=name)) == 1, name
            assert not self.run.events("reconnects", source=name), name

    def finish(self) -> dict[str, dict[str, Any]]:
        """Ctrl-C: exit code 0. Returns each source's line of the summary."""
        self.run.signal(2)
        assert self.run.wait() == 0, self.run.log[-4000:]
        return {record["source"]: record for record in self.run.events("source_finished")}
