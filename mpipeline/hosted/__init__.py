"""A model in the caller's own process, for pictures and without a run."""
