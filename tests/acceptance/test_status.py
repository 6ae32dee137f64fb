"""`mpipeline status` and `top`: what is told of a run while it works, has trouble, stands still, and is gone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import psutil
from support import runs
from support.command import Command, Workplace
from support.leftovers import wait_until

from mpipeline.errors import MpipelineError
from mpipeline.inquiry import Inquiry
from mpipeline.messages import StatusAnswer, StatusRequest
from mpipeline.transport import channel, run_directory

ABSENT = {"name": "gate", "uri": "rtsp://viewer:s3cret@127.0.0.1:9/x", "read_timeout": 1}


def flowing(place: Workplace, *more: dict[str, Any], name: str = "run") -> Command:
    run = place.run(runs.config(runs.camera("north"), *more), name=name)
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") > 20, "the first lines")
    return run


def end(run: Command, code: int = 0) -> None:
    run.signal(signal.SIGINT)
    assert run.wait() == code


def status(place: Workplace, *arguments: str) -> tuple[int, str, str]:
    asked = place.start("status", *arguments)
    code = asked.wait()
    return code, asked.output, asked.log


def test_a_run_that_is_well(place: Workplace) -> None:
    run = flowing(place)
    code, output, _ = status(place, "run", "--json", "--window", "1")
    told = json.loads(output)
    assert (code, told["health"], told["troubles"]) == (0, "ok", [])
    (source,), (sink,) = told["sources"], told["sinks"]
    assert (source["name"], source["state"], source["width"], source["live"]) == ("north", "STREAMING", 64, True)
    assert source["fps_in"] > 0
    assert source["fps_out"] > 0
    assert source["latency_ms"] > 0
    assert (sink["name"], sink["state"]) == ("jsonl", "RUNNING")
    assert sink["written"] > 20
    assert {worker["role"] for worker in told["workers"]} == {"decoder", "inference", "sink"}
    code, output, _ = status(place)
    assert code == 0
    assert output.splitlines()[1].split()[:6] == ["run", "ok", "running", "1", "of", "1"]
    end(run)


def test_a_camera_that_is_away_makes_the_code_75_and_shows_no_password(place: Workplace) -> None:
    run = flowing(place, ABSENT)
    run.wait_for("reconnects", source="gate")
    code, output, log = status(place, "run", "--window", "0")
    assert code == 75
    assert "source gate is CONNECTING (unreachable)" in output
    assert "s3cret" not in output + log
    assert status(place, "--json")[0] == 75
    end(run)


def test_a_source_that_is_given_up_makes_it_65(place: Workplace) -> None:
    place.write("film.mp4", "this is no video")
    run = flowing(place, {"name": "film", "uri": "film.mp4"})

    def given_up() -> bool:
        return status(place, "run", "--window", "0", "--json")[0] == 65

    run.wait_until(given_up, "the end of that source")
    end(run, code=65)


def test_no_such_run_and_none_at_all(place: Workplace) -> None:
    code, _, log = status(place, "nowhere")
    assert code == 1
    assert "no run named 'nowhere' is alive here; alive: none" in log
    assert status(place)[:2] == (0, "no run is alive here\n")
    top = place.start("top")
    assert top.wait() == 1
    assert "no run is alive here" in top.log


def test_a_run_directory_of_its_own(place: Workplace) -> None:
    config = runs.config(runs.camera("north"), run_dir=str(place.run_root / "own"))
    run = place.run(config)
    run.wait_for("stream_opened")
    assert status(place, "run")[0] == 1
    assert status(place, "run", "--run-dir", str(place.run_root / "own"), "--window", "0", "--json")[0] in (0, 75)
    end(run)
    (place.run_root / "own").rmdir()


def test_top_goes_on_until_ctrl_c_and_the_run_with_it(place: Workplace) -> None:
    run = flowing(place)
    top = place.start("top", environment={"FORCE_COLOR": "1", "TERM": "xterm"})
    top.wait_until(lambda: top.output.count("north") >= 3, "three looks")
    top.signal(signal.SIGINT)
    assert top.wait() == 0
    assert "Traceback" not in top.log
    other = place.start("top", "run", "--every", "0.2", environment={"FORCE_COLOR": "1", "TERM": "xterm"})
    other.wait_until(lambda: "north" in other.output, "a look")
    end(run)
    assert other.wait() == 0
    assert "has ended" in other.output


def test_a_supervisor_that_is_killed_or_stands_still_is_told(place: Workplace) -> None:
    run = flowing(place)
    with Inquiry("run", place.run_root, patience_s=1.0) as inquiry:
        assert inquiry.status().name == "run"
        run.signal(signal.SIGSTOP)
        wait_until(lambda: psutil.Process(run.pid).status() == psutil.STATUS_STOPPED, "it stands still")
        told = _refusal(inquiry)
        assert "has not answered for 1 s" in told
        run.signal(signal.SIGCONT)
        assert inquiry.status().name == "run"
        run.signal(signal.SIGKILL)
        run.wait()
        assert "has ended" in _refusal(inquiry)
    place.wait_until_nothing_left()


def test_floods_and_garbage_of_askers_disturb_nobody(place: Workplace) -> None:
    run = place.run(runs.config(runs.clip("a", 1500)))
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") > 0, "the first line")
    endpoint = run_directory.find(place.run_root, "run").control
    before = psutil.Process(run.pid).memory_info().rss
    context = channel.context()
    deaf = channel.connect_control(context, endpoint, f"status:{uuid.uuid4().hex}")
    noisy = channel.connect_control(context, endpoint, f"status:{uuid.uuid4().hex}")
    askers = [channel.connect_control(context, endpoint, f"status:{uuid.uuid4().hex}") for _ in range(40)]
    for number in range(2000):
        deaf.send(StatusRequest())
        noisy.send_encoded(bytes([number % 256]) * (number % 300))
        noisy.send(StatusAnswer({"sources": []}))
    for asker in askers:
        asker.send(StatusRequest())
    answered: set[int] = set()

    def all_answered() -> bool:
        answered.update(i for i, asker in enumerate(askers) if any(True for _ in asker.arrived()))
        return len(answered) == len(askers)

    wait_until(all_answered, "an answer for each", lambda: f"{len(answered)} answered")
    grown = psutil.Process(run.pid).memory_info().rss - before
    assert run.wait() == 0
    context.destroy(linger=0)
    assert grown < 64 << 20
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=1500)


def _refusal(inquiry: Inquiry) -> str:
    try:
        inquiry.status()
    except MpipelineError as error:
        return str(error)
    raise AssertionError("it has answered")


def test_the_look_does_not_load_what_runs_need() -> None:
    """Scripts call it often."""
    program = "import sys, mpipeline.cli.status; sys.exit(bool({'av', 'cv2', 'onnxruntime'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parent, check=False).returncode == 0
