"""`mpipeline models` and models by id as a user meets them: killed, at once, on full disks, in a run, in a program."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import runs
from support.command import Command, Workplace
from support.leftovers import wait_until
from support.model_hub import KEY, ModelHub, write_package
from support.namespaces import MountSpace

MODEL = [sys.executable, "-m", "mpipeline", "models"]


@pytest.fixture
def hub(place: Workplace) -> Iterator[ModelHub]:
    (place.folder / "hub").mkdir()
    with ModelHub(place.folder / "hub") as server:
        server.add("coco/3", ballast=600_000)
        yield server


def pull(place: Workplace, hub: ModelHub, *ids: str, **more: str) -> Command:
    return place.start("models", "pull", *(ids or ("yolov8n-640",)), environment=hub.environment(**more))


def weights(place: Workplace) -> Path:
    return place.folder / "cache" / "mpipeline" / "coco" / "3" / "weights.onnx"


def assert_pulled(place: Workplace, hub: ModelHub, command: Command) -> None:
    assert command.wait() == 0, command.log
    assert weights(place).read_bytes() == (hub.folder / "coco/3/weights.onnx").read_bytes()
    assert KEY not in command.log + command.output


def test_pulled_once_it_is_here_without_network_and_key(place: Workplace, hub: ModelHub) -> None:
    first = pull(place, hub)
    assert_pulled(place, hub, first)
    assert "fetched" in first.output
    requests = hub.requests
    again = pull(place, hub, "coco/3", ROBOFLOW_API_KEY="", OFFLINE_MODE="true")
    assert_pulled(place, hub, again)
    assert "was here" in again.output
    assert hub.requests == requests
    listed = place.start("models", "list", "--json", environment=hub.environment())
    assert listed.wait() == 0
    assert json.loads(listed.output)[0]["model"] == "coco/3"


@pytest.mark.parametrize(
    ("key", "name", "code", "words"),
    [
        ("wrong", "coco/3", 78, "key was not accepted"),
        ("", "coco/3", 78, "ROBOFLOW_API_KEY"),
        (KEY, "coco/99", 78, "no such model"),
        (KEY, "yolov8n", 78, "did you mean 'yolov8n-640'"),
    ],
)
def test_what_cannot_be_had(place: Workplace, hub: ModelHub, key: str, name: str, code: int, words: str) -> None:
    command = pull(place, hub, name, ROBOFLOW_API_KEY=key)
    assert command.wait() == code
    assert words in command.log
    assert "Traceback" not in command.log


def test_a_fault_of_the_server_is_another_code(place: Workplace, hub: ModelHub) -> None:
    hub.wrong_checksum = True
    command = pull(place, hub)
    assert command.wait() == 1
    assert "another checksum" in command.log
    assert "Traceback" not in command.log


def test_killed_in_the_middle_the_next_pull_goes_on_where_it_was(place: Workplace, hub: ModelHub) -> None:
    part = place.folder / "cache" / "mpipeline" / ".partial" / "coco" / "3" / "weights.onnx.part"
    hub.stall = 300_000
    command = pull(place, hub)
    command.wait_until(lambda: part.exists() and part.stat().st_size >= 300_000, "half of the weights")
    command.process.kill()
    command.wait()
    assert not weights(place).exists()
    hub.stall = 0
    asked = len(hub.seen)
    assert_pulled(place, hub, pull(place, hub))
    ranges = [headers.get("Range") for path, headers in hub.seen[asked:] if "weights.onnx" in path]
    assert ranges == ["bytes=300000-"]


def test_two_pull_at_once_and_one_fetches(place: Workplace, hub: ModelHub) -> None:
    hub.pause = 0.02
    commands = [pull(place, hub) for _ in range(2)]
    for command in commands:
        assert_pulled(place, hub, command)
    assert sum(path.startswith("/coco/3/weights.onnx") for path, _ in hub.seen) == 1


def test_whoever_waits_takes_over_from_one_that_is_killed(place: Workplace, hub: ModelHub) -> None:
    hub.stall = 300_000
    first = pull(place, hub)
    wait_until(lambda: hub.asked("/coco/3/weights.onnx") == 1, "the first to fetch the weights")
    second = pull(place, hub)
    second.wait_until(lambda: "another process is fetching" in second.log, "the second to wait")
    hub.stall = 0
    first.process.kill()
    first.wait()
    assert_pulled(place, hub, second)


@pytest.mark.parametrize(
    ("options", "words"), [("size=400k", "no space left|needs .* MiB"), ("ro", "cannot be written")]
)
def test_a_disk_that_takes_nothing(place: Workplace, hub: ModelHub, options: str, words: str) -> None:
    cache = place.folder / "cache"
    with MountSpace({cache: options}) as space:
        command = place.start_program(
            space.command(place.folder, *MODEL, "pull", "coco/3"), hub.environment(MODEL_CACHE_DIR=str(cache))
        )
        assert command.wait() == 1
    assert re.search(words, command.log)
    assert "MODEL_CACHE_DIR" in command.log or "MiB left" in command.log
    assert "Traceback" not in command.log


def test_a_model_on_a_disk_that_cannot_be_written_is_used(place: Workplace, hub: ModelHub) -> None:
    cache = place.folder / "cache"
    with MountSpace({cache: "size=4m"}) as space:
        write_package(space.path(cache) / "coco" / "3")
        (space.path(cache) / "coco" / "3" / "model_type.json").write_text(
            json.dumps({"project_task_type": "object-detection", "model_type": "yolov8n"})
        )
        (space.path(cache) / "coco" / "3" / "environment.json").write_text("{}")
        space.remount(cache, "ro")
        command = place.start_program(
            space.command(place.folder, *MODEL, "inspect", "coco/3"), hub.environment(MODEL_CACHE_DIR=str(cache))
        )
        assert command.wait() == 0, command.log
    assert not hub.requests


def test_a_run_fetches_its_model(place: Workplace, hub: ModelHub) -> None:
    config = {**runs.config(runs.clip("a", 20)), "model": {"id": "yolov8n-640", "confidence": 0.3}}
    place.write("run.yaml", config)
    checked = place.start("check", "run.yaml", environment=hub.environment())
    assert checked.wait() == 0
    assert "is not in the cache" in " ".join(checked.output.split())
    run = place.start("run", "run.yaml", "--json", environment=hub.environment())
    assert run.wait() == 0, run.log
    lines = runs.by_source(place.folder / "out.jsonl")["a"]
    assert len(lines) == 20
    assert KEY not in run.log
    again = place.start("run", "run.yaml", "--json", environment=hub.environment(OFFLINE_MODE="1"))
    assert again.wait() == 0


def test_a_model_that_cannot_be_had_ends_a_run_before_it_starts(place: Workplace, hub: ModelHub) -> None:
    place.write("run.yaml", runs.config(runs.clip("a", 20)))
    run = place.start("run", "run.yaml", "--model", "coco/77", "--json", environment=hub.environment())
    assert run.wait() == 78
    assert "no such model" in run.log
    assert not run.events("worker_started")
    assert not list(place.folder.glob("out.jsonl"))


def test_a_package_is_a_models_path(place: Workplace, hub: ModelHub) -> None:
    write_package(place.folder / "package")
    place.write("run.yaml", {**runs.config(runs.clip("a", 5)), "model": {"path": "package"}})
    run = place.start("run", "run.yaml", "--json", environment=hub.environment())
    assert run.wait() == 0, run.log
    assert not hub.requests
