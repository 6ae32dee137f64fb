"""The program that does nothing but what cannot be left out: decoders, a relay and an end, with ZeroMQ between them.

    python bare_program.py NOTES NAME ADDRESS [NAME ADDRESS ...]

Each camera has a process that decodes it with PyAV and sends three numbers a frame; a process passes them on, as
inference does; another one, this, notes when they come. Pixels stay where they are. All ask the scheduler for the same
turns as mpipeline's workers do. It is ended by a kill of its process group; its sockets lie beside the notes.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

import msgpack
import zmq

from mpipeline.workers import time_slice


def socket(kind: int, address: str, *, binds: bool = False) -> Any:
    """A socket of a context of its own, whose threads are prompt, as is the calling thread."""
    time_slice.shorten()
    made = zmq.Context().socket(kind)
    if binds:
        made.bind(address)
    else:
        made.connect(address)
    return made


def decode(name: str, camera: str, to: str) -> None:
    """Decodes without end; sends name, moment of the packet and moment of the frame."""
    import av

    relay = socket(zmq.PUSH, to)
    time_slice.restore()
    with av.open(camera, options={"rtsp_transport": "tcp"}) as container:
        for packet in container.demux(video=0):
            captured = time.monotonic_ns()
            for _ in packet.decode():
                relay.send(msgpack.packb((name, captured, time.monotonic_ns())))


def pass_on(at: str, to: str) -> None:
    """Adds the moment of passing."""
    arriving, end = socket(zmq.PULL, at, binds=True), socket(zmq.PUSH, to)
    while True:
        end.send(msgpack.packb((*msgpack.unpackb(arriving.recv()), time.monotonic_ns())))


def main() -> None:
    """Starts all and notes what arrives, until it is killed."""
    notes, *cameras = sys.argv[1:]
    folder = Path(notes).resolve().parent
    with open(notes, "w", buffering=1, encoding="ascii") as file:
        relay, end = f"ipc://{folder}/relay", f"ipc://{folder}/end"
        arriving = socket(zmq.PULL, end, binds=True)
        multiprocessing.set_start_method("spawn")
        multiprocessing.Process(target=pass_on, args=(relay, end), daemon=True).start()
        for name, camera in zip(cameras[::2], cameras[1::2], strict=True):
            multiprocessing.Process(target=decode, args=(name, camera, relay), daemon=True).start()
        while True:
            row = (*msgpack.unpackb(arriving.recv()), time.monotonic_ns())
            file.write(" ".join(map(str, row)) + "\n")


if __name__ == "__main__":
    main()
