"""Keeps credentials of source addresses out of logs, errors, metrics and predictions."""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"

# Where an address begins: "rtsp://", or "//" at the beginning of a word.
_BEGIN = re.compile(r"(?:[a-zA-Z][a-zA-Z0-9+.-]*:|(?<![^\s'\"=(,]))//")
_FIRST_PART = re.compile(r"[^/?#]*")
# "host:" that goes on with something that is no port: a user part, cut off before its '@' or holding white space.
_USER_WITHOUT_END = re.compile(r"[^/?#\[\s]*:(?!\d{1,5}(?!\w)|\*|\W*(?:\s|$))")
# A user name with white space in it, and its password.
_SPACED_USER = re.compile(r"[^/?#\[\s:@]+[^\S\n][^/?#@\n]*:[^\s@]*@\S*")
# An address inside an address: rtsp%3A%2F%2Fuser%3Apassword%40host
_ENCODED_USER = re.compile(r"(%3a%2f%2f)\S*(%40)", re.IGNORECASE)
# Values end at '&' or white space; quotes and punctuation at their end are left standing.
_VALUE = r"[^&\s]*?(?=['\"),.;:\]}>]*(?:[&\s]|$))"
_QUERY = re.compile(rf"([?&;](?:[^=&;?\s]*(?:pass|pwd|token|secret|key|auth|sig)[^=&;?\s]*)=){_VALUE}", re.IGNORECASE)
_NAME_OF_SECRET = r"((?:passw(?:or)?d|passwd|pwd|passphrase|secret|token|\b(?:user|proxy)-pw)="
_QUOTED = re.compile(
    rf"{_NAME_OF_SECRET}(?:\(\w+\))?)\"(?:[^\"\\]|\\.)*\"", re.IGNORECASE
)  # as in a GStreamer pipeline
_ASSIGNMENT = re.compile(rf"{_NAME_OF_SECRET}(?!\s)){_VALUE}", re.IGNORECASE)


def redact(text: str, *addresses: str) -> str:
    """`text` with the user part and secret-looking query values of every address in it replaced by `***`.

    An address is recognised by its `scheme://` and ends at white space. Its user part ends at the last '@', because a
    password may hold '@', '/' or quotes; where that is ambiguous, rather too much is hidden. Give the `addresses` that
    the text speaks of, if you have them: they are found whatever they hold, and their passwords also on their own.
    """
    for address in addresses:
        text = text.replace(address, redact_address(address))
        for secret in passwords(address):
            text = text.replace(secret, HIDDEN)
    if "//" in text:
        text = _without_user_parts(text)
    if "%" in text:
        text = _ENCODED_USER.sub(rf"\1{HIDDEN}\2", text)
    if "=" in text:
        text = _QUERY.sub(rf"\1{HIDDEN}", _QUOTED.sub(rf"\1{HIDDEN}", text))
        text = _ASSIGNMENT.sub(rf"\1{HIDDEN}", text)
    return text


def redact_address(address: str) -> str:
    """`address`, known to be one address and nothing else, without its user part and secret-looking query values."""
    begin = _BEGIN.match(address)
    if begin is None:
        return redact(address)
    body = address[begin.end() :]
    user, at, rest = body.rpartition("@")
    if not at or not _is_user_part(user):
        return redact(address)
    return f"{begin.group()}{HIDDEN}@{redact(rest)}"


def passwords(address: str) -> list[str]:
    """What must not be seen of the user part of `address`: its password as written and percent-decoded."""
    begin = _BEGIN.match(address)
    if begin is None:
        return []
    user, _, _ = address[begin.end() :].rpartition("@")
    password = user.partition(":")[2]
    return sorted({form for form in (password, unquote(password)) if form}, key=len, reverse=True)


def is_cut_short(address: str) -> bool:
    """Whether the user part holds what ends it for others: they take a piece of the password for the host."""
    return any(character in password for password in passwords(address)[:1] for character in "/?#")


def _without_user_parts(text: str) -> str:
    pieces, position = [], 0
    while begin := _BEGIN.search(text, position):
        pieces.append(text[position : begin.end()])
        position = begin.end()
        end = _end_of_user_part(text[position:])
        if end:
            pieces.append(HIDDEN)
            position += end
    return "".join(pieces) + text[position:]


def _end_of_user_part(body: str) -> int:
    """How many characters behind `scheme://` are to be hidden, the '@' not among them."""
    word = re.split(r"\s", body, maxsplit=1)[0]
    at = word.rfind("@")
    if at >= 0:
        return at if _is_user_part(word[:at]) else 0
    if spaced := _SPACED_USER.match(body):
        return spaced.group().rfind("@")
    if _USER_WITHOUT_END.match(body):
        line = body.split("\n", 1)[0]
        return line.rfind("@") if "@" in line else len(word.rstrip("'\"),.;:]}>"))
    return 0


def _is_user_part(text: str) -> bool:
    """Whether what stands before an '@' can hold a secret; in `https://host/@name` it cannot."""
    first = _FIRST_PART.match(text)
    return ":" in text or (first is not None and first.end() == len(text))
