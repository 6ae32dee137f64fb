"""What a sink's `open` says that it has already, checked and by origin."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from mpipeline.errors import ConfigError
from mpipeline.prediction import origin
from mpipeline.workers.feeds import Feed

logger = logging.getLogger("mpipeline.sink")


def by_origin(name: str, written: Any, feeds: Sequence[Feed], *, together: bool = False) -> dict[str, int] | None:
    """Origin → last frame id; None if the sink keeps nothing.

    Raises ConfigError if `written` is not what `Sink.open` must return.

    Where models have names, a plain source is enough if only one of them sends the sink predictions of it, or if what
    all have found in a frame is written `together`. Else it does not say how far each has come: then nothing counts as
    written, and every frame comes again.
    """
    if written is None:
        return None
    if not isinstance(written, Mapping) or not all(
        isinstance(key, str) and isinstance(n, Integral) for key, n in written.items()
    ):
        what = "the last frame id of each source that is written, like {'gate': 12}, or nothing"
        raise ConfigError(f"sink {name!r}: open() must return {what}; it has returned {repr(written)[:100]}")
    found: dict[str, int] = {}
    for key, frame_id in written.items():
        models = [feed.model for feed in feeds if key in feed.sources]
        if len(models) > 1 and not together:
            text = "sink %s says of %s how far it has come, and not of which model (Prediction.origin): all comes again"
            logger.warning(text, name, key, extra={"event": "origin_unclear", "sink": name, "source": key})
        else:
            found.update({origin(key, model): int(frame_id) for model in models} or {key: int(frame_id)})
    return found
