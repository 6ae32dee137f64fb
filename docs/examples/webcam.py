"""A camera of this machine, read by OpenCV in this program, until Ctrl-C.

    python webcam.py 0 people.onnx
    python webcam.py /dev/video2 people.onnx

A camera that is pulled out is waited for.
"""

import sys

import cv2

from mpipeline import InferencePipeline
from mpipeline.inference_pipeline.entities import SourceProperties

DEVICE, MODEL = sys.argv[1:3]


class Webcam:
    """What a function given as `video_reference` returns: a camera that was just opened."""

    def __init__(self):
        self.capture = cv2.VideoCapture(int(DEVICE) if DEVICE.isdecimal() else DEVICE)

    def isOpened(self):
        return self.capture.isOpened()

    def connection_error_message(self):
        return f"camera {DEVICE} is not there, or another program has it; `ls /dev/video*` shows those that are"

    def initialize_source_properties(self, properties):
        for name, value in properties.items():
            self.capture.set(getattr(cv2, f"CAP_PROP_{name.upper()}"), value)

    def discover_source_properties(self):
        width, height, rate = (
            self.capture.get(name) for name in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
        )
        return SourceProperties(int(width), int(height), total_frames=-1, is_file=False, fps=rate)

    def grab(self):
        return self.capture.grab()

    def retrieve(self):
        return self.capture.retrieve()

    def release(self):
        self.capture.release()


def on_prediction(predictions, video_frame):
    found = [one["class"] for one in predictions["predictions"]]
    print(video_frame.frame_id, video_frame.image.shape, found, flush=True)


pipeline = InferencePipeline.init(
    video_reference=Webcam,
    model_id=MODEL,
    on_prediction=on_prediction,
    video_source_properties={"frame_width": 1280, "frame_height": 720, "fps": 30},
)
pipeline.start()
