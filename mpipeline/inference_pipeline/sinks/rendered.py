"""What `on_frame_rendered` gets, and how it becomes one picture."""

from __future__ import annotations

from mpipeline.frame import Pixels
from mpipeline.inference_pipeline.sinks.mosaic import create_tiles

RenderedPicture = tuple[int | None, Pixels]  # the source, or in a batch the place in it; and the picture
Rendered = RenderedPicture | list[RenderedPicture]


def as_one_picture(rendered: Rendered) -> Pixels:
    """The picture of a frame, or a mosaic of those of a batch."""
    if isinstance(rendered, list):
        return create_tiles([picture for _, picture in rendered])
    return rendered[1]
