"""A sink of your own with arguments of its own: a line of CSV for each detection.

    python custom_sink.py lobby.mp4 people.onnx people.csv

A sink is any function of two arguments; `functools.partial` fills in the others.
"""

import csv
import sys
from functools import partial

from mpipeline import InferencePipeline

VIDEO, MODEL, PATH = sys.argv[1:4]


def write_rows(predictions, video_frame, writer, at_least):
    for one in predictions["predictions"]:
        if one["confidence"] >= at_least:
            writer.writerow([video_frame.frame_id, one["class"], one["x"], one["y"], one["width"], one["height"]])


with open(PATH, "w", newline="") as file:
    pipeline = InferencePipeline.init(
        video_reference=VIDEO,
        model_id=MODEL,
        on_prediction=partial(write_rows, writer=csv.writer(file), at_least=0.5),
    )
    pipeline.start()
    pipeline.join()
