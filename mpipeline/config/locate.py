"""Where an entry of the config stands: its key path for people, and its file, line and column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mpipeline.credentials import redact_address

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A spot in a file (line and column count from 1), or an origin without lines such as `--set model.path`."""

    origin: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.origin}:{self.line}:{self.column}" if self.line else self.origin


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the config: at which key, and a sentence about it; `place` if the key has none."""

    path: KeyPath
    message: str
    place: Place | None = None


class Places:
    """Key path → place of everything in the config; an unknown path has the place of what it would stand in."""

    def __init__(self, root: Place | None = None) -> None:
        self._places: dict[KeyPath, Place] = {} if root is None else {(): root}

    def set(self, path: KeyPath, place: Place) -> None:
        self._places[path] = place

    def replace(self, path: KeyPath, place: Place) -> None:
        """Everything under `path` comes from `place` from now on."""
        for known in [known for known in self._places if known[: len(path)] == path]:
            del self._places[known]
        self._places[path] = place

    def find(self, path: KeyPath) -> Place | None:
        for length in range(len(path), -1, -1):
            place = self._places.get(path[:length])
            if place is not None:
                return place
        return None

    def line(self, problem: Problem) -> str:
        """The problem as one line of an error: "cams.yaml:7:5: sources[1].uri: missing"."""
        parts = [str(self._place_of(problem) or ""), dotted(problem.path), problem.message]
        return ": ".join(part for part in parts if part)

    def lines(self, problems: Iterable[Problem]) -> str:
        """All problems in the order of the file, each once."""
        nowhere = Place("")
        ordered = sorted(problems, key=lambda problem: self._place_of(problem) or nowhere)
        return "\n".join(dict.fromkeys(self.line(problem) for problem in ordered))

    def _place_of(self, problem: Problem) -> Place | None:
        return problem.place or self.find(problem.path)


def dotted(path: KeyPath) -> str:
    """("sources", 1, "uri") as "sources[1].uri"."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{shortened(redact_address(step))}" if text else shortened(redact_address(step))
    return text


def shortened(text: str, length: int = 60) -> str:
    """`text` on one line, cut to `length` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"
