"""The supervisor: plans a run, owns its shared memory and its workers, restarts what died, and ends it in order."""
