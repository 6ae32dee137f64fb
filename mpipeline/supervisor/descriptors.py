"""Open files: a run needs some per worker, and says so before it starts instead of failing in the middle."""

from __future__ import annotations

import resource

from mpipeline.errors import ConfigError

_PER_WORKER = 8  # process handle, log pipe, ring and its lock, sockets, and some for rings of other resolutions
_ALWAYS = 48


def reserve(workers: int) -> None:
    """Raises the soft limit on open files as far as needed; workers inherit it.

    Raises ConfigError if the hard limit is below that.
    """
    needed = _ALWAYS + _PER_WORKER * workers
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigError(
            f"{workers} workers need {needed} open files, the limit is {hard}: raise it (ulimit -Hn, or LimitNOFILE)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
