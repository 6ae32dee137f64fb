"""Programs as those who know `InferencePipeline` write them, with other imports and references: they run.

The programs are real ones, in a process of their own: those of docs/examples, and those of `samples` beside this file.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from support import media
from support.command import Command, Workplace
from support.fleet import CLIP
from support.http_server import HttpServer
from support.model_hub import KEY, ModelHub, write_package
from support.pipelines import film
from support.rtsp_server import RtspServer
from support.webcams import HD_JPEG, SMALL, Webcams

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
SAMPLES = Path(__file__).resolve().parent / "samples"
PATTERN = "TestPatternStreamProducer"  # a live source without an end


@pytest.fixture
def model(place: Workplace) -> str:
    """It sees one box of score 0.9 in every picture; 0.8 beside it, if overlaps are allowed."""
    return str(write_package(place.folder / "model"))


@pytest.fixture
def server() -> Iterator[RtspServer]:
    with RtspServer({"gate": [media.video(CLIP)], "yard": [media.video(CLIP)]}, udp=False) as running:
        yield running


def start(place: Workplace, program: Path, *arguments: object, environment: Mapping[str, str] | None = None) -> Command:
    return place.start_program([sys.executable, str(program), *map(str, arguments)], environment)


def output_of(place: Workplace, program: Path, *arguments: object) -> list[str]:
    """The lines of a program that ends by itself."""
    command = start(place, program, *arguments)
    assert command.wait() == 0, command.log
    return command.output.splitlines()


def flowing(place: Workplace, program: Path, *arguments: object, word: str) -> Command:
    """A program that has printed a word."""
    command = start(place, program, *arguments)
    command.wait_until(lambda: word in command.output, f"{word!r} in its output")
    return command


def interrupted(command: Command) -> None:
    """Ctrl-C: it is raised to the program, which does not catch it."""
    command.signal(signal.SIGINT)
    assert command.wait() == -signal.SIGINT


# --- references -------------------------------------------------------------------------------------------------------


def test_a_file_is_drawn_and_the_way_to_see_the_pictures_is_said(place: Workplace, model: str) -> None:
    command = start(place, EXAMPLES / "quick_start.py", film(30), model, environment={"DISPLAY": ""})
    assert command.wait() == 0
    assert command.log.count("VideoFileSink.init") == 1


def test_an_address_with_the_alias_of_a_model_that_is_fetched(place: Workplace) -> None:
    (place.folder / "hub").mkdir()
    with ModelHub(place.folder / "hub") as hub, HttpServer(Path(film(30)).parent) as http:
        hub.add("coco/3")
        environment = {"MODEL_CACHE_DIR": "cache", "ROBOFLOW_API_KEY": KEY, "API_BASE_URL": hub.url("")}
        environment |= {"OFFLINE_MODE": "", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "DISPLAY": ""}
        address = http.url(Path(film(30)).name)
        command = start(place, EXAMPLES / "quick_start.py", address, "yolov8n-640", environment=environment)
        assert command.wait() == 0, command.log
    assert list((place.folder / "cache").rglob("weights.onnx"))


def test_a_camera_over_rtsp_until_ctrl_c(place: Workplace, model: str, server: RtspServer) -> None:
    interrupted(flowing(place, SAMPLES / "camera_stream.py", server.url("gate"), model, word=" 1\n"))


@pytest.fixture
def webcams(place: Workplace) -> Webcams:
    """What the programs see as the cameras of this machine."""
    found = Webcams(place.folder / "webcams")
    place.environment |= {**found.environment, "DISPLAY": ""}
    return found


def test_the_first_camera_of_the_machine_by_its_number(place: Workplace, model: str, webcams: Webcams) -> None:
    webcams.add(0, SMALL)
    command = start(place, SAMPLES / "device.py", model)
    command.wait_until(lambda: "VideoFileSink.init" in command.log, "a picture that cannot be shown here")
    interrupted(command)
    assert webcams.was_opened(0)


def test_a_webcam_that_is_not_there_is_waited_for(place: Workplace, model: str, webcams: Webcams) -> None:
    command = start(place, EXAMPLES / "webcam.py", 0, model)
    command.wait_until(lambda: "/dev/video0: it is not there" in command.log, "what is wrong")
    webcams.add(0, SMALL, HD_JPEG)
    command.wait_until(lambda: "(720, 1280, 3) ['box']\n" in command.output, "frames of the size that was asked for")
    interrupted(command)


def test_a_webcam_that_is_pulled_out_goes_on_with_its_ids(place: Workplace, model: str, webcams: Webcams) -> None:
    webcams.add(2, SMALL)
    command = flowing(place, EXAMPLES / "webcam.py", "/dev/video2", model, word="(96, 160, 3) ['box']\n")
    ids = lambda: [int(line.split()[0]) for line in command.output.splitlines()[:-1]]  # noqa: E731
    webcams.begin(2, "unplugged")
    command.wait_until(lambda: "/dev/video2: it was unplugged" in command.log, "what is wrong")
    seen = len(ids())
    webcams.end(2, "unplugged")
    command.wait_until(lambda: len(ids()) > seen + 5, "frames after it has come back")
    assert ids() == sorted(set(ids()))
    interrupted(command)


def test_a_camera_of_ones_own(place: Workplace) -> None:
    lines = output_of(place, SAMPLES / "frame_by_frame.py", 20)
    assert lines == [f"{n} 7" for n in range(1, 21)]


def test_a_list_of_files_gives_every_frame_of_each(place: Workplace, model: str) -> None:
    paths = [film(30), film(20)]
    lines = output_of(place, EXAMPLES / "several_videos.py", model, *paths)
    for path, count in zip(paths, (30, 20), strict=True):
        assert [line for line in lines if line.startswith(path)] == [f"{path} {n} 1" for n in range(1, count + 1)]


def test_a_list_of_cameras(place: Workplace, model: str, server: RtspServer) -> None:
    addresses = [server.url("gate"), server.url("yard")]
    command = flowing(place, EXAMPLES / "several_videos.py", model, *addresses, word=addresses[0])
    command.wait_until(lambda: addresses[1] in command.output, "frames of the other")
    interrupted(command)


def test_a_camera_that_is_offline_comes_in_later(place: Workplace, model: str, server: RtspServer) -> None:
    server.call("status", camera="yard", code=404)
    addresses = [server.url("gate"), server.url("yard")]
    command = flowing(place, EXAMPLES / "offline_camera.py", model, *addresses, word="frames of 0\n")
    assert "camera 1 is RUNNING" not in command.output
    server.call("status", camera="yard", code=0)
    command.wait_until(lambda: "camera 1 is RUNNING" in command.output, "the other camera")
    command.wait_until(lambda: "frames of 0 1\n" in command.output, "frames of both")
    interrupted(command)


# --- models -----------------------------------------------------------------------------------------------------------


def test_logic_that_is_a_method_of_a_class(place: Workplace) -> None:
    assert output_of(place, EXAMPLES / "custom_model.py", film(20), "out") == []
    found = {int(path.stem): json.loads(path.read_text()) for path in (place.folder / "out").glob("*.json")}
    assert sorted(found) == list(range(1, 21))
    assert {frozenset(one) for one in found.values()} == {frozenset({"level", "is_night"})}


def test_a_model_over_one_picture(place: Workplace, model: str) -> None:
    picture = np.full((128, 128, 3), 90, np.uint8)
    cv2.imwrite(str(place.folder / "yard.png"), picture)
    assert output_of(place, SAMPLES / "one_picture.py", "yard.png", model, "drawn.png") == [
        "object-detection 2 box box"
    ]
    assert (cv2.imread(str(place.folder / "drawn.png")) != picture).any()


def test_a_model_in_logic_of_ones_own(place: Workplace, model: str) -> None:
    lines = output_of(place, SAMPLES / "model_in_logic.py", model, film(20), film(30))
    expected = [f"0 {n} ['box']" for n in range(1, 21)] + [f"1 {n} ['box']" for n in range(1, 31)]
    assert sorted(lines) == sorted(expected)


def test_parameters_of_model_and_sources(place: Workplace, model: str) -> None:
    lines = output_of(place, SAMPLES / "parameters.py", film(30), film(30), model)
    first, second = ([line for line in lines if line.startswith(source)] for source in "01")
    assert len(first) == 15  # of 30 frames at 15 a second, from the second one on
    assert [int(line.split()[1]) for line in second] == list(range(1, 31))
    assert {line.split(" ", 2)[2].count("0.") for line in lines} == {2}  # of three boxes, max_detections


# --- sinks ------------------------------------------------------------------------------------------------------------


def test_a_sink_with_arguments_of_its_own(place: Workplace, model: str) -> None:
    output_of(place, EXAMPLES / "custom_sink.py", film(30), model, "boxes.csv")
    rows = (place.folder / "boxes.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows] == [[str(n), "box"] for n in range(1, 31)]


def test_a_sink_that_draws_with_supervision(place: Workplace, model: str) -> None:
    output_of(place, SAMPLES / "supervision_sink.py", film(10), model, "last.png")
    assert cv2.imread(str(place.folder / "last.png")).shape == (180, 320, 3)


@pytest.mark.parametrize(
    ("mode", "sources", "call"),
    [
        ("adaptive", 1, "single"),
        ("adaptive", 2, "batch"),
        ("batch", 1, "batch"),
        ("sequential", 2, "single"),
    ],
)
def test_a_sink_for_batches_and_single_frames(place: Workplace, model: str, mode: str, sources: int, call: str) -> None:
    paths = [film(12), film(10)][:sources]
    lines = output_of(place, SAMPLES / "batch_or_sequential.py", mode, model, *paths)
    assert {line for line in lines if line.startswith("call")} == {f"call {call}"}
    assert sum(line.startswith("frame") for line in lines) == (12, 22)[sources - 1]
    assert lines.count("absent") == (2 if call == "batch" and sources == 2 else 0)


def test_a_batch_that_is_drawn_with_annotators(place: Workplace, model: str) -> None:
    output_of(place, EXAMPLES / "batch_sink.py", model, "pictures", film(12), film(10))
    pictures = sorted((place.folder / "pictures").glob("*.jpg"))
    assert [path.stem for path in pictures] == [f"{n:06d}" for n in range(1, 13)]
    assert {cv2.imread(str(path)).shape[1] for path in pictures} == {2 * 320 + 15}


def test_datagrams(place: Workplace, model: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(60)
        output_of(place, EXAMPLES / "udp.py", film(20), model, "127.0.0.1", receiver.getsockname()[1])
        told = [json.loads(receiver.recv(65_536)) for _ in range(20)]
    assert [one["inference_metadata"]["frame_id"] for one in told] == list(range(1, 21))
    assert {one["predictions"][0]["class"] for one in told} == {"box"}


def test_several_sinks_one_of_which_records_a_file(place: Workplace, model: str) -> None:
    lines = output_of(place, EXAMPLES / "migration.py", film(30), model, "out.mp4")
    assert lines[:-1] == [f"{n} ['box']" for n in range(1, 31)]
    assert lines[-1].startswith("frames a second: ")
    with av.open(str(place.folder / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 30


def test_predictions_that_wait_in_a_buffer(place: Workplace, model: str) -> None:
    assert output_of(place, SAMPLES / "buffered.py", film(30), model) == [f"{n} (180, 320, 3) 1" for n in range(1, 31)]


# --- the end ----------------------------------------------------------------------------------------------------------


def test_a_thread_commands_the_pipeline_and_ends_it(place: Workplace, model: str) -> None:
    os.mkfifo(place.folder / "commands")
    arguments = [sys.executable, str(SAMPLES / "control.py"), PATTERN, model]
    command = place.start_program(["sh", "-c", 'exec "$0" "$@" < commands', *arguments])
    with (place.folder / "commands").open("w", buffering=1) as words:
        command.wait_until(lambda: "frame" in command.output, "frames")
        words.write("i\nm\ni\nr\np\ni\n")
        command.wait_until(lambda: "state PAUSED" in command.output, "three states")
        seen = command.output.count("frame")
        words.write("r\n")
        command.wait_until(lambda: command.output.count("frame") > seen + 2, "frames after the pause")
        words.write("t\n")
        assert command.wait() == 0, command.log
    lines = command.output.splitlines()
    assert [line for line in lines if line.startswith("state")] == ["state RUNNING", "state MUTED", "state PAUSED"]
    assert lines[-1] == "over"


def test_a_signal_ends_the_pipeline_in_order(place: Workplace, model: str) -> None:
    command = flowing(place, SAMPLES / "interrupt.py", PATTERN, model, word="frame")
    command.signal(signal.SIGINT)
    assert command.wait() == 0, command.log
    assert command.output.splitlines()[-1] == "over"


def test_every_program_is_run_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    programs = [*EXAMPLES.glob("*.py"), *SAMPLES.glob("*.py")]
    assert len(programs) > 15
    assert [path.name for path in programs if f'"{path.name}"' not in text] == []
