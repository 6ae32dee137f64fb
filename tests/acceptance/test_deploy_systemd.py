"""deploy/systemd: systemd finds nothing wrong with the unit, and what it starts does as docs/deploy.md says."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import runs
from support.command import Command, Workplace
from support.notified import Notified

from mpipeline.config.supervision import LimitsSpec

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "systemd" / "mpipeline@.service"
PROGRAM = str(Path(sys.executable).with_name("mpipeline"))
BROKEN = """
class Broken:
    def open(self):
        raise ValueError("no")

    def write(self, *_):
        pass
"""


def value(key: str) -> str:
    """What the unit says behind a key."""
    found: list[str] = re.findall(rf"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, key
    return found[-1]


def start_as_systemd_does(place: Workplace, systemd: Notified, watchdog_s: float) -> Command:
    """Runs the unit's command line, with paths of the test's folder, and a socket to be told at."""
    line = value("ExecStart").replace("/opt/mpipeline/bin/mpipeline", PROGRAM)
    line = line.replace("/etc/mpipeline/%i.yaml", str(place.folder / "cameras.yaml"))
    told = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": str(int(watchdog_s * 1e6))}
    return place.start_program(shlex.split(line), told)


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    text = UNIT.read_text(encoding="utf-8").replace("/opt/mpipeline/bin/mpipeline", PROGRAM)
    (tmp_path / "mpipeline@.service").write_text(text, encoding="utf-8")
    units = [str(tmp_path / "mpipeline@cameras.service")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_gives_a_stop_the_time_that_the_config_does() -> None:
    stages = 2 * (LimitsSpec().stop_timeout + 0.5) + 2.0  # inference and sinks, with their KILL, behind the decoders
    assert float(value("TimeoutStopSec")) > stages
    assert value("KillMode") == "mixed", "or the workers would be told to end before their work is done"


def test_a_run_says_that_it_is_ready_and_well_and_when_it_ends(place: Workplace, tmp_path: Path) -> None:
    place.write("cameras.yaml", runs.config(runs.camera("gate")))
    with Notified(tmp_path / "notify") as systemd:
        run = start_as_systemd_does(place, systemd, watchdog_s=1.0)
        for sign in ("READY=1", "WATCHDOG=1", "1 of 1 sources flow"):
            run.wait_until(lambda sign=sign: systemd.hears(sign), sign)
        run.signal(signal.SIGTERM)
        assert run.wait() == 0, run.log
        assert systemd.hears("STOPPING=1")
    assert "frames in" in run.log, "at the level that the unit asks for, the end is told"


def test_when_a_sink_is_given_up_systemd_hears_nothing_more_and_ends_it_in_order(
    place: Workplace, tmp_path: Path
) -> None:
    place.write("broken.py", BROKEN)
    broken = {"kind": "python", "target": "broken:Broken"}
    place.write("cameras.yaml", runs.config(runs.camera("gate"), sinks=(runs.JSONL, broken)))
    with Notified(tmp_path / "notify") as systemd:
        run = start_as_systemd_does(place, systemd, watchdog_s=0.5)
        run.wait_until(lambda: "systemd is not told any more" in run.log, "the end of its patience")
        systemd.take()
        said: list[dict[str, str]] = []
        run.wait_until(lambda: said.extend(systemd.take()) or said, "one more message")
        assert all("WATCHDOG" not in one and one["STATUS"].startswith("running, failed") for one in said)
        run.signal(getattr(signal, value("WatchdogSignal")))
        assert run.wait() == 1
