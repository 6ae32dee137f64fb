"""Several cameras, some of which are not there: the others go on, and each comes in when it can be reached.

    python offline_camera.py people.onnx rtsp://192.168.1.20/stream1 rtsp://192.168.1.99/not-there-yet

Ctrl-C ends it.
"""

import sys

from mpipeline import InferencePipeline
from mpipeline.inference_pipeline.events import SOURCE_STATE_UPDATE_EVENT

MODEL, *CAMERAS = sys.argv[1:]


def on_status_update(update):
    if update.event_type == SOURCE_STATE_UPDATE_EVENT:
        source_id, state = update.payload["source_id"], update.payload["new_state"].value
        print(f"camera {source_id} is {state}", flush=True)


def on_prediction(predictions, video_frames):
    present = [frame.source_id for frame in video_frames if frame is not None]
    print("frames of", *present, flush=True)


pipeline = InferencePipeline.init(
    video_reference=CAMERAS,
    model_id=MODEL,
    on_prediction=on_prediction,
    status_update_handlers=[on_status_update],
    batch_collection_timeout=0.1,  # a camera that is late by more than this is left out of the batch
)
pipeline.start()
