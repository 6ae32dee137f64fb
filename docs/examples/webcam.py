"""A camera of this machine, until Ctrl-C.

    python webcam.py 0 people.onnx
    python webcam.py /dev/video2 people.onnx

A camera that is not there yet, or is pulled out, is waited for.
"""

import sys

from mpipeline import InferencePipeline

DEVICE, MODEL = sys.argv[1:3]


def on_prediction(predictions, video_frame):
    found = [one["class"] for one in predictions["predictions"]]
    print(video_frame.frame_id, video_frame.image.shape, found, flush=True)


pipeline = InferencePipeline.init(
    video_reference=int(DEVICE) if DEVICE.isdecimal() else DEVICE,
    model_id=MODEL,
    on_prediction=on_prediction,
    video_source_properties={"frame_width": 1280, "frame_height": 720, "fps": 30},
)
pipeline.start()
