"""Sinks: where predictions go. One file a kind; the table below names them."""

KINDS: dict[str, str] = {
    "jsonl": "mpipeline.sinks.jsonl:JsonlSink",
    "csv": "mpipeline.sinks.csv:CsvSink",
    "console": "mpipeline.sinks.console:ConsoleSink",
    "video": "mpipeline.sinks.video:VideoSink",
    "images": "mpipeline.sinks.images:ImagesSink",
    "udp": "mpipeline.sinks.udp:UdpSink",
    "python": "mpipeline.sinks.python:PythonSink",
    "mqtt": "mpipeline.sinks.mqtt:MqttSink",
    "redis": "mpipeline.sinks.redis:RedisSink",
    "database": "mpipeline.sinks.database:DatabaseSink",
    "webhook": "mpipeline.sinks.webhook:WebhookSink",
    "zmq": "mpipeline.sinks.zmq:ZmqSink",
}
