"""Random operations on a ring, compared after each with a model of the slots in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.ring_memory import aligned_memory

from mpipeline._native import WRITER_BIT, Ring, SlotHeader, segment_bytes

SLOTS = 3
BITS = st.integers(0, 2)
SLOT = st.integers(0, SLOTS - 1)


@dataclass
class Slot:
    sequence: int = 0
    frame_id: int = 0
    pending: set[int] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    reserved: bool = False

    def is_free(self) -> bool:
        return not (self.pending or self.held or self.reserved)


def mask(bits: set[int]) -> int:
    return sum(1 << bit for bit in bits)


class RingMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ring = Ring.create(aligned_memory(segment_bytes(SLOTS, 64)), SLOTS, 64)
        self.model = [Slot() for _ in range(SLOTS)]
        self.readers: dict[int, bool] = {}  # bit → pinned
        self.published = 0
        self.last_frame_id = 0
        self.expired = 0

    def pinned(self) -> set[int]:
        return {bit for bit, pinned in self.readers.items() if pinned}

    @rule(reuse=st.booleans())
    def reserve(self, reuse: bool) -> None:
        slots = [slot for slot in range(SLOTS) if self.model[slot].is_free()]
        if not slots and reuse:
            slots = [
                number
                for number, slot in enumerate(self.model)
                if not slot.held and not slot.reserved and not slot.pending & self.pinned()
            ]
        chosen = self.ring.reserve(reuse, 0)
        assert chosen == min(slots, key=lambda slot: self.model[slot].sequence, default=None)
        if chosen is not None:
            self.expired += 0 in self.model[chosen].pending
            self.model[chosen].pending = set()
            self.model[chosen].reserved = True

    @precondition(lambda self: any(slot.reserved for slot in self.model))
    @rule(gap=st.integers(1, 3), data=st.data())
    def publish(self, gap: int, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from([n for n, slot in enumerate(self.model) if slot.reserved]))
        header = SlotHeader()
        header.frame_id = self.last_frame_id + gap
        self.published += 1
        self.last_frame_id += gap
        assert self.ring.publish(slot, header) == self.published
        self.model[slot] = Slot(self.published, self.last_frame_id, set(self.readers))

    @precondition(lambda self: any(slot.reserved for slot in self.model))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from([n for n, slot in enumerate(self.model) if slot.reserved]))
        self.ring.cancel(slot)
        self.model[slot].reserved = False

    @rule(slot=SLOT, bit=BITS, behind=st.sampled_from([0, 0, 0, 1]))
    def acquire(self, slot: int, bit: int, behind: int) -> None:
        model = self.model[slot]
        possible = behind == 0 and bit in model.pending and not model.reserved
        assert self.ring.acquire(slot, max(0, model.sequence - behind), bit) == (possible and model.sequence > 0)
        if possible:
            model.pending.discard(bit)
            model.held.add(bit)

    @rule(slot=SLOT, bit=BITS)
    def release(self, slot: int, bit: int) -> None:
        assert self.ring.release(slot, self.model[slot].sequence, bit) == (bit in self.model[slot].held)
        self.model[slot].held.discard(bit)

    @rule(slot=SLOT, bits=st.sets(BITS))
    def skip(self, slot: int, bits: set[int]) -> None:
        model = self.model[slot]
        assert self.ring.skip(slot, model.sequence, mask(bits)) == bool(model.pending & bits)
        model.pending -= bits

    @rule(bit=BITS)
    def recover(self, bit: int) -> None:
        mine = [slot for slot in self.model if bit in slot.held]
        assert self.ring.recover(bit) == len(mine)
        for slot in mine:
            slot.held.discard(bit)
            slot.pending.add(bit)

    @rule(bit=BITS, leaves=st.booleans())
    def reap(self, bit: int, leaves: bool) -> None:
        mine = [slot for slot in self.model if bit in slot.held | slot.pending]
        assert (self.ring.remove_reader(bit) if leaves else self.ring.reap(bit)) == len(mine)
        for slot in mine:
            slot.held.discard(bit)
            slot.pending.discard(bit)
        if leaves:
            self.readers.pop(bit, None)

    @rule()
    def reap_writer(self) -> None:
        assert self.ring.reap_writer() == sum(slot.reserved for slot in self.model)
        for slot in self.model:
            slot.reserved = False

    @rule(bit=BITS, pinned=st.booleans())
    def add_reader(self, bit: int, pinned: bool) -> None:
        self.ring.add_reader(bit, pinned)
        self.readers[bit] = pinned

    @invariant()
    def control_words_agree(self) -> None:
        for number, slot in enumerate(self.model):
            held = mask(slot.held) | (WRITER_BIT if slot.reserved else 0)
            assert self.ring.control(number) == (slot.sequence, mask(slot.pending), held)
        assert self.ring.idle() == all(slot.is_free() for slot in self.model)

    @invariant()
    def counters_agree(self) -> None:
        assert self.ring.published == self.published
        assert self.ring.last_frame_id == self.last_frame_id
        assert self.ring.expired == self.expired
        assert self.ring.readers == mask(set(self.readers))
        assert self.ring.pinned == mask(self.pinned())

    @invariant()
    def pending_frames_agree(self) -> None:
        for bit in range(3):
            expected = sorted(slot.frame_id for slot in self.model if bit in slot.pending)
            assert [header.frame_id for _, header in self.ring.pending(bit)] == expected


TestRingModel = RingMachine.TestCase
TestRingModel.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
