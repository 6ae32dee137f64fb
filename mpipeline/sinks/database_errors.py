"""What a database says no with: whether that can pass, and what to do."""

from __future__ import annotations

from typing import Any

from mpipeline.errors import Reason, SinkError
from mpipeline.sinks.peers import Peer

# PostgreSQL tells why it does not let somebody in only in words, and in English only where its messages are.
_OF_CREDENTIALS = ("password authentication failed", "no password supplied", "no pg_hba.conf entry", 'role "')
_OF_CONFIG = ("does not exist", "no such table", "no such column", "has no column", "not a database", "malformed")
_NO_SPACE = ("disk is full", "no space left", "could not extend file")


def problem_of(error: Any, peer: Peer) -> SinkError:
    """The error to raise `from error`, an error of SQLAlchemy."""
    from sqlalchemy import exc

    said = str(getattr(error, "orig", None) or error)
    words = said.lower()
    if any(sign in words for sign in _OF_CREDENTIALS):
        remedy = "check user, password and database in the address, and pg_hba.conf of the server"
        return peer.refuses("does not let this user in", said, remedy, Reason.AUTH_FAILED)
    if any(sign in words for sign in _NO_SPACE):
        return peer.away("has no space left", said, reason=Reason.NO_SPACE)
    passing = isinstance(error, exc.OperationalError | exc.InterfaceError | exc.InternalError | exc.TimeoutError)
    if getattr(error, "connection_invalidated", False):
        return peer.away("has broken off the connection", said, reason=Reason.UNREACHABLE)
    if passing and not any(sign in words for sign in _OF_CONFIG):
        reason = Reason.BUSY if "locked" in words else Reason.UNREACHABLE
        return peer.away("cannot be used now", said, reason=reason)
    return peer.refuses("refuses the rows", said, "check the address, the tables, and the rights of its user")
