"""A GStreamer pipeline from its text to its end: started, asked for samples and stopped, each within its time."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

from mpipeline.clock import NS_PER_S, Clock
from mpipeline.errors import Reason, SourceError, SourceHangs
from mpipeline.sources.gstreamer_errors import element_error, parse_error, pipeline_error, refused
from mpipeline.sources.gstreamer_frames import CAPS
from mpipeline.sources.gstreamer_library import Library
from mpipeline.sources.gstreamer_options import GStreamerOptions

logger = logging.getLogger("mpipeline.source")

_APPSINK = re.compile(r"(?:^|[!\s(])appsink(?:[\s)]|$)")
_END = "videoconvert ! appsink"
_GLANCE_NS = NS_PER_S // 10  # so long a sample is waited for until the bus is looked at
_BLINK_NS = NS_PER_S // 100  # and then for a message there: a sink that was never started waits for nothing
_STOP_S = 2.0
_QUEUED = 2  # samples of a file that are decoded ahead


class Pipeline:
    """One pipeline, used by one thread. `warnings` counts what elements complained of and survived.

    The appsink's `sync`, `drop` and `max-buffers` are set here, whatever the text says: frames come as they are ready,
    of a file each one.
    """

    def __init__(self, name: str, options: GStreamerOptions, library: Library, clock: Clock) -> None:
        self.warnings = 0
        self._name = name
        self._options = options
        self._library = library
        self._clock = clock
        self._threads = f"gstreamer {name}"
        self._codec = ""
        self._last_warning = ""
        self._error: SourceError | None = None  # of an element; what came before it is given first
        self._pipeline, self._sink = self._parsed()
        self._bus = self._pipeline.get_bus()

    def start(self, deadline_ns: int) -> None:
        """Sets it playing. Raises SourceError; SourceHangs if an earlier one of this source does not stop in time."""
        self._await_earlier(deadline_ns)
        gst = self._library.gst
        changed: list[Any] = []
        self._in_thread(self._left_s(deadline_ns), lambda: changed.append(self._pipeline.set_state(gst.State.PLAYING)))
        if not changed:
            raise pipeline_error(self._name, self._options, Reason.TIMEOUT, "an element hangs while it starts")
        if changed[0] == gst.StateChangeReturn.FAILURE:
            self._attend(_GLANCE_NS)
            raise self._error or pipeline_error(self._name, self._options, Reason.FAILED, "an element does not start")

    def pull(self, deadline_ns: int) -> Any:
        """The next sample; None at the end. Raises SourceError if an element fails, and at the deadline."""
        while True:
            error = self._error  # seen before this look, so that nothing can lie behind it in the queue
            sample = self._sink.try_pull_sample(0 if error is not None else _GLANCE_NS)
            self._attend()
            if sample is not None:
                return sample
            if error is not None:
                raise error
            if self._error is None and self._sink.get_property("eos"):
                return None
            if self._clock.monotonic_ns() >= deadline_ns:
                raise pipeline_error(self._name, self._options, Reason.TIMEOUT, self._last_warning)
            self._attend(_BLINK_NS)

    def is_live(self) -> bool:
        """Whether frames come at their own pace: its sources say so, or they reach over the network and know no end."""
        query = self._library.gst.Query.new_latency()
        # Asked above the appsink, which itself says that it is not live because it does not wait for the clock.
        if self._sink.get_static_pad("sink").peer_query(query) and query.parse_latency()[0]:
            return True
        return self._options.connects and self.duration() is None

    def duration(self) -> float | None:
        """Seconds that it lasts; None if nobody knows."""
        known, duration_ns = self._pipeline.query_duration(self._library.gst.Format.TIME)
        return duration_ns / NS_PER_S if known and duration_ns > 0 else None

    def keep_newest(self) -> None:
        """From now on a sample that nobody has taken gives way to the next."""
        self._sink.set_property("max-buffers", 1)
        self._sink.set_property("drop", True)

    def monotonic_base(self) -> int | None:
        """What makes a running time, in ns, one of the monotonic clock when added to it; None if it goes by another."""
        clock = self._pipeline.get_clock()
        if clock is None:
            return None
        before = self._clock.monotonic_ns()
        now = clock.get_time()
        return int(self._pipeline.get_base_time()) if before <= now <= self._clock.monotonic_ns() else None

    def codec(self) -> str:
        """What the stream is encoded with, in the words of its demuxer or decoder; "raw" if nobody has told."""
        return self._codec or "raw"

    def decoders(self) -> tuple[str, ...]:
        """The elements that decode video in it, each with where it does so."""
        found = []
        for element in _items(self._library.gst, self._pipeline.iterate_recurse()):
            factory = element.get_factory()
            if factory is not None and is_decoder(kind := factory.get_metadata("klass") or ""):
                name = factory.get_name()
                found.append(f"{name} {'in hardware' if in_hardware(name, kind) else 'on the processor'}")
        return tuple(found)

    def stop(self) -> None:
        """Ends it. One that does not end in time is left to a thread, and told in the log."""
        gst = self._library.gst
        if not self._in_thread(_STOP_S, lambda: self._pipeline.set_state(gst.State.NULL)):
            fields = {"event": "pipeline_hangs", "source": self._name}
            logger.warning(
                "%s: an element of its pipeline does not stop within %g s", self._name, _STOP_S, extra=fields
            )

    def _parsed(self) -> tuple[Any, Any]:
        """The pipeline and its appsink."""
        gst, text = self._library.gst, self._options.gstreamer
        if not _APPSINK.search(text):
            text = f"{text.rstrip().removesuffix('!')} ! {_END}"
        try:
            pipeline = gst.parse_launch(text)
        except self._library.glib.Error as error:
            raise parse_error(self._name, self._options, error) from error
        except (TypeError, ValueError) as error:  # no text that C can read
            raise refused(self._name, self._options, str(error)) from error
        sinks = []
        if isinstance(pipeline, gst.Bin):
            elements = _items(gst, pipeline.iterate_recurse())
            sinks = [one for one in elements if isinstance(one, self._library.app.AppSink)]
        if len(sinks) != 1:
            told = f"expected elements with '!' between them and one appsink, got {len(sinks)} appsinks"
            raise refused(self._name, self._options, told)
        sink = sinks[0]
        if sink.get_property("caps") is None:
            sink.set_property("caps", gst.Caps.from_string(CAPS))
        for key, value in {"sync": False, "drop": False, "max-buffers": _QUEUED, "enable-last-sample": False}.items():
            sink.set_property(key, value)
        return pipeline, sink

    def _attend(self, wait_ns: int = 0) -> None:
        """Takes note of what elements have to say, after waiting for that."""
        kinds = self._library.gst.MessageType
        wanted = kinds.ERROR | kinds.WARNING | kinds.TAG
        while (message := self._bus.timed_pop_filtered(wait_ns, wanted)) is not None:
            wait_ns = 0
            if message.type == kinds.ERROR:
                told = element_error(self._name, self._options, _who(message), *message.parse_error())
                self._error = self._error or told  # those that follow are about what the first has caused
            elif message.type == kinds.WARNING:
                self.warnings += 1
                self._last_warning = f"{_who(message)} warns: {message.parse_warning()[0].message}"
            else:
                is_there, codec = message.parse_tag().get_string("video-codec")
                self._codec = codec if is_there else self._codec

    def _left_s(self, deadline_ns: int) -> float:
        return max(0.0, (deadline_ns - self._clock.monotonic_ns()) / NS_PER_S)

    def _await_earlier(self, deadline_ns: int) -> None:
        for thread in threading.enumerate():
            if thread.name == self._threads:
                thread.join(self._left_s(deadline_ns))
                if thread.is_alive():
                    hangs = "an element of its pipeline hangs, and cannot be stopped but with its process"
                    raise SourceHangs(f"source {self._name!r}: {hangs}")

    def _in_thread(self, seconds: float, work: Callable[[], object]) -> bool:
        """Does in a thread of its own what may never return; False if it is not done in time."""
        thread = threading.Thread(target=work, name=self._threads, daemon=True)
        thread.start()
        thread.join(seconds)
        return not thread.is_alive()


def is_decoder(kind: str) -> bool:
    """Whether elements of that kind ("Codec/Decoder/Video") decode video themselves."""
    words = kind.split("/")
    return "Decoder" in words and ("Video" in words or "Image" in words) and "Bin" not in words


def in_hardware(element: str, kind: str) -> bool:
    """Whether a decoder is one of a device. NVIDIA's for Jetson does not say so."""
    return "Hardware" in kind.split("/") or element.startswith("nv")


def _items(gst: Any, iterator: Any) -> Iterator[Any]:
    while True:
        result, item = iterator.next()
        if result == gst.IteratorResult.RESYNC:
            iterator.resync()
        elif result != gst.IteratorResult.OK:
            return
        else:
            yield item


def _who(message: Any) -> str:
    """The element behind a message, by its name in the pipeline, which tells its kind unless the user named it."""
    return message.src.get_name() if message.src is not None else "the pipeline"
