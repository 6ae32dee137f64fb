"""The server that a sink writes to: its address as it may be shown, and what goes wrong on the way, in words."""

from __future__ import annotations

import ssl

from mpipeline.credentials import passwords, redact, redact_address
from mpipeline.errors import Reason, SinkError


class Peer:
    """A server by its address. `name` is what people call it, as in "the broker"."""

    def __init__(self, name: str, address: str, *secrets: str) -> None:
        self._name = name
        self._address = address
        self._secrets = [*passwords(address), *(secret for secret in secrets if secret)]

    def __str__(self) -> str:
        return f"{self._name} {redact_address(self._address)}"

    def away(
        self, what: str, error: BaseException | str, *, reason: Reason | None = None, after: float | None = None
    ) -> SinkError:
        """The error to raise while the server is not there, is busy, or has no space: it can pass."""
        found = reason if reason is not None else _reason_of(error)
        text = f"{self} {what}: {self.hide(str(error))}"
        return SinkError(text, reason=found, retryable=True, retry_after=after)

    def refuses(self, what: str, error: BaseException | str, remedy: str, reason: Reason = Reason.FAILED) -> SinkError:
        """The error to raise when it will say no for ever: a password, a right, an address that is wrong."""
        return SinkError(f"{self} {what}: {self.hide(str(error))}; {remedy}", reason=reason)

    def unreachable(self, error: OSError) -> SinkError:
        """The error of a connection that could not be made, or broke off."""
        if isinstance(error, ssl.SSLCertVerificationError):
            remedy = "name the certificate of its authority as `ca`, or check the host's name in the address"
            return self.refuses("is not vouched for by a certificate", error.verify_message, remedy, Reason.TLS_FAILED)
        said = error.strerror or str(error) or type(error).__name__
        return self.away("cannot be reached", said, reason=_reason_of(error))

    def hide(self, text: str) -> str:
        """`text` without passwords, on one line."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(redact(text).split())


def _reason_of(error: BaseException | str) -> Reason:
    if isinstance(error, TimeoutError):
        return Reason.TIMEOUT
    if isinstance(error, ssl.SSLError):
        return Reason.TLS_FAILED
    if isinstance(error, OSError):
        return Reason.UNREACHABLE
    return Reason.WRITE_FAILED
