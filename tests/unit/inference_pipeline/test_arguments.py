"""Arguments of an `InferencePipeline`: what they mean, and what is refused with the reason."""

from __future__ import annotations

import pytest
from support.pipelines import film, make

from mpipeline.errors import InvalidArgument
from mpipeline.inference_pipeline.pipeline import InferencePipeline


def test_wrong_arguments_are_refused_with_the_reason() -> None:
    for wrong, words in [
        ({"video_reference": []}, "empty `video_reference`"),
        ({"video_reference": film(5), "video_source_properties": [{}, {}]}, "missmatch in number of entries"),
        ({"video_source_properties": {"frame_width": 640}}, "frame_width.*VideoFrameProducer"),
        ({"max_fps": 0}, "max_fps=0"),
        ({"allow_tensor_frames": True}, "allow_tensor_frames"),
        ({"sink_mode": "both"}, "adaptive, batch, sequential"),
        ({"source_buffer_filling_strategy": "DROP_ALL"}, "DROP_OLDEST"),
        ({"video_processing_mode": "auto", "batch_collection_timeout": 1.0}, "leave one of them out"),
        ({"video_processing_mode": "auto", "source_buffer_consumption_strategy": "EAGER"}, "means LAZY"),
        ({"max_staleness": 1.0}, "only video_processing_mode='auto'"),
        ({"decoding_buffer_size": 0}, "1 to 250"),
        ({"predictions_queue_size": 0}, "1 batch or more"),
        ({"on_video_frame": 5}, "function"),
    ]:
        with pytest.raises(InvalidArgument, match=words):
            make(**wrong)
    with pytest.raises(TypeError, match="video_reference"):
        make(video_reference=3.5)
    for method in (InferencePipeline.init_with_workflow, InferencePipeline.init_with_yolo_world):
        with pytest.raises(NotImplementedError, match="init_with_custom_logic"):
            method(video_reference=film(5))
