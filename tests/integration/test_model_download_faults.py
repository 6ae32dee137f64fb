"""Models from a real server with faults on the way: what passes, what is told, what is kept of a broken download."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from support.model_hub import KEY, ModelHub
from support.pulling import BALLAST, HASTY, QUICK, Heard, assert_complete, partial, pulled

from mpipeline.config.environment import StoreSettings
from mpipeline.errors import DownloadError, Reason
from mpipeline.store.cache import CachedModel, find
from mpipeline.store.fetch import fetch
from mpipeline.store.patience import Patience


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, -1])
def test_a_passing_fault_passes(hub: ModelHub, cache: Path, status: int) -> None:
    hub.failures = [status, status]
    assert_complete(pulled(hub, cache), hub)


def test_a_fault_that_stays_is_told_after_the_last_attempt(hub: ModelHub, cache: Path) -> None:
    hub.status = 503
    hub.failures = [503] * 99
    with pytest.raises(DownloadError, match="fault of its own") as caught:
        pulled(hub, cache)
    assert (caught.value.reason, caught.value.exit_code) == (Reason.SERVER_ERROR, 1)
    assert hub.requests == QUICK.attempts


def test_a_file_fails_and_the_next_attempt_works(hub: ModelHub, cache: Path) -> None:
    hub.failures = [0, 500, 0, -1]
    assert_complete(pulled(hub, cache), hub)


@pytest.mark.parametrize("tags", [True, False])
def test_a_body_that_is_cut_off_is_gone_on_with(hub: ModelHub, cache: Path, tags: bool) -> None:
    hub.tags = tags
    heard = Heard()
    hub.cut = 100_000
    assert_complete(pulled(hub, cache, heard), hub)
    steps = heard.resumed()
    assert steps == sorted(set(steps))
    assert steps[0] == 0
    assert len(steps) > QUICK.attempts  # what progresses is not given up
    files = [path for path in (hub.folder / "coco/3").iterdir() if path.name in {label for label, _, _ in heard.begun}]
    assert heard.received == sum(path.stat().st_size for path in files)  # no byte twice


def test_the_older_call_has_no_checksum_and_goes_on_by_the_tag(hub: ModelHub, cache: Path) -> None:
    hub.has_packages, hub.tags, hub.cut = False, True, 150_000
    heard = Heard()
    assert_complete(pulled(hub, cache, heard), hub)
    assert len(heard.resumed()) > 1
    assert "If-Range" in [headers for path, headers in hub.seen if "weights.onnx" in path][-1]


def test_without_checksum_and_tag_it_begins_anew(hub: ModelHub, cache: Path) -> None:
    hub.has_packages = False
    hub.cuts = [0, 150_000]
    heard = Heard()
    assert_complete(pulled(hub, cache, heard), hub)
    assert heard.resumed() == [0, 0]


def test_a_server_without_ranges_sends_everything_again(hub: ModelHub, cache: Path) -> None:
    hub.ranges = False
    hub.cuts = [0, 0, 150_000]
    heard = Heard()
    assert_complete(pulled(hub, cache, heard), hub)
    assert heard.resumed() == [0, 0]


def test_a_file_that_has_changed_meanwhile_is_not_mixed(hub: ModelHub, cache: Path) -> None:
    hub.has_packages, hub.tags = False, True
    hub.cut = 150_000
    with pytest.raises(DownloadError, match="broke off"):
        pulled(hub, cache, patience=Patience(attempts=1))
    assert partial(cache).exists()
    hub.cut = 0
    hub.add("coco/3", ballast=2 * BALLAST)
    assert_complete(pulled(hub, cache), hub)


def test_a_wrong_checksum_is_fetched_once_more_and_then_told(hub: ModelHub, cache: Path) -> None:
    hub.wrong_checksum = True
    with pytest.raises(DownloadError, match="another checksum than the hub says, twice") as caught:
        pulled(hub, cache)
    assert caught.value.reason is Reason.CORRUPT_DATA
    assert hub.asked("/coco/3/weights.onnx") == 2
    assert find(cache, "coco/3") is None
    assert not partial(cache).exists()
    hub.wrong_checksum = False
    assert_complete(pulled(hub, cache), hub)


def test_a_slow_server_is_waited_for(hub: ModelHub, cache: Path) -> None:
    hub.pause = 0.02
    assert_complete(pulled(hub, cache), hub)


def test_a_server_that_falls_silent_is_left(hub: ModelHub, cache: Path) -> None:
    hub.stall = 100_000
    hub.ranges = False
    with pytest.raises(DownloadError, match="no answer in time") as caught:
        pulled(hub, cache, patience=HASTY)
    assert caught.value.reason is Reason.TIMEOUT


def test_a_server_that_never_answers_is_left(hub: ModelHub, cache: Path) -> None:
    hub.mute = True
    with pytest.raises(DownloadError, match="no answer in time"):
        pulled(hub, cache, patience=HASTY)


def test_nobody_listens(hub: ModelHub, cache: Path) -> None:
    settings = StoreSettings(cache, KEY, "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match="no connection") as caught:
        fetch("coco/3", settings, Heard(), QUICK)
    assert caught.value.reason is Reason.UNREACHABLE


def test_two_threads_fetch_it_once(hub: ModelHub, cache: Path) -> None:
    hub.pause = 0.01
    found: list[CachedModel] = []
    threads = [threading.Thread(target=lambda: found.append(pulled(hub, cache))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert hub.asked("/coco/3/weights.onnx") == 1


def test_a_damaged_model_is_fetched_again(hub: ModelHub, cache: Path) -> None:
    weights = pulled(hub, cache).directory / "weights.onnx"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert find(cache, "coco/3") is None
    assert_complete(pulled(hub, cache), hub)
