"""Metrics: what is counted and measured, by name, and who counts."""
