"""One sentence on each key of the config, for editors; docs/configuration.md tells more."""

from __future__ import annotations

from collections.abc import Mapping

_MODEL = {
    "path": "The model file, or the folder of a model package",
    "id": "A model of the cache or the hub, such as yolov8n-640 or coco/3",
    "family": "How it is fed and read (default: inferred from the file)",
    "backend": "What executes it",
    "target": "Code of your own, as module:attribute",
    "device": "auto, cpu, cuda, cuda:1, or a list of GPUs that share the sources",
    "threads": "Threads of the backend; 0: one for each physical core",
    "streams": "How many frames are inferred side by side; 0: as many as there are threads",
    "precision": "In what weights and activations are multiplied",
    "confidence": "Only detections that score more are told, 0 to 1",
    "iou_threshold": "Of two boxes of a class that overlap more, the weaker goes, 0 to 1",
    "page_locked_mb": "The most memory of rings that is page-locked for the model's GPU, in MB",
    "max_detections": "The best so many of a frame",
    "class_agnostic_nms": "Boxes of different classes suppress each other, too",
    "classes": "Only these are kept, names or numbers",
    "names": "Names of the classes, a list, or a mapping from number to name",
    "size": "[width, height] of the model's input in pixels, where the model leaves it open",
}

# name of the spec → key → what it means, with its unit
DESCRIPTIONS: Mapping[str, Mapping[str, str]] = {
    "RunConfig": {
        "name": "By which other programs find the run: up to 40 of a-z 0-9 - _ . (default: the file's name)",
        "sources": "Where frames come from, at least one",
        "model": "What is inferred",
        "models": "In place of model: several by name, each with an inference process of its own",
        "tracker": "What follows the objects from frame to frame: a kind, or a mapping with its options",
        "sinks": "Where predictions go",
        "batching": "How frames are put together",
        "supervision": "When a worker is ended, and when a dead one is started again",
        "limits": "How long things may take, and how many at once",
        "run_dir": "Where the run keeps its sockets and its lock; a short path",
    },
    "SourceSpec": {
        "name": "Identifies the source in predictions and file names (default: from uri)",
        "kind": "Which implementation it is (default: inferred from uri)",
        "delivery": "every_frame: none is lost; latest: always the freshest (default: as the source is a file or live)",
        "max_fps": "At most so many frames a second are passed on",
        "slots": "Places in the source's ring in shared memory, 2 to 256 (default: by the plan)",
        "models": "Names of the models that infer its frames (default: all)",
        "expect": "The size that a camera will have, so that the plan knows the memory before it is seen",
    },
    "ExpectSpec": {"width": "Pixels", "height": "Pixels"},
    "ModelSpec": _MODEL,
    "NamedModelSpec": {**_MODEL, "batching": "How frames are put together for this model (default: as for all)"},
    "SinkSpec": {
        "name": "Identifies the sink (default: its kind)",
        "kind": "Which implementation it is",
        "models": "Names of the models whose predictions it takes (default: all)",
        "filter": "What of the predictions it gets (default: everything)",
        "overflow": "When the sink is slower than the predictions; auto: files wait for it, live streams drop",
        "queue": "Predictions of live streams that are kept for a sink that lags",
    },
    "BatchingSpec": {
        "max_size": "Frames that are inferred together at most",
        "max_wait_ms": "How long the first frame of a batch waits for others, in ms",
        "staleness_ms": "A live frame that is older when its batch is built is dropped, in ms",
    },
    "RestartSpec": {
        "first_delay": "The first bound of the pause before a restart, in s",
        "max_delay": "The largest bound of that pause, in s",
        "healthy_after": "Who has worked for so long begins anew with the first bound, in s",
        "max_restarts": "More restarts than this within the window, and the worker is given up",
        "window": "The window for that, in s",
        "decoder_timeout": "A decoder that is silent or does not advance for so long is killed, in s",
        "inference_timeout": "The same for the inference process, in s",
        "sink_timeout": "The same for a sink, in s",
        "load_timeout": "Instead of these while a worker loads or finishes its work, in s",
        "max_memory_mb": "A process that uses more memory of its own is ended and started again, in MB",
        "max_cpu": "The same for processor time, as a share of one core",
    },
    "PerRoleSpec": {
        "decoder": "The limit for each decoder",
        "inference": "The limit for the inference process",
        "sink": "The limit for each sink",
    },
    "LimitsSpec": {
        "stop_timeout": "What each stage of an orderly stop gets, in s",
        "connects": "How many network sources may be connecting at one moment",
    },
}
