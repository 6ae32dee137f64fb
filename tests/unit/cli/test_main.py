"""The command's entry: which command, its help, and how errors end it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mpipeline import __version__, cli
from mpipeline.cli import COMMANDS, main
from mpipeline.errors import ConfigError, RunExists, SharedMemoryFull


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, expected in ((["--version"], __version__), (["--help"], "COMMAND")):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        assert expected in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"mpipeline {name}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["dance"], ["run"], ["run", "a.yaml", "--dance"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("wrong"), 78),
        (RunExists("wrong"), 78),
        (SharedMemoryFull("wrong"), 78),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_end_it_with_their_code_and_one_line(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(_: Any) -> int:
        raise error

    monkeypatch.setattr("mpipeline.cli.check.command", command)
    assert main(["check", "a.yaml"]) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said == ("" if code == 130 else "mpipeline: wrong\n")


def test_a_config_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "none.yaml")]) == 78
    assert "none.yaml" in capsys.readouterr().err


def test_listing_the_commands_loads_none_of_them() -> None:
    program = (
        "import sys, mpipeline.cli as c\n"
        "try: c.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'zmq', 'numpy', 'pydantic', 'rich', 'cv2', 'av', 'onnxruntime'} & set(sys.modules)\n"
        "sys.exit(1 if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


def test_the_table_names_files_of_this_package() -> None:
    folder = Path(cli.__file__).parent
    for module, help_text in COMMANDS.values():
        assert (folder / f"{module.rpartition('.')[2]}.py").is_file()
        assert help_text
