"""Sources: where frames come from. One file a kind; the table below names them."""

KINDS: dict[str, str] = {
    "video": "mpipeline.sources.video_uri:VideoSource",
    "playlist": "mpipeline.sources.playlist:PlaylistSource",
    "images": "mpipeline.sources.images:ImagesSource",
    "device": "mpipeline.sources.device:DeviceSource",
    "gstreamer": "mpipeline.sources.gstreamer:GStreamerSource",
    "synthetic": "mpipeline.sources.synthetic:SyntheticSource",
    "python": "mpipeline.sources.python:PythonSource",
    "callable": "mpipeline.sources.callable:CallableSource",
}
