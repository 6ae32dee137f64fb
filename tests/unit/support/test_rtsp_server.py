"""The RTSP test server itself: what the tests lean on must hold."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from support import media
from support.media import VideoSpec
from support.rtsp_clip import PAYLOAD_LIMIT, Clip
from support.rtsp_server import RtspServer


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv"])
def test_a_clip_has_every_picture_in_small_payloads(codec: str, suffix: str) -> None:
    clip = Clip(media.video(VideoSpec(suffix=suffix, codec=codec, width=640, height=360)))

    assert len(clip.units) == 30
    assert [unit.is_key for unit in clip.units] == [number % 10 == 0 for number in range(30)]
    assert max(len(payload) for unit in clip.units for payload in unit.payloads) <= PAYLOAD_LIMIT
    assert clip.duration == pytest.approx(2.0, abs=0.01)


def test_other_codecs_are_refused() -> None:
    with pytest.raises(ValueError, match="mpeg4"):
        Clip(media.video(VideoSpec(suffix=".avi", codec="mpeg4")))


def test_unknown_commands_and_cameras_are_errors() -> None:
    with RtspServer({"gate": [media.video()]}) as server:
        with pytest.raises(ValueError, match="explode"):
            server.call("explode")
        with pytest.raises(ValueError, match="attic"):
            server.call("stats", camera="attic")


def test_addresses_carry_quoted_credentials() -> None:
    server = RtspServer({}, port=8554, user="viewer", password="a@b/c")

    assert server.url("gate") == "rtsp://viewer:a%40b%2Fc@127.0.0.1:8554/gate"


def test_as_a_program_with_its_control_port() -> None:
    tests = Path(__file__).parents[2]
    command = [sys.executable, "-m", "support.rtsp_server", f"gate={media.video()}", "--port", "0", "--control", "0"]
    with subprocess.Popen(command, cwd=tests, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ready, host, _, control, camera = process.stdout.readline().split()
            with urllib.request.urlopen(f"http://{host}:{control}/set?camera=gate&loss=.5") as answer:
                statistics = json.load(answer)
        finally:
            process.send_signal(signal.SIGINT)

    assert (ready, camera) == ("ready", "gate")
    assert statistics["gate"]["loss"] == 0.5
    assert process.returncode == 0
