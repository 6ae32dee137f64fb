"""Model families: how frames become a model's input and its outputs become findings. One file a family."""

KINDS: dict[str, str] = {
    "rfdetr": "mpipeline.models.rfdetr:RfDetr",
    "yolo": "mpipeline.models.yolo:Yolo",
    "yolo_classification": "mpipeline.models.yolo_classification:YoloClassification",
    "yolo_pose": "mpipeline.models.yolo_pose:YoloPose",
    "yolo_segmentation": "mpipeline.models.yolo_segmentation:YoloSegmentation",
    "yolox": "mpipeline.models.yolox:Yolox",
}
