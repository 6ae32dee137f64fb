"""Sends each prediction as a JSON datagram to another program.

    nc -ul 127.0.0.1 9090 &
    python udp.py lobby.mp4 people.onnx 127.0.0.1 9090

A datagram that nobody takes is gone: none is waited for.
"""

import sys

from mpipeline import InferencePipeline
from mpipeline.inference_pipeline.sinks import UDPSink

VIDEO, MODEL, ADDRESS, PORT = sys.argv[1:5]

udp_sink = UDPSink.init(ip_address=ADDRESS, port=int(PORT))
pipeline = InferencePipeline.init(
    video_reference=VIDEO,
    model_id=MODEL,
    on_prediction=udp_sink.send_predictions,
    max_fps=30,
)
pipeline.start()
pipeline.join()
