"""A custom camera: a function that gives a producer of frames: python frame_by_frame.py COUNT"""

import sys

import numpy as np

from mpipeline import InferencePipeline
from mpipeline.inference_pipeline.entities import SourceProperties, VideoFrameProducer


class Camera(VideoFrameProducer):
    def __init__(self, left: int):
        self._left = left
        self._gain = 1

    def isOpened(self) -> bool:
        return self._left > 0

    def grab(self) -> bool:
        self._left -= 1
        return self._left >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.full((48, 64, 3), self._gain, np.uint8)

    def release(self) -> None:
        pass

    def initialize_source_properties(self, properties: dict[str, float]) -> None:
        self._gain = int(properties["gain"])

    def discover_source_properties(self) -> SourceProperties:
        return SourceProperties(width=64, height=48, total_frames=-1, is_file=False, fps=30.0, is_reconnectable=False)


pipeline = InferencePipeline.init_with_custom_logic(
    video_reference=lambda: Camera(int(sys.argv[1])),
    on_video_frame=lambda frames: [int(frame.image[0, 0, 0]) for frame in frames],
    on_prediction=lambda prediction, frame: print(frame.frame_id, prediction, flush=True),
    source_buffer_filling_strategy="WAIT",
    source_buffer_consumption_strategy="LAZY",
    video_source_properties={"gain": 7},
)
pipeline.start()
pipeline.join()
