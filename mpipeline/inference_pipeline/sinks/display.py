"""`display_image`: shows rendered pictures in a window, where there can be one."""

from __future__ import annotations

import functools
import logging
import re
import socket
import sys

from mpipeline.inference_pipeline.sinks.rendered import Rendered, as_one_picture

_TILES = "Predictions - tiles"
_DISPLAY = re.compile(r"(?:tcp/|unix/?)?(?P<host>[^:/]*):(?P<number>\d+)(?:\.\d+)?")
_X_PORT = 6000
_CONNECT_S = 1.0


def display_image(image: Rendered) -> None:
    """Shows a picture, `(source_id, picture)`, in a window of its source; a list of them as a mosaic in one window.

    Where no window can be opened (no display, or OpenCV without windows), it says so once, names the ways to see the
    pictures all the same, and does nothing.
    """
    import cv2

    obstacle = _obstacle()
    if obstacle is not None:
        _tell_how_to_see_pictures(obstacle)
        return
    try:
        cv2.imshow(_TILES if isinstance(image, list) else _title(image[0]), as_one_picture(image))
        cv2.waitKey(1)
    except cv2.error as error:
        _tell_how_to_see_pictures(f"OpenCV cannot open a window: {str(error).strip()}")


def _title(source_id: int | None) -> str:
    return f"Predictions - video: {'N/A' if source_id is None else source_id}"


@functools.cache
def _obstacle() -> str | None:
    """Why there can be no window, as far as one can know beforehand; asked once.

    OpenCV's Qt ends the whole process if it cannot reach the X server, so that is tried here first.
    """
    import cv2

    framework = str(cv2.currentUIFramework())
    if not framework:
        return "this OpenCV is built without windows (opencv-python-headless)"
    if sys.platform.startswith("linux"):
        from mpipeline.config.environment import x_display

        display = x_display()
        if not display:
            return "there is no display (DISPLAY is not set)"
        if not _answers(display):
            return f"the display {display} (DISPLAY) does not answer"
    return None


@functools.cache
def _tell_how_to_see_pictures(obstacle: str) -> None:
    logging.getLogger(__name__).warning(
        "the pictures of render_boxes are not shown: %s. To see them, record a file with "
        "on_prediction=VideoFileSink.init('out.mp4').on_prediction, or watch them in a browser with "
        "on_prediction=preview() and its url; both are in mpipeline.inference_pipeline.sinks",
        obstacle,
        extra={"event": "no_window"},
    )


def _answers(display: str) -> bool:
    """Whether an X server takes a connection there."""
    found = _DISPLAY.fullmatch(display)
    if found is None:
        return True  # a form that is not known here; let OpenCV try
    host, number = found["host"], int(found["number"])
    if host:
        try:
            socket.create_connection((host, _X_PORT + number), _CONNECT_S).close()
        except OSError:
            return False
        return True
    path = f"/tmp/.X11-unix/X{number}"
    return any(_takes_connection(address) for address in (f"\0{path}", path))


def _takes_connection(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CONNECT_S)
        return probe.connect_ex(address) == 0
