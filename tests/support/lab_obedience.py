"""What each worker of a lab does with a word of the supervisor, as the real processes do."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from support.lab_parts import Decoder, SinkPart

from mpipeline.errors import RingGone
from mpipeline.messages import RingAttached, RingDamaged, RingGranted, RingRetired, SinkAdded, SinkRemoved, SourceEnded
from mpipeline.ring.reader import RingReader
from mpipeline.ring.writer import RingWriter
from mpipeline.workers.inference import AttachedRing, InferenceLoop


def obey_as_inference(loop: InferenceLoop, message: Any) -> None:
    """What an inference worker does with a word of the supervisor."""
    if isinstance(message, RingAttached):
        with loop.rings.guard(message.descriptor), suppress(RingGone):
            reader = RingReader(message.descriptor, 0)
            loop.attach(AttachedRing(reader, message.every_frame, message.skip_mask))
    elif isinstance(message, RingDamaged):
        loop.rings.let_go(message.source, message.segment)
    elif isinstance(message, RingRetired):
        loop.rings.retire(message.segment)
    elif isinstance(message, SinkAdded):
        loop.add_sink(message)
    elif isinstance(message, SinkRemoved):
        loop.dispatch.remove(message.name)
    elif isinstance(message, SourceEnded):
        loop.end(message)


def obey_as_sink(part: SinkPart, message: Any) -> None:
    """What a sink worker does with a word of the supervisor."""
    if isinstance(message, RingAttached):
        with part.loop.rings.guard(message.descriptor), suppress(RingGone):
            part.loop.attach(RingReader(message.descriptor, part.bit))
    elif isinstance(message, RingDamaged):
        part.loop.rings.let_go(message.source, message.segment)
    elif isinstance(message, RingRetired):
        part.loop.rings.retire(message.segment)


def obey_as_decoder(decoder: Decoder, message: Any) -> None:
    """What a decoder does with it. Raises RingError if the ring that it was granted is damaged."""
    if isinstance(message, RingGranted):
        decoder.writer = RingWriter(message.descriptor, reuse=True)
    elif isinstance(message, RingRetired):
        decoder.retire(message.segment)
