"""Looks over what a run needs and may use on this machine: one file a subject, each gives findings with remedies."""
