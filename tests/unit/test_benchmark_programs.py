"""Every program of benchmarks/ starts, tells how it is used, and what is wrong with an argument that makes no sense."""

from __future__ import annotations

import functools
import re
import subprocess
import sys

import pytest
from support.pages import ROOT, benchmark_commands

FILES = [*(ROOT / "benchmarks").glob("[a-z]*.py"), *(ROOT / "benchmarks").glob("*/__main__.py")]
PROGRAMS = [
    path.parent.name if path.stem == "__main__" else path.stem
    for path in FILES
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
]
PAGE = ROOT / "docs" / "performance.md"
COMMANDS = re.findall(r"^```sh\npython -m benchmarks\.(.+)\n```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_it_tells_its_options(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("usage:")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("latency --cameras 1,x", "'x' is no whole number of at least 1"),
        ("scale --cameras ,", "'' is no whole number of at least 1"),
        ("transport --sources 0", "'0' is no whole number of at least 1"),
        ("pixels --repetitions 0", "'0' is no whole number of at least 1"),
        ("pixels --minutes 5", "unrecognized arguments: --minutes 5"),
        ("memory --repetitions 5", "unrecognized arguments: --repetitions 5"),
        ("engines --models yolov8x", "'yolov8x' is none of light, nano, small-640, yolov8n"),
        ("neighbours --faults flood", "'flood' is none of nothing, "),
        ("side_by_side --parts figure", "'figure' is none of equality, figures, trials"),
        ("startup --rival-python nowhere/python", "'nowhere/python' is no program"),
        ("gpu --size 1080p", "'1080p' is no size such as 1920x1080"),
        ("gpu --side 8", "8 pixels are too few: 32 at least"),
        ("gpu --seconds 0", "'0' is no number of seconds above 0"),
        ("gpu --device gpu", "'gpu' is neither cuda, nor cuda:1 and so on, nor cpu"),
        ("gpu --model nowhere.onnx", "there is no file 'nowhere.onnx'"),
    ],
)
def test_it_refuses_what_makes_no_sense(words: str, complaint: str) -> None:
    command = [sys.executable, "-m", *f"benchmarks.{words}".split()]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert complaint in told.stderr


def test_it_goes_on_without_a_rival_that_cannot_be_had() -> None:
    program = """
import argparse
from benchmarks import rivals
from benchmarks.side_by_side import sides

def no_network(*_):
    raise rivals.NotToBeHad("no network")

rivals.environment = no_network
assert sides.rival(argparse.Namespace(without_rival=False, rival_python=None)) is None
"""
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stderr == "left out: streamvision: no network\n"


@functools.cache
def options_of(name: str) -> list[str]:
    """The options that a program tells of."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return re.findall(r"^  (--[\w-]+)", told.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", benchmark_commands())
def test_a_command_on_a_page_has_options_that_there_are(command: str) -> None:
    name, *words = command.split()
    known = options_of(name)
    assert [word for word in words if word.startswith("--") and word not in known] == []


def test_every_section_of_tables_has_its_command_and_its_charts() -> None:
    page = PAGE.read_text(encoding="utf-8")
    sections = re.findall(r"^<!-- (\w+) -->$", page, re.MULTILINE)
    assert sorted(sections) == sorted(command.split()[0] for command in COMMANDS)
    charts = re.findall(r"^!\[.+\]\((.+)\)$", page, re.MULTILINE)
    assert charts
    assert [chart for chart in charts if not (PAGE.parent / chart).is_file()] == []
