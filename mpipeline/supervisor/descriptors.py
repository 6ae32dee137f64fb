"""Open files and threads: a run needs some, and says so before it starts instead of failing in the middle."""

from __future__ import annotations

import os
import resource
import threading

from mpipeline.errors import ConfigError

_PER_WORKER = 8  # process handle, log pipe, ring and its lock, sockets, and some for rings of other resolutions
_ALWAYS = 48
_THREADS = 4  # of the supervisor: what moves its messages, and some to spare


def reserve(workers: int) -> None:
    """Raises the soft limit on open files as far as needed; workers inherit it.

    Raises ConfigError if the hard limit is below that, or if no more threads can be started here: the library that
    needs some would end the process without a word of what to do.
    """
    _try_threads()
    needed = _ALWAYS + _PER_WORKER * workers
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigError(
            f"{workers} workers need {needed} open files, the limit is {hard}: raise it (ulimit -Hn, or LimitNOFILE)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def most_workers(open_files: int) -> int | None:
    """For how many workers so many open files are enough; None for any number."""
    return None if open_files == resource.RLIM_INFINITY else max(0, (open_files - _ALWAYS) // _PER_WORKER)


def pipe() -> tuple[int, int]:
    """A pipe, read end first; ConfigError if there are too many open files for it."""
    try:
        return os.pipe()
    except OSError as error:
        raise ConfigError(f"cannot open a pipe: {error.strerror}; raise the limit on open files (ulimit -n)") from error


def _try_threads() -> None:
    release = threading.Event()
    threads = [threading.Thread(target=release.wait, daemon=True) for _ in range(_THREADS)]
    try:
        for thread in threads:
            thread.start()
    except RuntimeError as error:
        text = "no more threads or processes can be started here: raise the limit (ulimit -u, or pids.max of a cgroup)"
        raise ConfigError(text) from error
    finally:
        release.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
