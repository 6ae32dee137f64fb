"""What the doctor says of one thing: how it is, and what to do if it is not well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Level(str, Enum):
    """How a thing is.

    `warning`: runs work, but less well than they could, or not in every case. `missing`: it is not there, and only who
    wants it needs it. `broken`: no run can work.
    """

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `remedy` is a command or a sentence; empty if nothing is to be done."""

    subject: str
    name: str
    level: Level
    text: str
    remedy: str = ""


Findings = Iterator[Finding]
