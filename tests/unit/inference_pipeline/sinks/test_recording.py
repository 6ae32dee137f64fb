"""A recording in a program that forks, and in one whose signal handlers end it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from support.films import decode
from support.video_frames import frame, grey

from mpipeline.inference_pipeline.sinks import recording
from mpipeline.inference_pipeline.sinks.recording import Recording


def test_a_fork_of_the_program_neither_writes_nor_completes_it(tmp_path: Path) -> None:
    record = Recording(tmp_path / "out.mp4", None, 10.0)
    record.add(grey((64, 48)), [frame(1)])
    process = os.fork()
    if not process:
        record.add(grey((64, 48)), [frame(2)])
        record.finish()
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    record.add(grey((64, 48)), [frame(2)])
    record.finish()
    assert len(decode(tmp_path / "out.mp4")) == 2


def test_a_signal_handler_completes_it_in_the_midst_of_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Recording(tmp_path / "out.mp4", None, 10.0)
    encode = recording.Encoder.encode

    def interrupted(encoder: recording.Encoder, *arguments: object) -> object:
        signal.raise_signal(signal.SIGUSR1)
        return encode(encoder, *arguments)  # type: ignore[arg-type]

    former = signal.signal(signal.SIGUSR1, lambda *_: record.finish())
    try:
        record.add(grey((64, 48)), [frame(1)])
        with monkeypatch.context() as patch:
            patch.setattr(recording.Encoder, "encode", interrupted)
            record.add(grey((64, 48)), [frame(2)])
    finally:
        signal.signal(signal.SIGUSR1, former)
    assert len(decode(tmp_path / "out.mp4")) == 2
    with pytest.raises(recording.SinkError, match="was finished"):
        record.add(grey((64, 48)), [frame(3)])
