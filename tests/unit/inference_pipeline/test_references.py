"""From `video_reference` to the sources of a run, and from the arguments to how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.pipelines import film
from support.producers import Clip

from mpipeline.config.inference_defaults import postprocessing_defaults
from mpipeline.errors import ConfigError, InvalidArgument
from mpipeline.inference_pipeline.arguments import feed_of
from mpipeline.inference_pipeline.assembly import Feed, assemble
from mpipeline.inference_pipeline.references import references

CAMERA = "rtsp://user:secret@10.0.0.1/stream"


def feed(reference: Any = CAMERA, **arguments: Any) -> Feed:
    given = {"max_fps": None, "strategies": (None, None), "properties": None, "batch_collection_timeout": None}
    given |= {"processing": (None, None), "decoding_buffer_size": 64, **arguments}
    return feed_of(reference, **given)


def source(reference: Any = CAMERA, model: dict[str, Any] | None = None, **arguments: Any) -> Any:
    """The first source of the run."""
    receiver: Any = None
    return assemble(feed(reference, **arguments), model, receiver).plan.config.sources[0]


def test_every_form_of_a_reference() -> None:
    path = film(5)
    found = references([path, Path(path), CAMERA, Clip, "TestPatternStreamProducer"])
    assert [one.entry.get("uri") for one in found[:3]] == [path, path, CAMERA]
    assert found[0].path == Path(path)
    assert (found[2].path, found[3].make_producer) == (None, Clip)
    assert found[4].entry["realtime"] is True


def test_passwords_are_not_shown() -> None:
    assert "secret" not in references(CAMERA)[0].shown


def test_one_mapping_of_properties_is_for_all_and_a_list_for_each() -> None:
    assert [one.entry["start"] for one in references([film(5), film(6)], {"pos_msec": 1500})] == [1.5, 1.5]
    found = references([Clip, film(5)], [{"gain": 2}, None])
    assert (found[0].properties, "start" in found[1].entry) == ({"gain": 2}, False)


def test_the_strategies_decide_the_delivery() -> None:
    assert source().delivery is None
    assert source(strategies=("WAIT", None)).delivery == "every_frame"
    assert source(strategies=("ADAPTIVE_DROP_OLDEST", None)).delivery == "latest"


def test_a_ring_has_room_for_what_waits_outside_of_it() -> None:
    assert source().slots is None
    assert source(decoding_buffer_size=10).slots == 16
    assert source(processing=("auto", None)).slots == 70
    assert source(film(5), processing=("auto", None)).slots is None


def test_what_would_be_dropped_later_is_not_inferred() -> None:
    model = {"target": "m:M"}
    assert source([CAMERA, film(5)], model, max_fps=10).max_fps == 5
    assert source([film(5), CAMERA], model, max_fps=10).max_fps is None
    assert source([CAMERA, film(5)], max_fps=10).max_fps is None


@pytest.mark.parametrize("given", [3, "3", "/dev/video3"])
def test_the_number_or_path_of_a_device_is_a_camera_of_this_machine(given: Any) -> None:
    properties = {"frame_width": np.int64(1920), "FPS": 30, "fourcc": "YUYV"}
    found = source(given, properties=properties, model={"target": "m:M"}, max_fps=5)
    assert (found.kind, found.options.uri, found.max_fps) == ("device", "/dev/video3", 5)
    assert found.options.properties == {"frame_width": 1920, "fps": 30, "fourcc": "YUYV"}


def test_a_property_of_a_device_is_a_number() -> None:
    with pytest.raises(InvalidArgument, match="frame_width='wide': expected a number"):
        source(0, properties={"frame_width": "wide"})


def test_defaults_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLASS_AGNOSTIC_NMS", "CONFIDENCE", "IOU_THRESHOLD", "MAX_CANDIDATES", "MAX_DETECTIONS"):
        monkeypatch.delenv(name, raising=False)
    assert postprocessing_defaults() == {}
    monkeypatch.setenv("CLASS_AGNOSTIC_NMS", "True")
    monkeypatch.setenv("MAX_DETECTIONS", "20")
    assert postprocessing_defaults() == {"class_agnostic_nms": True, "max_detections": 20}
    monkeypatch.setenv("CLASS_AGNOSTIC_NMS", "perhaps")
    with pytest.raises(ConfigError, match="true or false"):
        postprocessing_defaults()


def test_a_pipeline_of_gstreamer_is_a_live_source_and_its_password_is_not_shown() -> None:
    text = "rtspsrc location=rtsp://host/x user-pw=secret ! decodebin ! appsink"
    (found,) = references(text)
    assert found.entry == {"gstreamer": text}
    assert "secret" not in found.shown
    made = source(text)
    assert (made.kind, made.name, made.options.gstreamer) == ("gstreamer", "gstreamer-1", text)
    with pytest.raises(InvalidArgument, match="gain"):
        references(text, {"gain": 2})
