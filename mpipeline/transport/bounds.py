"""What the numbers and texts of a message may be: enough for every honest sender, and nothing that hurts a receiver.

Keys are struct and field; what is not named here is a whole number from 0 to 2^63 - 1, a finite float, or a text of
`MOST_TEXT` characters. A value beyond its bounds makes the message a ProtocolError.
"""

from __future__ import annotations

from collections.abc import Mapping

Bounds = tuple[int, int]

MOST_WHOLE = 2**63 - 1
MOST_TEXT = 1 << 16
MOST_NAME = 255  # of a segment, as of a file

_SIGNED_64: Bounds = (-(2**63), MOST_WHOLE)
_PIXELS: Bounds = (1, 65535)  # wide or high, of what lies in a slot

WHOLE: Mapping[tuple[str, str], Bounds] = {
    ("Hello", "incarnation"): (1, 2**31 - 1),
    ("Hello", "pid"): (1, 2**31 - 1),
    ("Hello", "protocol"): (0, 2**31 - 1),
    ("RingDescriptor", "index"): (0, 2**32 - 1),
    ("RingDescriptor", "slots"): (0, 4096),  # 0 in a request
    ("FrameFormat", "width"): _PIXELS,
    ("FrameFormat", "height"): _PIXELS,
    ("FrameMeta", "captured_ns"): _SIGNED_64,
    ("FrameMeta", "wall_ns"): _SIGNED_64,
    ("FrameMeta", "decode_us"): (0, 2**32 - 1),
    ("FrameMeta", "width"): (0, 2**20),  # as shown
    ("FrameMeta", "height"): (0, 2**20),
    ("FrameRef", "slot"): (0, 4095),
    ("FrameRef", "sequence"): (0, 2**32 - 1),
    ("SessionOpened", "session"): (0, 2**64 - 1),
    ("SinkAdded", "bit"): (-1, 14),
    ("SinkAdded", "queue"): (0, 2**31 - 1),
    ("SinkStatus", "capacity"): (0, 2**31 - 1),
    ("SinkStatus", "session"): (0, 2**64 - 1),
    ("WireDetections", "names"): (-(2**31), 2**31 - 1),  # its keys
    ("WireDetections", "keypoint_names"): (0, 4095),
    ("WireClassification", "names"): (-(2**31), 2**31 - 1),
    ("WireMasks", "width"): (0, 65535),
    ("WireMasks", "height"): (0, 65535),
}

TEXT: Mapping[tuple[str, str], int] = {
    ("RingDescriptor", "segment"): MOST_NAME,
    ("RingRetired", "segment"): MOST_NAME,
    ("RingDamaged", "segment"): MOST_NAME,
    ("FrameRef", "ring"): MOST_NAME,
}

# Sentences for people, of whatever length their makers gave them: the sender cuts these to `MOST_TEXT`.
SENTENCES = frozenset(
    [
        ("Bye", "detail"),
        ("Heartbeat", "detail"),
        ("Refused", "message"),
        ("RingDamaged", "detail"),
        ("PredictionReady", "failure_message"),
    ]
)

# Floats that may be infinite or not a number: whoever measures may divide by zero.
ANY_FLOAT = frozenset([("Heartbeat", "metrics")])
