"""Trackers: which detections of successive frames are the same object. One file a kind; the table below names them."""

KINDS: dict[str, str] = {
    "bytetrack": "mpipeline.trackers.bytetrack:ByteTrack",
    "ocsort": "mpipeline.trackers.ocsort:OcSort",
    "sort": "mpipeline.trackers.sort:Sort",
}
