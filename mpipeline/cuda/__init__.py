"""CUDA: one GPU behind a thin interface, and what runs on it besides a model."""
