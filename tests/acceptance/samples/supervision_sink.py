"""A sink that draws with `supervision`: python supervision_sink.py REFERENCE MODEL PICTURE"""

import sys

import cv2
import supervision as sv

from mpipeline import InferencePipeline, VideoFrame

label_annotator = sv.LabelAnnotator()
box_annotator = sv.BoxAnnotator()


def my_custom_sink(predictions: dict, video_frame: VideoFrame) -> None:
    labels = [p["class"] for p in predictions["predictions"]]
    detections = sv.Detections.from_inference(predictions)
    image = label_annotator.annotate(scene=video_frame.image.copy(), detections=detections, labels=labels)
    image = box_annotator.annotate(image, detections=detections)
    cv2.imwrite(sys.argv[3], image)


pipeline = InferencePipeline.init(
    model_id=sys.argv[2],
    video_reference=sys.argv[1],
    on_prediction=my_custom_sink,
)
pipeline.start()
pipeline.join()
