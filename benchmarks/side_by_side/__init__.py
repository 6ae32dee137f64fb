"""mpipeline's `InferencePipeline` beside the original: the same program on both sides, but for one line of imports."""
