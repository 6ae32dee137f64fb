"""Sources: where frames come from. One file a kind; the table below names them."""

KINDS: dict[str, str] = {
    "video": "mpipeline.sources.video:VideoSource",
    "device": "mpipeline.sources.device:DeviceSource",
    "synthetic": "mpipeline.sources.synthetic:SyntheticSource",
    "callable": "mpipeline.sources.callable:CallableSource",
}
