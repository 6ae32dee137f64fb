"""Pictures made from planes: each is its owner's for as long as it is kept, and its memory serves the next one."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from mpipeline.frame import FrameFormat, PixelFormat, Pixels
from mpipeline.ring.pixels import to_bgr

_FORMAT = FrameFormat(PixelFormat.GRAY8, 640, 480, full_range=True)


def picture(level: int) -> Pixels:
    return to_bgr(_FORMAT, [np.full((480, 640), level, np.uint8)])


def test_a_picture_that_is_kept_is_never_written_to() -> None:
    kept = [picture(level) for level in range(8)]
    for level in range(100, 120):
        picture(level)
    assert [set(np.unique(each)) for each in kept] == [{level} for level in range(8)]


def test_a_view_keeps_the_picture() -> None:
    corner = picture(7)[:10, :10]
    assert [int(picture(level)[0, 0, 0]) for level in range(100, 110)] == list(range(100, 110))
    assert set(np.unique(corner)) == {7}


def test_memory_that_was_given_back_serves_the_next_picture() -> None:
    first = picture(1)
    place = first.ctypes.data
    del first
    second = picture(2)
    assert second.ctypes.data == place
    assert second.flags.writeable
    assert second.flags.c_contiguous


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_of_the_program_makes_pictures_whatever_its_threads_were_doing() -> None:
    over = threading.Event()

    def convert() -> None:
        while not over.is_set():
            picture(1)

    threads = [threading.Thread(target=convert) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(30):
            process = os.fork()
            if not process:
                os._exit(int(picture(2)[0, 0, 0]))
            assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 2
    finally:
        over.set()
        for thread in threads:
            thread.join()
