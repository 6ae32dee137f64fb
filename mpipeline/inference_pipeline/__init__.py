"""The InferencePipeline interface: its words, its sinks and its watchdog, on top of `Pipeline`.

Its names are kept as its users know them (`video_reference`, `on_prediction`, `VideoFrame`); they stop at this door.
Nothing heavy is imported here: each part is loaded when it is used.
"""
