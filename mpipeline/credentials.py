"""Keeps credentials of source addresses out of logs, errors, metrics and predictions."""

from __future__ import annotations

import re

# user:password@ of any address. The password may itself hold '@' or '/', so everything up to the last '@' that still
# belongs to the authority goes; an address without user part is left as it is.
_USERINFO = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s'\"]*@(?=[^@\s'\"]*)")
_SECRET_QUERY = re.compile(
    r"(?P<key>[?&;](?:[^=&;\s]*(?:passw|pwd|token|secret|key|auth|sig)[^=&;\s]*)=)[^&;\s'\"]+", re.IGNORECASE
)


def redact(text: str) -> str:
    """`text` with the user part and secret-looking query values of every address in it replaced by `***`."""
    return _SECRET_QUERY.sub(r"\g<key>***", _USERINFO.sub(r"\g<scheme>***@", text))
