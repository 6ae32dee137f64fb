"""Code blocks of the project's pages, which tests run as they stand there.

A block is known by its page, as in "docs/sinks.md", and the mark before it, as in `<!-- example: jsonl -->`. What a
test has to have otherwise than the page is replaced here and nowhere else: where servers are, and how long things take.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.command import Command, Workplace

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(r"^(?:<!-- ([^>\n]*) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PORTS = {  # where the pages have servers on this machine, by what is there
    **{"web": 8080, "rtmp": 1935, "udp": 5000, "mqtt": 1883, "redis": 6379, "postgresql": 5432, "webhook": 8000},
    **{"zmq": 5556, "datagrams": 9090},
}
_CAMERA = re.compile(r"192\.168\.1\.20\b(:554)?")  # a camera in the network
_KEY = re.compile(r"(?<=ROBOFLOW_API_KEY=)\.\.\.")
_SHORT = {r"--kills \d+": "--kills 2", r"--duration \d+": "--duration 4", r"--every \d+(\.\d+)?": "--every 0.5"}
# The packages are there already, and must stay as they are. With a trap, the shell outlives a Ctrl-C.
_BEFORE = 'pip() { echo "pip $*"; }\ntrap : INT\n'


@dataclass(frozen=True)
class Block:
    """One block: the page, its number from 1 on it, its mark ("" if it has none), its language, its text."""

    page: str
    number: int
    mark: str
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """All blocks of a page, given by its path from the project's folder."""
    found = _BLOCK.findall(text_of(page))
    return [Block(page, number, *parts) for number, parts in enumerate(found, 1)]


def text_of(page: str) -> str:
    """The whole page."""
    return (ROOT / page).read_text(encoding="utf-8")


def block(page: str, mark: str) -> str:
    """The text of the block behind `<!-- mark -->`."""
    found = [one.text for one in blocks(page) if one.mark == mark]
    assert len(found) == 1, f"{page} has {len(found)} blocks {mark!r}"
    return found[0]


def marks(page: str) -> list[str]:
    """The marks of all its blocks, in order."""
    return [one.mark for one in blocks(page)]


def marked(page: str, kind: str) -> dict[str, str]:
    """Name → text of the blocks that are marked `<!-- kind: name -->`."""
    start = f"{kind}: "
    return {one.mark.removeprefix(start): one.text for one in blocks(page) if one.mark.startswith(start)}


def adapted(text: str, *, camera: int = 0, key: str = "", **ports: int) -> str:
    """The text with servers of the test in place of those that the pages name: a camera, a broker, a database.

    `camera` and `ports` are where they listen on this machine; `key` is that of a model hub.
    """
    if camera:
        text = _CAMERA.sub(f"127.0.0.1:{camera}", text)
    if key:
        text = _KEY.sub(key, text)
    for name, port in ports.items():
        text = re.sub(rf"\b{_PORTS[name]}\b", str(port), text)
    return text


def shortened(command: str) -> str:
    """A command of `mpipeline chaos` with few strikes, one soon after the other."""
    for long, short in _SHORT.items():
        command = re.sub(long, short, command)
    return command


def paste(
    place: Workplace, text: str, environment: Mapping[str, str] | None = None, *, up_to_failure: bool = True
) -> Command:
    """What a shell makes of a text; `up_to_failure`: only to the first line that fails.

    `mpipeline` and `python` are found as they are after the installation. `pip` only says what it was asked for.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    options = ["-e"] if up_to_failure else []
    return place.start_program(["sh", *options, "-c", _BEFORE + text], {"PATH": path, **(environment or {})})


def interrupt(shell: Command) -> None:
    """Ctrl-C for what a shell runs just now."""
    os.killpg(shell.pid, signal.SIGINT)


def form(output: str) -> list[str]:
    """The lines of an output without what differs from run to run: numbers, and how many blanks are between words."""
    return [re.sub(r"\d+(\.\d+)?", "#", " ".join(line.split())) for line in output.splitlines() if line.strip()]


def benchmark_commands() -> list[str]:
    """What stands behind `python -m benchmarks.` wherever a page has that, each once."""
    found = (re.findall(r"python -m benchmarks\.([^`\n]+)", text_of(page)) for page in PAGES)
    return sorted({command.strip() for of_page in found for command in of_page})
