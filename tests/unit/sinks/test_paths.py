"""Path templates: safe names, no two sources in one file, errors that say what to do."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mpipeline.errors import SinkError
from mpipeline.sinks.appending import AppendingFile
from mpipeline.sinks.paths import OutputPaths, checked_template, file_error, make_folder, safe_name


@pytest.mark.parametrize(
    ("source", "name"), [("gate", "gate"), ("a/b c", "a_b_c"), ("../x", "_x"), ("", "_"), ("Tür-1.b", "Tür-1.b")]
)
def test_safe_name(source: str, name: str) -> None:
    assert safe_name(source) == name


@pytest.mark.parametrize("template", ["out/{sourc}.mp4", "", "  ", "out/"])
def test_wrong_templates_are_refused(template: str) -> None:
    with pytest.raises(ValueError, match="path"):
        checked_template(template)


def test_two_sources_cannot_share_a_file() -> None:
    paths = OutputPaths("out/{source}.mp4")
    assert paths.claim("a b") == Path("out/a_b.mp4")
    assert paths.claim("a b") == Path("out/a_b.mp4")
    with pytest.raises(SinkError, match=r"'a b' and 'a/b' .* rename one"):
        paths.claim("a/b")
    single = OutputPaths("out.mp4")
    single.claim("a")
    with pytest.raises(SinkError, match=r"put \{source\} into the path"):
        single.claim("b")


def test_existing_finds_what_the_template_may_have_made(tmp_path: Path) -> None:
    folder = tmp_path / "a[1]"
    folder.mkdir()
    for name in ("x.jsonl", "y.jsonl", "z.txt"):
        (folder / name).touch()
    assert [path.name for path in OutputPaths(f"{folder}/{{source}}.jsonl").existing()] == ["x.jsonl", "y.jsonl"]
    assert [path.name for path in OutputPaths(f"{folder}/x.jsonl").existing()] == ["x.jsonl"]


def test_prepare_makes_the_fixed_part(tmp_path: Path) -> None:
    OutputPaths(f"{tmp_path}/a/b/{{source}}/video.mp4").prepare()
    assert (tmp_path / "a/b").is_dir()
    OutputPaths(f"{tmp_path}/c/cam-{{source}}.mp4").prepare()
    assert (tmp_path / "c").is_dir()


def test_a_file_in_the_way_is_told_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        SinkError, match=r"cannot make the folder .*/file/x: .*; a part of the path is a file"
    ) as caught:
        make_folder(tmp_path / "file" / "x")
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENOSPC, errno.EROFS, errno.EIO])
def test_every_error_has_path_and_remedy(code: int) -> None:
    text = str(file_error("write to", Path("out/x"), OSError(code, "what")))
    assert text.startswith("cannot write to out/x: what; ")


def test_full_disk() -> None:
    with pytest.raises(SinkError, match=r"/dev/full: No space left on device; the disk is full: free some space"):
        AppendingFile(Path("/dev/full")).append(b"x")


def test_appending_keeps_what_it_is_told_and_cuts_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"whole\nhal")
    file = AppendingFile(path, keep=6)
    assert path.read_bytes() == b"whole\n"
    file.append(b"next\n")
    assert path.read_bytes() == b"whole\nnext\n"  # without closing
    file.close()
    file.close()


def test_a_record_that_fails_half_way_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    file = AppendingFile(path)
    file.append(b"first\n")
    write, calls = __import__("os").write, []

    def failing(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(write(descriptor, data[:3]))

    with monkeypatch.context() as patched:
        patched.setattr("mpipeline.sinks.appending.os.write", failing)
        with pytest.raises(SinkError, match="No space"):
            file.append(b"second\n")
    assert calls == [7, 4]
    assert path.read_bytes() == b"first\n"
    file.append(b"third\n")
    assert path.read_bytes() == b"first\nthird\n"
