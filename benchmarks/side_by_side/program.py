"""The program that both sides run, each in a process of its own with a Python of its own; one import differs.

    python program.py SIDE TASK.json NOTES

It needs numpy, ONNX Runtime for the detector, and the side's package. NOTES gets a line of JSON for all that happens:
["prediction", source, frame id, monotonic seconds, age in seconds, value], ["dropped", source, frame id, cause], and
[what, monotonic seconds, details ...] for the rest.
"""

import json
import os
import signal
import sys
import time
import zlib
from datetime import datetime

import numpy as np


class Notes:
    """Lines that are whole when somebody reads them, whatever thread they come from."""

    def __init__(self, path):
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, *values):
        """Adds a line."""
        os.write(self._file, json.dumps(values).encode() + b"\n")

    def moment(self, what, *details):
        """Adds a line with the time."""
        self.write(what, time.monotonic(), *details)


class Detector:
    """A YOLOX model by ONNX Runtime in one thread. Its input is picked from the picture with numpy alone, without
    interpolation: only the pixels of the picture can make a difference between the sides."""

    def __init__(self, path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        entry = self._session.get_inputs()[0]
        self._name, self._height, self._width = entry.name, *entry.shape[2:]
        grids = [
            np.stack([*np.meshgrid(np.arange(self._width // s), np.arange(self._height // s))], -1).reshape(-1, 2)
            for s in (8, 16, 32)
        ]
        self._grid = np.concatenate(grids)
        self._stride = np.concatenate([np.full((len(g), 1), s) for g, s in zip(grids, (8, 16, 32), strict=True)])

    def __call__(self, image):
        """[[class, score, left, top, right, bottom], ...] by falling score."""
        ratio = min(self._height / image.shape[0], self._width / image.shape[1])
        rows = (np.arange(int(image.shape[0] * ratio)) / ratio).astype(int)
        columns = (np.arange(int(image.shape[1] * ratio)) / ratio).astype(int)
        tensor = np.full((1, 3, self._height, self._width), 114, np.float32)
        tensor[0, :, : len(rows), : len(columns)] = image[rows[:, None], columns].transpose(2, 0, 1)
        output = self._session.run(None, {self._name: tensor})[0][0]
        classes = output[:, 5:].argmax(1)
        scores = output[:, 4] * output[np.arange(len(output)), 5 + classes]
        kept = np.flatnonzero(scores > 0.3)
        centre = (output[kept, :2] + self._grid[kept]) * self._stride[kept]
        half = np.exp(output[kept, 2:4]) * self._stride[kept] / 2
        boxes = np.concatenate([centre - half, centre + half], 1) / ratio
        return _suppressed(boxes, scores[kept], classes[kept])


def _suppressed(boxes, scores, classes):
    found = []
    for index in np.argsort(-scores, kind="stable"):
        box = boxes[index]
        if all(name != classes[index] or _overlap(box, other) < 0.45 for name, _, other in found):
            found.append((classes[index], scores[index], box))
    return [[int(name), float(score), *(round(float(edge), 3) for edge in box)] for name, score, box in found]


def _overlap(one, other):
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = max(sides[0], 0) * max(sides[1], 0)
    return shared / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - shared)


def looking(task):
    """What is found in one frame: the callable's work, by the task's word for it."""
    if task["logic"] == "detector":
        detector = Detector(task["model"])
        return lambda frame: detector(frame.image)
    return {
        "nothing": lambda frame: None,
        "number": lambda frame: number_of(frame.image[..., 1]),
        "pixels": lambda frame: int(frame.image[0, 0, 0]),
        # the whole picture as a checksum, and a few pixels of it to see how far two pictures differ
        "fingerprint": lambda frame: [zlib.crc32(np.ascontiguousarray(frame.image)), frame.image[::40, ::40].tolist()],
    }[task["logic"]]


def number_of(green):
    """The number that `benchmarks.recordings` has painted into the upper edge of a picture; -1 if there is none."""
    blocks, width = 16, green.shape[1]
    code = 0
    for block in range(blocks):
        left, right = width * block // blocks, width * (block + 1) // blocks
        margin = (right - left) // 4
        code = code << 1 | int(green[4:12, left + margin : right - margin].mean() > 128)
    number = code >> 4
    return number if code & 15 == (number * 7 + 5) % 16 else -1


class Callbacks:
    """The user's code: `on_video_frame`, `on_prediction`, a handler of status updates."""

    def __init__(self, task, notes):
        self._task = task
        self._notes = notes
        self._look = looking(task)
        self._frames = 0
        self.predictions = 0
        self.pipeline = None

    def on_video_frame(self, frames):
        """Looks at each frame, in the task's own time; fails, or returns too little, where the task says so."""
        self._frames += len(frames)
        time.sleep(self._task["logic_s"] + self._task["frame_s"] * len(frames))
        if self._task["raise_at"] and self._frames >= self._task["raise_at"]:
            raise RuntimeError("the callable fails")
        results = [self._look(frame) for frame in frames]
        is_short = self._task["short_every"] and self._frames % self._task["short_every"] == 0
        return results[1:] if is_short else results

    def on_prediction(self, predictions, frames):
        """Notes what has come."""
        pairs = zip(predictions, frames, strict=True) if isinstance(frames, list) else [(predictions, frames)]
        for prediction, frame in pairs:
            if frame is not None:
                age = (datetime.now() - frame.frame_timestamp).total_seconds()
                self._notes.write("prediction", frame.source_id, frame.frame_id, time.monotonic(), age, prediction)
                self.predictions += 1
        time.sleep(self._task["sink_s"])
        if self.predictions == self._task["terminate_at"]:
            self.pipeline.terminate()

    def on_status(self, update):
        """Notes drops."""
        if update.event_type == "FRAME_DROPPED":
            payload = update.payload
            self._notes.write("dropped", payload.get("source_id"), payload.get("frame_id"), payload.get("cause"))


def main():
    """Runs the task, as often as it says; what is raised is noted, and the program goes on to its end."""
    # Ctrl-C is ignored in what a shell has started in the background, and in all that comes of it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    side, task_path, notes_path = sys.argv[1:]
    notes = Notes(notes_path)
    notes.moment("begun")
    with open(task_path, encoding="utf-8") as file:
        task = json.load(file)
    if side == "mpipeline":
        from mpipeline import InferencePipeline
    else:
        from streamvision.stream.pipeline import InferencePipeline
    notes.moment("imported")
    callbacks = Callbacks(task, notes)
    stage = "init"
    try:
        pipeline = callbacks.pipeline = InferencePipeline.init_with_custom_logic(
            video_reference=task["references"] if len(task["references"]) > 1 else task["references"][0],
            on_video_frame=callbacks.on_video_frame,
            on_prediction=callbacks.on_prediction,
            status_update_handlers=[callbacks.on_status] if task["events"] else None,
            **task["arguments"],
        )
        for _ in range(task["starts"]):
            notes.moment("starting")
            stage = "start"
            pipeline.start()
            stage = "join"
            pipeline.join()
            notes.moment("returned")
    except Exception as error:  # noqa: BLE001 - it is what is looked for
        notes.moment("raised", stage, type(error).__name__, str(error))
    notes.moment("ended")


if __name__ == "__main__":
    main()
