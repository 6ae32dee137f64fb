"""Asks the scheduler to let a thread run soon after it wakes up, though others are at work.

Linux 6.12 and later give who asks for shorter turns the next one. A worker that passes frames on needs little time, but
at once; decoding needs much, and nobody waits for the end of its turn. No share of the processor changes hands.
"""

from __future__ import annotations

import ctypes
import os
import struct

SHORT_NS = 100_000  # the shortest that Linux gives
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}  # sched_setattr(2) has no function in the C library
_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")  # size, policy, flags, nice, priority, runtime, deadline, period


def shorten() -> None:
    """A short time slice for the calling thread, and for the threads and processes that it starts from now on.

    Without effect on an older kernel, in a sandbox that forbids it, and for a thread that has been given a scheduling
    policy of its own.
    """
    _set(SHORT_NS)


def restore() -> None:
    """The system's time slice for the calling thread, and for the threads and processes that it starts from now on."""
    _set(0)


def has_effect() -> bool:
    """Whether the scheduler gives the calling thread short turns when it is asked; afterwards all is as it was."""
    number = _SCHED_GETATTR.get(os.uname().machine)
    if number is None:
        return False
    shorten()
    told = ctypes.create_string_buffer(_ATTRIBUTES.size)
    failed = ctypes.CDLL(None).syscall(number, 0, told, _ATTRIBUTES.size, 0)
    restore()
    return not failed and _ATTRIBUTES.unpack(told.raw)[5] == SHORT_NS


def _set(length_ns: int) -> None:
    number = _SCHED_SETATTR.get(os.uname().machine)
    if number is None or not hasattr(os, "sched_getscheduler") or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, 0, nice, 0, length_ns, 0, 0)
    ctypes.CDLL(None).syscall(number, 0, attributes, 0)
