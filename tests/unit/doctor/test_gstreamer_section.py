"""What the doctor says of GStreamer: with it, without it, and where elements or decoders are missing."""

from __future__ import annotations

import pytest
from support import gstreamer as here

from mpipeline.doctor.finding import Finding, Level
from mpipeline.doctor.gstreamer import gstreamer
from mpipeline.errors import ConfigError
from mpipeline.sources import gstreamer_abilities
from mpipeline.sources.gstreamer_abilities import Abilities


def found(monkeypatch: pytest.MonkeyPatch, abilities: Abilities) -> dict[str, Finding]:
    monkeypatch.setattr(gstreamer_abilities, "abilities", lambda: abilities)
    return {finding.name: finding for finding in gstreamer("gstreamer")}


def test_where_tests_run_it_decodes_on_the_processor() -> None:
    here.needs(*here.DECODING)
    findings = {finding.name: finding for finding in gstreamer("gstreamer")}
    assert findings["library"].level is Level.OK
    assert "GStreamer 1." in findings["library"].text
    assert "avdec_h264" in findings["decoders"].text
    assert "jpeg2000" not in findings["decoders"].text


def test_without_the_library_the_command_that_gets_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Abilities:
        raise ConfigError("GStreamer for Python is not here (No module named 'gi'): install it")

    monkeypatch.setattr(gstreamer_abilities, "abilities", missing)
    (finding,) = gstreamer("gstreamer")
    assert (finding.level, finding.text) == (Level.MISSING, "GStreamer for Python is not here (No module named 'gi')")
    assert finding.remedy.startswith("sudo apt-get install -y python3-gi")


def test_what_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = found(monkeypatch, Abilities("1.20.3", (("rtspsrc", "good"), ("qtdemux", "good")), (), (), ()))
    assert (findings["elements"].level, findings["elements"].remedy) == (Level.WARNING, "install good")
    assert findings["decoders"].level is Level.WARNING
    assert findings["hardware"].level is Level.MISSING
    assert "csi cameras" not in findings


def test_a_jetson(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = found(monkeypatch, Abilities("1.20.3", (), ("avdec_h264",), ("nvv4l2decoder",), ("nvarguscamerasrc",)))
    assert findings["hardware"].text == "decoders of a device: nvv4l2decoder"
    assert "nvarguscamerasrc" in findings["csi cameras"].text
    assert {finding.level for finding in findings.values()} == {Level.OK}
