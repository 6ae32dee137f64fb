"""Passwords never survive in a text; harmless text stays as it is."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpipeline.credentials import is_cut_short, passwords, redact, redact_address

PRINTABLE = st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Zs", "Cc", "Cs"])
PASSWORDS = st.text(PRINTABLE, min_size=1, max_size=20)
USERS = st.from_regex(r"[a-z][a-z0-9_.-]{0,8}", fullmatch=True)

HIDDEN = [
    ("rtsp://admin:hunter2@cam:554/live", "rtsp://***@cam:554/live"),
    ("RTSPS://admin:hunter2@cam", "RTSPS://***@cam"),
    ("cannot open 'rtsp://u:p@ss/w:x@cam/a': refused", "cannot open 'rtsp://***@cam/a': refused"),
    ("rtsp://u:it's@cam/a", "rtsp://***@cam/a"),
    ("rtsp://u:p%40ss%2F@cam/a", "rtsp://***@cam/a"),
    ("rtsp://:hunter2@cam", "rtsp://***@cam"),
    ("http://token@host/x", "http://***@host/x"),
    ("rtsp://u:my pass@cam/ failed", "rtsp://***@cam/ failed"),
    ("rtsp://front desk:hunter2@cam/ failed: mail me@home", "rtsp://***@cam/ failed: mail me@home"),
    ("rtsp://a b:p@ss/w@cam/x y@z", "rtsp://***@cam/x y@z"),
    ("cut off: rtsp://u:hunt", "cut off: rtsp://***"),
    ("uri=rtsp://u:p@a/x other=http://v:q@b/y", "uri=rtsp://***@a/x other=http://***@b/y"),
    ("//u:p@cam/x", "//***@cam/x"),
    ("http://proxy/?url=rtsp%3A%2F%2Fu%3Ap%40cam%2Fx", "http://proxy/?url=rtsp%3A%2F%2F***%40cam%2Fx"),
    ("http://h/x?token=abc&n=1", "http://h/x?token=***&n=1"),
    ("'http://h/x?n=1&Password=a;b'", "'http://h/x?n=1&Password=***'"),
    ("http://h/?access_key=abc, retrying", "http://h/?access_key=***, retrying"),
    ("rtsp://cam/user=admin_password=abc_channel=1.sdp", "rtsp://cam/user=admin_password=***"),
    ("rtspsrc user-id=a user-pw=p!w ! appsink", "rtspsrc user-id=a user-pw=*** ! appsink"),
    ('x proxy-pw="a b" y password=(string)"c d" z', "x proxy-pw=*** y password=*** z"),
    ("first rtsp://u:p@cam/\nsecond rtsp://v:q@cam/", "first rtsp://***@cam/\nsecond rtsp://***@cam/"),
]

HARMLESS = [
    "",
    "plain text",
    "rtsp://cam/live",
    "rtsp://cam:554/live?n=1",
    "cannot reach http://host: refused",
    "rtsp://cam:554: timed out",
    "(see http://host:80).",
    "tcp://127.0.0.1:*",
    "http://[fe80::1]:80/x",
    "file:///videos/a@b.mp4",
    "ipc:///run/user/1000/mpipeline/x:y.sock",
    "https://host/@scope/name",
    "http://host is gone, write to bob@example.org: now",
    "rtsp://cam/1 failed, write to bob@example.org",
    "a // b: c @ d",
    "event=frame_dropped source=gate key_frame=1",
    "50% of 3 = 1.5",
    "{source}.mp4 at C:\\videos",
]


@pytest.mark.parametrize(("text", "redacted"), HIDDEN)
def test_secrets_are_hidden_and_the_rest_is_left(text: str, redacted: str) -> None:
    assert redact(text) == redacted
    assert redact(redacted) == redacted


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_is_left(text: str) -> None:
    assert redact(text) == text


@settings(deadline=None)
@given(user=USERS, password=PASSWORDS)
@example("u", "p@ss/w:rd")
@example("u", "'\"")
@example("u", "a://b@c")
@example("u", "?token=x")
@example("u", "%40%")
@example("u", "1")
def test_any_password_without_white_space_is_hidden_in_any_text(user: str, password: str) -> None:
    text = redact(f"cannot open 'rtsp://{user}:{password}@cam.local:554/live': refused")
    assert text == "cannot open 'rtsp://***@cam.local:554/live': refused"


@settings(deadline=None)
@given(user=USERS, password=st.text(min_size=1, max_size=20))
def test_a_known_address_hides_whatever_its_password_holds(user: str, password: str) -> None:
    address = f"rtsp://{user}:{password}@cam/live"
    assert redact_address(address) == "rtsp://***@cam/live"
    assert redact(f"[{address}] 401", address).startswith("[")
    long = f"{password}-and-more"
    for form in (f"rtsp://{user}:{long}@cam", f"rtsp://{user}:{quote(long)}@cam"):
        text = redact(f"open {form}: {long} was refused", form)
        assert long not in text
        assert "and-more" not in text


def test_passwords_are_found_as_written_and_decoded() -> None:
    assert passwords("rtsp://u:p%40s@cam/x") == ["p%40s", "p@s"]
    assert passwords("rtsp://cam/x") == []
    assert passwords("a.mp4") == []


@settings(deadline=None)
@given(st.text(max_size=80))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("password", ["p/w", "p@s/w", "p?", "#p"])
def test_a_user_part_that_others_cut_short_is_known(password: str) -> None:
    assert is_cut_short(f"rtsp://user:{password}@cam/live")
    assert not is_cut_short(f"rtsp://user:{quote(password, safe='')}@cam/live")


@pytest.mark.parametrize("address", ["rtsp://cam/live", "rtsp://u:p@ss@cam/a?b#c", "/videos/a.mp4", "https://h/@name"])
def test_other_addresses_are_not(address: str) -> None:
    assert not is_cut_short(address)
