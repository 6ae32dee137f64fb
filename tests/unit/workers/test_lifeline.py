"""How a worker notices that its supervisor is gone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from mpipeline.workers.runtime import _wait_for_end


def test_a_supervisor_that_was_gone_before_the_worker_looked() -> None:
    """A fork of its program, here this one, may hold the other end of the lifeline."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    reading, writing = os.pipe()
    watch = threading.Thread(target=_wait_for_end, args=(reading, gone.pid), daemon=True)
    watch.start()
    watch.join(30)
    has_noticed = not watch.is_alive()
    os.close(writing)
    watch.join(30)
    os.close(reading)
    assert has_noticed
