"""All checks, one after the other; one that fails itself is a finding too, and keeps no other from being made."""

from __future__ import annotations

from collections.abc import Mapping

from mpipeline import registry
from mpipeline.doctor.finding import Finding, Findings, Level
from mpipeline.errors import MpipelineError

# subject → "module:function" that yields findings; imported when it is its turn, since a library may not even load
CHECKS: dict[str, str] = {
    "installation": "mpipeline.doctor.installation:installation",
    "extras": "mpipeline.doctor.installation:extras",
    "kinds": "mpipeline.doctor.installation:kinds",
    "engines": "mpipeline.doctor.engines:engines",
    "gpu": "mpipeline.doctor.gpu:gpu",
    "video": "mpipeline.doctor.media:video",
    "gstreamer": "mpipeline.doctor.gstreamer:gstreamer",
    "devices": "mpipeline.doctor.media:devices",
    "jetson": "mpipeline.doctor.jetson:jetson",
    "processor": "mpipeline.doctor.machine:processor",
    "memory": "mpipeline.doctor.memory:memory",
    "limits": "mpipeline.doctor.machine:limits",
    "folders": "mpipeline.doctor.folders:folders",
}


def examine(checks: Mapping[str, str] = CHECKS) -> Findings:
    """Yields each finding as soon as it is made."""
    for subject, path in checks.items():
        try:
            yield from registry.resolve(path)(subject)
        except MpipelineError as error:
            yield Finding(subject, "check", Level.BROKEN, str(error))
        except Exception as error:  # noqa: BLE001 - a library that does not load may raise anything
            yield Finding(subject, "check", Level.BROKEN, f"{type(error).__name__}: {error}")
