"""Finds GStreamer for Python: PyGObject of this environment, or that of the system if it is built for this Python."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpipeline.errors import ConfigError

INSTALL = (
    "sudo apt-get install -y python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base "
    "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav"
)
_OTHER_PYTHON = (
    "if this Python is not the system's: sudo apt-get install -y libgirepository1.0-dev libcairo2-dev gcc pkg-config "
    "python3-dev && pip install 'mpipeline[gstreamer]'"
)
_NAMESPACES = ("Gst", "GstApp", "GstVideo")


@dataclass(frozen=True, slots=True)
class Library:
    """The namespaces of GStreamer that sources use, ready. `where` is the folder of PyGObject, `bound` its version."""

    gst: Any
    glib: Any
    app: Any
    video: Any
    where: str
    bound: str

    @property
    def version(self) -> str:
        """That of GStreamer, such as 1.22.0."""
        return ".".join(str(part) for part in self.gst.version()[:3])


def load() -> Library:
    """Imports and initialises GStreamer. Raises ConfigError with the packages that are missing.

    The first time on a machine GStreamer looks at all its plugins, which takes seconds.
    """
    _keep_unwinder()
    try:
        gi = _pygobject()
        for namespace in _NAMESPACES:
            gi.require_version(namespace, "1.0")
        from gi.repository import GLib, Gst, GstApp, GstVideo
    except (ImportError, ValueError) as error:  # a ValueError where a namespace is not installed
        raise ConfigError(
            f"GStreamer for Python is not here ({error}): {INSTALL}; {_OTHER_PYTHON}; "
            "in a container they belong into its image"
        ) from error
    try:
        Gst.init_check(None)
    except GLib.Error as error:
        raise ConfigError(f"GStreamer does not start: {error.message}; try gst-inspect-1.0 in a shell") from error
    return Library(Gst, GLib, GstApp, GstVideo, str(Path(gi.__file__).parent.parent), gi.__version__)


def _keep_unwinder() -> None:
    """Keeps C++ libraries that are loaded later, such as OpenVINO, on the exception unwinder of the compiler.

    GStreamer brings libunwind, which has functions of the same names, and PyGObject loads it for the whole process:
    exceptions that pass through both of them crash. Whose library is there first, its functions are taken.
    """
    with suppress(OSError):  # where the compiler has another one
        ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)


def _pygobject() -> Any:
    """The module `gi`; if this environment does not see it, that of the system."""
    try:
        import gi
    except ImportError:
        with _system_packages_last():
            import gi
    return gi


@contextmanager
def _system_packages_last() -> Iterator[None]:
    """Lets an import see the system's packages behind all others; an environment made by `venv` hides them.

    Only for a moment: libraries that this environment lacks must not come from there unasked.
    """
    version = f"python3.{sys.version_info.minor}"
    folders = (
        "/usr/lib/python3/dist-packages",
        f"/usr/lib64/{version}/site-packages",
        f"/usr/lib/{version}/site-packages",
    )
    before = list(sys.path)
    sys.path.extend(folders)
    try:
        yield
    finally:
        sys.path[:] = before
