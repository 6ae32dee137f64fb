"""The key that says how objects are followed from frame to frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from mpipeline.config.spec import KindSpec
from mpipeline.registry import Group


class TrackerSpec(KindSpec):
    """The tracker that follows what a model finds, one for each source. `options` are the keys of its kind."""

    GROUP: ClassVar[Group] = "trackers"


def _as_mapping(value: Any) -> Any:
    if value is None or isinstance(value, (Mapping, TrackerSpec)):
        return value
    if not isinstance(value, str):
        raise ValueError("expected a kind such as 'bytetrack', or a mapping with 'kind'")
    return {"kind": value}


OptionalTracker = Annotated[TrackerSpec | None, BeforeValidator(_as_mapping)]
"""A tracker as a mapping, or only its kind."""
