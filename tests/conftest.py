"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says more about the machine than about the code; dead-locks are pytest-timeout's to find.
settings.register_profile("mpipeline", deadline=None)
settings.load_profile("mpipeline")
