"""docs/chaos.md: its commands, with few strikes, do what the page says and print what it shows."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from support import media, runs
from support.command import Workplace
from support.pages import block, form, paste, shortened

PAGE = "docs/chaos.md"
ROLES = ("decoder", "inference", "sink")
FILMS = {"film": media.VideoSpec(width=64, height=48, b_frames=2), "clip": media.VideoSpec(width=64, height=48)}


def recordings(place: Workplace) -> dict[str, Any]:
    """Two short files, whose model takes its time."""
    for name, spec in FILMS.items():
        shutil.copy(media.video(spec), place.folder / f"{name}.mp4")
    sources = [{"name": name, "uri": f"{name}.mp4"} for name in FILMS]
    return runs.config(*sources, runs.clip("shapes", 100), detector="Leisurely")


def cameras(place: Workplace) -> dict[str, Any]:
    """Two live streams by the names that the page's have."""
    return runs.config(*(runs.camera(name, rate=15) for name in ("gate", "yard")))


@pytest.fixture
def furnished(place: Workplace) -> Workplace:
    """With the two configs of the page."""
    place.write("recordings.yaml", recordings(place))
    place.write("cameras.yaml", cameras(place))
    return place


def test_the_two_commands(furnished: Workplace) -> None:
    shell = paste(furnished, shortened(block(PAGE, "command: chaos")))
    assert shell.wait() == 0, shell.output + shell.log
    assert shell.output.splitlines().count("no fault") == 2


@pytest.mark.parametrize("config", ["recordings", "cameras"])
def test_what_it_prints_has_the_form_of_the_page(furnished: Workplace, config: str) -> None:
    line, _, shown = block(PAGE, f"session: {config}").partition("\n")
    shell = paste(furnished, shortened(line.removeprefix("$ ")))
    assert shell.wait() == 0, shell.output + shell.log
    expected, printed = form(shown), form(shell.output)
    assert [one for one in printed if one not in expected and not one.startswith(ROLES)] == []
    assert [one for one in expected if one not in printed and not one.startswith(ROLES)] == []
