"""The scripts that let shells complete: what bash offers really, and that the others can read theirs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mpipeline.cli import COMMANDS, main

BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="there is no bash")


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@needs_bash
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["mo"], {"models"}),
        (["st"], {"status"}),
        (["models", "pu"], {"pull"}),
        (["models", "pull", "--q"], {"--quiet"}),
        (["sources", "probe", "--t"], {"--timeout"}),
        (["run", "--res"], {"--resume"}),
        (["models", "l"], {"list"}),
        (["run", "lobby"], {"lobby film.mp4"}),
        (["run", "x.yaml", "--res"], {"--resume"}),
        (["completion", "f"], {"fish"}),
        (["dance", "--x"], set()),
    ],
)
def test_bash(typed: list[str], offered: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lobby film.mp4").touch()
    words = " ".join(f"'{word}'" for word in ("mpipeline", *typed))
    ask = f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _mpipeline; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    program = [str(BASH), "--norc", "-c", script("bash", capsys) + ask]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(filter(None, done.stdout.splitlines())) == offered
    assert not done.stderr


@needs_bash
def test_bash_offers_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    ask = "COMP_WORDS=(mpipeline ''); COMP_CWORD=1; _mpipeline; echo ${COMPREPLY[@]}"
    program = [str(BASH), "--norc", "-c", script("bash", capsys) + ask]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {*COMMANDS, "--help", "--version"}


def test_zsh_goes_by_the_same_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert script("zsh", capsys).endswith(script("bash", capsys))


def test_fish_has_every_command_verb_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    lines = script("fish", capsys).splitlines()
    assert all(line.startswith("complete -c mpipeline -n '") for line in lines)
    commands = [line for line in lines if "'__fish_use_subcommand' -f -a" in line]
    assert len(commands) == len(COMMANDS)
    assert any("__fish_seen_subcommand_from models; and __fish_seen_subcommand_from pull' -l quiet" in x for x in lines)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_shell_itself_can_read_it(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"there is no {shell}")
    path = tmp_path / "script"
    path.write_text(script(shell, capsys))
    subprocess.run([found, "-n", str(path)], check=True)
