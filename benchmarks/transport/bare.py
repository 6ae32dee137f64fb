"""The program that decodes files and does no more, or hands the frames to another process by one of the usual ways.

    python bare.py WAY COUNT FILE ...

Each file has a process of its own. `pyav`, `pyav-1` and `opencv` decode; `copied` copies each frame; `queue` and
`zeromq` send each frame of PyAV, as one I420 array, to the first process, which counts them. How many frames there
were is written to COUNT.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_WAITING = 8  # frames on their way, as many as a queue or a socket holds


def share(files: int) -> int:
    """Decoder threads as mpipeline sets them for each of so many files."""
    return min(4, max(1, len(os.sched_getaffinity(0)) // files))


def decoded(file: str, threads: int) -> Iterator[Any]:
    """The frames by PyAV."""
    import av

    with av.open(file) as container:
        codec = container.streams.video[0].codec_context
        codec.thread_type = "AUTO"
        codec.thread_count = threads
        yield from container.decode(video=0)


def by_pyav(file: str, threads: int) -> int:
    """Decodes to planes, which stay where they are."""
    return sum(1 for _ in decoded(file, threads))


def by_one_thread(file: str, _: int) -> int:
    """The same in one thread."""
    return by_pyav(file, 1)


def copied(file: str, threads: int) -> int:
    """Decodes, and copies the planes to one of a few places in turn: what a hand-over with one copy cannot go below."""
    places: Any = None
    count = 0
    for frame in decoded(file, threads):
        rows = [
            np.frombuffer(memoryview(p), np.uint8).reshape(-1, p.line_size)[: p.height, : p.width] for p in frame.planes
        ]
        if places is None:
            places = [[np.zeros_like(each) for each in rows] for _ in range(_WAITING)]
        for source, target in zip(rows, places[count % _WAITING], strict=True):
            np.copyto(target, source)
        count += 1
    return count


def by_opencv(file: str, _: int) -> int:
    """Decodes to BGR, with as many threads as OpenCV likes."""
    import cv2

    capture, count = cv2.VideoCapture(file), 0
    while capture.read()[0]:
        count += 1
    return count


def to_queue(file: str, threads: int, queue: Any) -> None:
    """Puts each frame, and None behind the last."""
    for frame in decoded(file, threads):
        queue.put(frame.to_ndarray())
    queue.put(None)


def to_socket(file: str, threads: int, address: str) -> None:
    """Sends each frame by value, and an empty message behind the last."""
    import zmq

    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.sndhwm = _WAITING
        socket.connect(address)
        for frame in decoded(file, threads):
            socket.send(frame.to_ndarray(), copy=True)
        socket.send(b"")


def through_queue(files: list[str]) -> int:
    """Frames that came through one `multiprocessing.Queue`."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue(_WAITING)
    started = [context.Process(target=to_queue, args=(file, share(len(files)), queue)) for file in files]
    return _counted(started, queue.get, None)


def through_zeromq(files: list[str]) -> int:
    """Frames that came through a PULL socket."""
    import zmq

    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, zmq.Context() as sockets, sockets.socket(zmq.PULL) as socket:
        address = f"ipc://{folder}/frames"
        socket.rcvhwm = _WAITING
        socket.bind(address)
        started = [context.Process(target=to_socket, args=(file, share(len(files)), address)) for file in files]
        return _counted(started, socket.recv, b"")


def _counted(started: list[Any], receive: Any, end: object) -> int:
    for process in started:
        process.start()
    count, open_ends = 0, len(started)
    while open_ends:
        received = receive()
        is_end = received is None or (isinstance(received, bytes) and received == end)
        open_ends -= is_end
        count += not is_end
    for process in started:
        process.join()
    return count


def alone(decode: Any, files: list[str]) -> int:
    """Each file in a process of its own; the first in this one."""
    if len(files) == 1:
        return int(decode(files[0], share(1)))
    with multiprocessing.get_context("spawn").Pool(len(files)) as pool:
        return sum(pool.starmap(decode, [(file, share(len(files))) for file in files], chunksize=1))


def main() -> None:
    """Does it and tells how many."""
    way, path, *files = sys.argv[1:]
    bare = {"pyav": by_pyav, "pyav-1": by_one_thread, "copied": copied, "opencv": by_opencv}
    through = {"queue": through_queue, "zeromq": through_zeromq}
    count = through[way](files) if way in through else alone(bare[way], files)
    Path(path).write_text(str(count), encoding="ascii")


if __name__ == "__main__":
    main()
