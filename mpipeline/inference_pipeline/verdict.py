"""What a run that has ended by itself comes to: nothing to complain of, or an error."""

from __future__ import annotations

from mpipeline.errors import EXIT_DONE, MpipelineError, Reason, SourceError
from mpipeline.supervisor.status import RunStatus


def verdict(exit_code: int | None, status: RunStatus | None) -> Exception | None:
    """The error of a run: of a source that could not be read for good, of a worker that was given up."""
    if not exit_code or exit_code == EXIT_DONE or status is None:
        return None
    failed = [source for source in status.sources if source.state == "FAILED"]
    if failed:
        told = "; ".join(source.detail or f"{source.name} has failed" for source in failed)
        known = failed[0].reason in {reason.value for reason in Reason}
        return SourceError(told, Reason(failed[0].reason) if known else Reason.FAILED, retryable=False)
    fatal = [f"{worker.name}: {worker.failure}" for worker in status.workers if worker.state == "FATAL"]
    if fatal:
        return MpipelineError("the run has failed; " + "; ".join(fatal))
    return MpipelineError("no frame could be inferred: the model has failed at each one; see the log")
