"""What each worker of a lab does with a word of the supervisor, as the real processes do."""

from __future__ import annotations

from typing import Any

from support.lab_parts import Decoder, SinkPart

from mpipeline.messages import RingGranted, RingRetired, SinkAdded, SinkRemoved, SourceEnded
from mpipeline.ring.writer import RingWriter
from mpipeline.workers.inference import InferenceLoop


def obey_as_inference(loop: InferenceLoop, message: Any) -> None:
    """What an inference worker does with a word of the supervisor."""
    loop.rings.obey(message, 0)
    if isinstance(message, SinkAdded):
        loop.add_sink(message)
    elif isinstance(message, SinkRemoved):
        loop.dispatch.remove(message.name)
    elif isinstance(message, SourceEnded):
        loop.end(message)


def obey_as_sink(part: SinkPart, message: Any) -> None:
    """What a sink worker does with a word of the supervisor."""
    part.loop.rings.obey(message, part.bit)


def obey_as_decoder(decoder: Decoder, message: Any) -> None:
    """What a decoder does with it. Raises RingError if the ring that it was granted is damaged."""
    if isinstance(message, RingGranted):
        decoder.writer = RingWriter(message.descriptor, reuse=True)
    elif isinstance(message, RingRetired):
        decoder.retire(message.segment)
