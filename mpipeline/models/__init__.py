"""Model families: how frames become a model's input and its outputs become findings. One file a family."""

KINDS: dict[str, str] = {
    "detr": "mpipeline.models.detr:Detr",
    "embedding": "mpipeline.models.embedding:ImageEmbedding",
    "end_to_end": "mpipeline.models.end_to_end:EndToEnd",
    "nanodet": "mpipeline.models.nanodet:NanoDet",
    "rfdetr": "mpipeline.models.rfdetr:RfDetr",
    "rtdetr": "mpipeline.models.rtdetr:RtDetr",
    "semantic_segmentation": "mpipeline.models.semantic_segmentation:SemanticSegmentation",
    "yolo": "mpipeline.models.yolo:Yolo",
    "yolo_classification": "mpipeline.models.yolo_classification:YoloClassification",
    "yolo_pose": "mpipeline.models.yolo_pose:YoloPose",
    "yolo_segmentation": "mpipeline.models.yolo_segmentation:YoloSegmentation",
    "yolox": "mpipeline.models.yolox:Yolox",
    "yunet": "mpipeline.models.yunet:YuNet",
}
