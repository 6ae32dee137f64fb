"""Sinks: where predictions go. One file a kind; the table below names them."""

KINDS: dict[str, str] = {
    "jsonl": "mpipeline.sinks.jsonl:JsonlSink",
    "video": "mpipeline.sinks.video:VideoSink",
    "python": "mpipeline.sinks.python:PythonSink",
}
