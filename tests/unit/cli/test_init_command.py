"""`mpipeline init`: what it writes passes `mpipeline check`, and nothing that is there is lost."""

from __future__ import annotations

import io
import re
import stat
from pathlib import Path

import pytest
from support import media

from mpipeline.cli import main
from mpipeline.config.load import load_config
from mpipeline.demo import MODEL_PATH


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lobby.mp4").write_bytes(media.video().read_bytes())
    (tmp_path / "people.onnx").write_bytes(MODEL_PATH.read_bytes())
    return tmp_path


SAID = ["--source", "lobby.mp4", "--model", "people.onnx"]


def test_what_it_writes_passes_the_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sinks = ["--sink", "jsonl", "--sink", "csv", "--sink", "video", "--sink", "python=counting:Counting"]
    assert main(["init", "mine.yaml", *SAID, "--source", "rtsp://10.0.0.20/1", "--source", "0", *sinks]) == 0
    assert "mpipeline check mine.yaml" in capsys.readouterr().out
    config = load_config(folder / "mine.yaml")
    assert [source.kind for source in config.sources] == ["video", "video", "device"]
    assert [sink.kind for sink in config.sinks] == ["jsonl", "csv", "video", "python"]
    assert main(["check", "mine.yaml"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["lobby.mp4", "mine.yaml", "people.onnx"]


def test_its_comments_are_keys_that_hold_without_the_mark(folder: Path) -> None:
    assert main(["init", *SAID, "--source", "1"]) == 0
    text = (folder / "pipeline.yaml").read_text()
    bare, count = re.subn(r"^( *)# (\w+: )", r"\1\2", text, flags=re.MULTILINE)
    assert count == 8
    (folder / "all.yaml").write_text(bare)
    config = load_config(folder / "all.yaml")
    assert (config.sources[0].delivery, config.sources[1].delivery) == ("latest", "every_frame")
    assert config.model.confidence == 0.5


@pytest.mark.parametrize("uri", ["rtsp://u:p'\"#@h/x", "rtsp://h/a: b", "rtsp://h/é?x=1&y=[2]"])
def test_whatever_an_address_holds_is_kept(folder: Path, uri: str) -> None:
    assert main(["init", "--source", uri, "--model", "people.onnx"]) == 0
    assert load_config(folder / "pipeline.yaml").sources[0].options.uri == uri


def test_a_file_with_a_password_is_private(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--source", "rtsp://viewer:s3cret@10.0.0.20/1", "--model", "people.onnx"]) == 0
    assert stat.S_IMODE((folder / "pipeline.yaml").stat().st_mode) == 0o600
    told = capsys.readouterr().out
    assert "only you can read it" in told
    assert "s3cret" not in told


def test_what_is_there_is_kept_unless_forced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "pipeline.yaml").write_text("mine")
    assert main(["init", *SAID]) == 78
    assert "--force" in capsys.readouterr().err
    assert (folder / "pipeline.yaml").read_text() == "mine"
    assert main(["init", *SAID, "--force"]) == 0
    assert load_config(folder / "pipeline.yaml").model.path == Path("people.onnx")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "for example: mpipeline init cameras.yaml --source lobby.mp4"),
        (["--source", "none.mp4", "--model", "people.onnx"], "no such file: 'none.mp4'"),
        ([*SAID, "--sink", "jsnol"], "did you mean 'jsonl'"),
        ([*SAID, "--sink", "python"], "--sink python=VALUE"),
        ([*SAID, "--sink", "jsonl=lobby.mp4"], "would overwrite a source"),
    ],
)
def test_what_makes_no_config_writes_none(
    folder: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["init", *arguments]) == 78
    assert words in capsys.readouterr().err
    assert not (folder / "pipeline.yaml").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_asks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("\nlobby.mp4 0\npeople.onnx\n\n"))
    assert main(["init"]) == 0
    config = load_config(folder / "pipeline.yaml")
    assert [source.name for source in config.sources] == ["lobby", "video0"]
    assert [sink.kind for sink in config.sinks] == ["jsonl"]


def test_on_a_terminal_that_is_closed_it_writes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("lobby.mp4\n"))
    assert main(["init"]) == 78
    assert not (folder / "pipeline.yaml").exists()


def test_what_cannot_be_so_is_asked_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = ["'lobby", "'lobby.mp4' 0", "people.onnx", "jsonl vido", "jsonl video"]
    monkeypatch.setattr("sys.stdin", Terminal("\n".join([*answers, ""])))
    assert main(["init"]) == 0
    assert [sink.kind for sink in load_config(folder / "pipeline.yaml").sinks] == ["jsonl", "video"]
    told = capsys.readouterr().out
    assert "No closing quotation" in told
    assert "unknown sink kind 'vido'; did you mean 'video'?" in told


def test_ctrl_c_ends_the_line_and_writes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(question: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Terminal(""))
    monkeypatch.setattr("builtins.input", interrupted)
    assert main(["init"]) == 130
    assert capsys.readouterr().out == "\n"
    assert not (folder / "pipeline.yaml").exists()
