"""One model over several cameras and files, in any mixture.

    python several_videos.py people.onnx rtsp://192.168.1.20/stream1 rtsp://192.168.1.21/stream1
    python several_videos.py people.onnx shop.mp4 gate.mp4

With several sources the sink is called once for each batch: it gets two lists with a place for each source, `None`
where a source has no frame at the moment.
"""

import sys

from mpipeline import InferencePipeline

MODEL, *VIDEOS = sys.argv[1:]


def on_prediction(predictions, video_frames):
    for prediction, frame in zip(predictions, video_frames, strict=True):
        if frame is not None:
            print(VIDEOS[frame.source_id], frame.frame_id, len(prediction["predictions"]), flush=True)


pipeline = InferencePipeline.init(
    video_reference=VIDEOS,
    model_id=MODEL,
    on_prediction=on_prediction,
)
pipeline.start()
pipeline.join()
