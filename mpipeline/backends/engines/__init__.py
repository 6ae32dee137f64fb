"""Engine files: what TensorRT makes of a model for one GPU, built once and kept for later runs.

They belong to the backends as the compiled models of OpenVINO do, with which they share how files are kept; the backend
`tensorrt` only loads them.
"""
