"""A thread that commands a pipeline by words on stdin: python control.py REFERENCE MODEL"""

import sys
from threading import Thread

from mpipeline import InferencePipeline
from mpipeline.inference_pipeline.watchdog import BasePipelineWatchDog, PipelineWatchDog


def command_thread(pipeline: InferencePipeline, watchdog: PipelineWatchDog) -> None:
    for line in sys.stdin:
        key = line.strip()
        if key == "i":
            states = [source.state.value for source in watchdog.get_report().sources_metadata]
            print("state", *states, flush=True)
        elif key == "m":
            pipeline.mute_stream()
        elif key == "p":
            pipeline.pause_stream()
        elif key == "r":
            pipeline.resume_stream()
        elif key == "t":
            pipeline.terminate()
            return


watchdog = BasePipelineWatchDog()
pipeline = InferencePipeline.init(
    model_id=sys.argv[2],
    video_reference=sys.argv[1],
    on_prediction=lambda predictions, video_frame: print("frame", video_frame.frame_id, flush=True),
    watchdog=watchdog,
)
control_thread = Thread(target=command_thread, args=(pipeline, watchdog))
control_thread.start()
pipeline.start()
pipeline.join()
control_thread.join()
print("over", flush=True)
