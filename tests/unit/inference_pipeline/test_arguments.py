"""Arguments of an `InferencePipeline`: what they mean, and what is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.pipelines import film, make

from mpipeline.errors import InvalidArgument, SourceError
from mpipeline.inference_pipeline.pipeline import InferencePipeline
from mpipeline.inference_pipeline.watchdog import BasePipelineWatchDog


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
        ({"video_source_properties": "gain"}, "expected a dict, or a list"),
        ({"video_source_properties": [5]}, "expected a dict, or a list"),
        ({"video_source_properties": {"pos_msec": "late"}}, "expected milliseconds"),
        ({"video_reference": -1}, "number of a device"),
        ({"on_prediction": 5}, "on_prediction=5: expected a function"),
        ({"on_pipeline_start": "now"}, "on_pipeline_start='now'"),
        ({"on_pipeline_end": []}, "on_pipeline_end"),
        ({"watchdog": 5}, "watchdog=5: expected an object"),
        ({"watchdog": BasePipelineWatchDog}, "expected an object"),
        ({"status_update_handlers": print}, "expected a list of functions"),
        ({"status_update_handlers": [None]}, "expected a list of functions"),
        ({"status_update_handlers": "print"}, "expected a list of functions"),
    ]:
        with pytest.raises(InvalidArgument, match=words):
            make(**wrong)
    for no_reference in (3.5, None, True, b"film.mp4", [film(5), None], {"a": 1}):
        with pytest.raises(TypeError, match="video_reference"):
            make(video_reference=no_reference)
    for method in (InferencePipeline.init_with_workflow, InferencePipeline.init_with_yolo_world):
        with pytest.raises(NotImplementedError, match="init_with_custom_logic"):
            method(video_reference=film(5))


@pytest.mark.parametrize("name", ["max_fps", "batch_collection_timeout", "max_staleness"])
@pytest.mark.parametrize("value", [-1, "fast", float("nan"), float("inf"), True, [1]])
def test_numbers_that_are_none_are_refused(name: str, value: object) -> None:
    mode = "auto" if name == "max_staleness" else None
    with pytest.raises(InvalidArgument, match=name):
        make(**{name: value, "video_processing_mode": mode})


@pytest.mark.parametrize("name", ["decoding_buffer_size", "predictions_queue_size"])
@pytest.mark.parametrize("value", [-1, 2.5, "many", None])
def test_sizes_that_are_none_are_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidArgument, match=name):
        make(**{name: value})


def test_a_folder_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a folder"):
        make(video_reference=tmp_path)


@pytest.mark.parametrize("path", ["a\0b.mp4", "x" * 5000, "~nobody-of-that-name/a.mp4", " .mp4"])
def test_names_that_no_file_can_have_are_files_that_do_not_exist(path: str) -> None:
    with pytest.raises(SourceError, match="no such file"):
        make(video_reference=path)
