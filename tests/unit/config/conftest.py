"""Kinds made for these tests, so that they do not depend on the options of the real ones."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

import mpipeline.sinks
import mpipeline.sources


class TapeOptions(BaseModel):
    """A source kind with options of many types; it does not forbid unknown keys by itself."""

    uri: str = ""
    connect_timeout: float = Field(default=5.0, gt=0, le=60)
    password: SecretStr | None = None
    transport: Literal["tcp", "udp"] = "tcp"
    loop: bool = False
    options: dict[str, str] = Field(default_factory=dict)

    @field_validator("uri")
    @classmethod
    def _is_no_ftp(cls, uri: str) -> str:
        if uri.startswith("ftp:"):
            raise ValueError(f"cannot read {uri}: no ftp")
        return uri


class BoxOptions(BaseModel):
    """A sink kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path


class FreeOptions(BaseModel):
    """A sink kind that takes any key."""

    model_config = ConfigDict(extra="allow")


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kinds `tape` and `free_tape` (sources), `box` and `free` (sinks); every uri is a tape's."""
    module = types.ModuleType("kinds_of_config_tests")
    for name, options in (("Tape", TapeOptions), ("Box", BoxOptions), ("Free", FreeOptions)):
        setattr(module, name, type(name, (), {"Options": options}))
    module.__dict__["kind_of"] = lambda uri: "tape"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(mpipeline.sources.KINDS, "tape", f"{module.__name__}:Tape")
    monkeypatch.setitem(mpipeline.sinks.KINDS, "box", f"{module.__name__}:Box")
    monkeypatch.setitem(mpipeline.sinks.KINDS, "free", f"{module.__name__}:Free")
    monkeypatch.setattr("mpipeline.config.schema._KIND_OF", f"{module.__name__}:kind_of")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a video and a model that exist."""
    for name in ("shop.mp4", "yard.mp4", "model.onnx"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path
