"""The slots that may not be given back yet, because a sink has not acknowledged their frame."""

from __future__ import annotations

from collections.abc import Iterable

from mpipeline.ring.reader import Lease


class Ledger:
    """Per frame under `every_frame`: its lease, and the sinks that still owe an acknowledgement."""

    def __init__(self) -> None:
        self._owed: dict[tuple[str, int], tuple[Lease, set[str]]] = {}

    def __len__(self) -> int:
        return len(self._owed)

    def oldest(self, source: str) -> int | None:
        """The lowest frame id of `source` that is owed."""
        return min((frame_id for name, frame_id in self._owed if name == source), default=None)

    def keep(self, source: str, frame_id: int, lease: Lease, sinks: Iterable[str]) -> None:
        """Holds the lease until each of `sinks` has acknowledged; gives it back at once if there are none."""
        owing = set(sinks)
        if owing:
            self._owed[source, frame_id] = (lease, owing)
        else:
            lease.release()

    def settle(self, source: str, frame_id: int, sink: str) -> None:
        """`sink` has done this frame."""
        entry = self._owed.get((source, frame_id))
        if entry is None:
            return
        lease, owing = entry
        owing.discard(sink)
        if not owing:
            lease.release()
            del self._owed[source, frame_id]

    def forgive(self, sink: str) -> None:
        """`sink` is gone for good: nobody waits for it any longer."""
        for source, frame_id in list(self._owed):
            self.settle(source, frame_id, sink)

    def forget(self, source: str | None = None) -> None:
        """Drops all leases, or those of a source, without giving the slots back.

        A successor recovers them from the ring, or there is no ring any more.
        """
        for key in [key for key in self._owed if source in (None, key[0])]:
            del self._owed[key]
