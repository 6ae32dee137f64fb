"""Backends: what executes a model. One file an executor; the table below names them."""

KINDS: dict[str, str] = {
    "auto": "mpipeline.backends.auto:AutoBackend",
    "onnxruntime": "mpipeline.backends.onnxruntime:OnnxRuntimeBackend",
    "openvino": "mpipeline.backends.openvino:OpenVinoBackend",
    "python": "mpipeline.backends.python:PythonBackend",
    "tensorrt": "mpipeline.backends.tensorrt:TensorRtBackend",
}
