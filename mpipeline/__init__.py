"""mpipeline runs a vision model over many video sources at once on one machine."""
