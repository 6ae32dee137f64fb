"""Model families: how frames become a model's input and its outputs become detections. One file a family."""

KINDS: dict[str, str] = {
    "yolo": "mpipeline.models.yolo:Yolo",
    "yolox": "mpipeline.models.yolox:Yolox",
}
