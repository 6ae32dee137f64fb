"""Where a sink's files lie: path templates, safe names of sources, and errors of the file system in clear words."""

from __future__ import annotations

import errno
import glob
import re
from collections.abc import Iterator
from pathlib import Path

from mpipeline.errors import Reason, SinkError

PLACEHOLDER = "{source}"
MODEL_PLACEHOLDER = "{model}"
_REMEDIES = {
    errno.EACCES: "give this user the right to write there, or choose another path",
    errno.EPERM: "give this user the right to write there, or choose another path",
    errno.EROFS: "the file system is read-only: choose another path",
    errno.ENOSPC: "the disk is full: free some space, or choose another path",
    errno.EDQUOT: "the quota is used up: free some space, or choose another path",
    errno.EISDIR: "it is a folder: name a file in it",
    errno.ENOTDIR: "a part of the path is a file, not a folder: choose another path",
    errno.EEXIST: "a part of the path is a file, not a folder: choose another path",
    errno.ENAMETOOLONG: "choose a shorter path, or a shorter name for the source",
}

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
# What can pass by itself, or by somebody's help, while the program runs: a disk, a mount, a server that is away.
TRANSIENT = NO_SPACE | {
    *(errno.EIO, errno.EROFS, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.ENOMEM, errno.EMFILE, errno.ENFILE),
    *(errno.EAGAIN, errno.EBUSY, errno.EPIPE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ECONNREFUSED, errno.ECONNRESET),
    *(errno.ECONNABORTED, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH),
}


def checked_template(template: str) -> str:
    """`template` if it is one of a path, else a ValueError that says what is wrong: a validator for options."""
    checked_placeholders(template)
    if not template.strip() or template.endswith("/"):
        raise ValueError(f"path {template!r} names no file")
    return template


def checked_placeholders(template: str, what: str = "path", *more: str) -> str:
    """`template` if it has no placeholders but that of the source and `more`, else a ValueError."""
    valid = (PLACEHOLDER, *more)
    unknown = [each for each in re.findall(r"\{[^{}]*\}", template) if each not in valid]
    if unknown:
        raise ValueError(f"unknown placeholder {unknown[0]!r} in {what} {template!r}; valid: {', '.join(valid)}")
    return template


def filled(template: str, source: str, model: str) -> str:
    """`template` with names in place of its placeholders, as they are."""
    return template.replace(PLACEHOLDER, source).replace(MODEL_PLACEHOLDER, model)


def safe_name(source: str) -> str:
    """The name of a source as part of a file name: letters, digits, `_ - .`, not hidden, never empty."""
    return re.sub(r"[^\w.-]", "_", source).lstrip(".") or "_"


def file_error(action: str, path: Path, error: OSError) -> SinkError:
    """The error to raise `from error` when `action` ("write to") failed on `path`. It knows whether it can pass.

    A folder that has vanished (ENOENT) can come back; who writes next makes it again.
    """
    number = error.errno or 0
    remedy = _REMEDIES.get(number, "check the path and the disk")
    return SinkError(
        f"cannot {action} {path}: {error.strerror or error}; {remedy}",
        reason=reason_of(number),
        retryable=number in TRANSIENT or number == errno.ENOENT,
    )


def reason_of(number: int) -> Reason:
    """The reason code of a failed write by its errno."""
    return Reason.NO_SPACE if number in NO_SPACE else Reason.WRITE_FAILED


class OutputPaths:
    """The files of one sink: one for all sources, or with `{source}` in the template one for each."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.per_source = PLACEHOLDER in template
        self._owners: dict[Path, str] = {}

    def path(self, source: str) -> Path:
        """The file that `source` would have."""
        return Path(self.template.replace(PLACEHOLDER, safe_name(source)))

    def claim(self, source: str) -> Path:
        """The file of `source`, for it alone from now on; SinkError if another source has it already."""
        path = self.path(source)
        owner = self._owners.setdefault(path, source)
        if owner != source:
            remedy = "rename one of them" if self.per_source else f"put {PLACEHOLDER} into the path"
            raise SinkError(f"sources {owner!r} and {source!r} would both be written to {path}: {remedy}")
        return path

    def existing(self) -> Iterator[Path]:
        """Files that lie where this template may have put them; some may be strangers."""
        pattern = "*".join(glob.escape(part) for part in self.template.split(PLACEHOLDER))
        yield from (Path(name) for name in sorted(glob.glob(pattern)) if Path(name).is_file())

    def prepare(self) -> None:
        """Makes the folder that holds everything, so that a path that cannot be written is known at the start."""
        fixed = (
            Path(self.template.split(PLACEHOLDER)[0] + "x").parent if self.per_source else Path(self.template).parent
        )
        make_folder(fixed)


def make_folder(folder: Path) -> None:
    """Makes `folder` with its parents. SinkError if that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:  # although its parents were to be made: such as /proc takes none
        text = f"cannot make the folder {folder}: nothing can be made there; choose another path"
        raise SinkError(text, retryable=True) from error
    except OSError as error:
        raise file_error("make the folder", folder, error) from error


def remove(path: Path) -> None:
    """Removes what an earlier run has left. SinkError if that is impossible."""
    try:
        path.unlink()
    except OSError as error:
        raise file_error("replace", path, error) from error
