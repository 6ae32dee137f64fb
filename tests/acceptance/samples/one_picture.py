"""A model over one picture: python one_picture.py PICTURE MODEL ANNOTATED"""

import sys

import cv2
import supervision as sv

from mpipeline import get_model

image = cv2.imread(sys.argv[1])
model = get_model(model_id=sys.argv[2])

results = model.infer(image, confidence=0.3, iou_threshold=0.5)[0]
detections = sv.Detections.from_inference(results)

annotated = sv.BoxAnnotator().annotate(scene=image, detections=detections)
annotated = sv.LabelAnnotator().annotate(scene=annotated, detections=detections)
cv2.imwrite(sys.argv[3], annotated)
print(model.task_type, len(detections), *detections["class_name"])
