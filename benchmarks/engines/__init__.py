"""What becomes of a model's speed in a pipeline, beside rivals and beside the engine alone."""
