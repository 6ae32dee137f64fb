// The writer's side of a ring: reserve, publish, cancel, and what is put right after a writer's death.
#include <algorithm>
#include <bit>

#include "ring_words.hpp"

namespace mpipeline {

using std::chrono::nanoseconds;

std::optional<std::uint32_t> Ring::try_reserve(Overflow overflow, ReaderMask counted) {
    for (;;) {
        const ReaderMask pinned_readers = pinned();
        std::optional<std::uint32_t> best;
        Control seen;
        for (std::uint32_t slot = 0; slot < slots_; ++slot) {
            const Control candidate = control(slot);
            const bool reusable = overflow == Overflow::reuse && candidate.held == 0 &&
                                  (candidate.pending & pinned_readers) == 0;
            if (!candidate.is_free() && !reusable) {
                continue;
            }
            const bool first_free = candidate.is_free() && !seen.is_free();
            const bool same_and_older =
                candidate.is_free() == seen.is_free() && is_older(candidate.sequence, seen.sequence);
            if (!best || first_free || same_and_older) {
                best = slot;
                seen = candidate;
            }
        }
        if (!best) {
            return std::nullopt;
        }
        std::uint64_t expected = seen.pack();
        const Control taken{seen.sequence, 0, kWriterBit};
        if (std::atomic_ref<std::uint64_t>(control_word(*best)).compare_exchange_strong(expected, taken.pack())) {
            if ((seen.pending & counted) != 0) {
                std::atomic_ref<std::uint64_t>(ring_header().expired).fetch_add(1);
            }
            return best;
        }
    }
}

std::optional<std::uint32_t> Ring::reserve(Overflow overflow, nanoseconds timeout, ReaderMask counted) {
    const auto start = std::chrono::steady_clock::now();
    for (;;) {
        const std::uint32_t seen = released().count();  // before the look, so that no release is missed
        if (const auto slot = try_reserve(overflow, counted)) {
            return slot;
        }
        const nanoseconds left = timeout - (std::chrono::steady_clock::now() - start);
        if (left <= nanoseconds::zero()) {
            return std::nullopt;
        }
        // In pieces: a reader that was killed between its release and the wake has freed a slot silently.
        released().wait(seen, std::min<nanoseconds>(left, WakeWord::kLongestSleep));
    }
}

std::uint32_t Ring::publish(std::uint32_t slot, SlotHeader header) {
    stage(slot, header);
    offer(slot, header.sequence, readers());
    settle({after(load(ring_header().sequence)), header.frame_id, header.pts});
    published().wake();
    return header.sequence;
}

// Killed before the end of this: the slot is still reserved and its stamp, if any, is not its control word's.
void Ring::stage(std::uint32_t slot, SlotHeader& header) {
    const Control now = control(slot);
    if (now.held != kWriterBit || now.pending != 0) {
        throw RingFault("slot " + std::to_string(slot) + " cannot be published: it is not reserved");
    }
    const std::uint64_t last = load(ring_header().last_frame_id);
    if (header.frame_id <= last) {
        throw RingFault("frame " + std::to_string(header.frame_id) + " cannot be published after frame " +
                        std::to_string(last) + ": frame ids must grow");
    }
    check_geometry(header);
    header.source_index = source_index_;
    header.layout_version = kLayoutVersion;
    header.sequence = static_cast<std::uint32_t>(after(load(ring_header().sequence)));
    store_header(header_words(slot), header);
}

// From the compare-and-swap on the frame is published, whatever happens to the writer.
void Ring::offer(std::uint32_t slot, std::uint32_t sequence, ReaderMask named) {
    const auto done = transition(control_word(slot), [&](Control now) -> std::optional<Control> {
        if (now.held != kWriterBit || now.pending != 0) {
            return std::nullopt;
        }
        return Control{sequence, named, 0};
    });
    if (!done) {
        throw RingFault("slot " + std::to_string(slot) + " was taken away while it was being published");
    }
    // A reader that was removed meanwhile may have been swept from this slot before the line above set its bit.
    withdraw(slot, sequence, without(named, readers()));
}

// `sequence` last: a record that was not completed is made again, from the slot, by last_published().
void Ring::settle(const LastFrame& last) noexcept {
    RingHeader& header = ring_header();
    store(header.last_pts, std::bit_cast<std::uint64_t>(last.pts));
    store(header.last_frame_id, last.frame_id);
    store(header.sequence, last.sequence);
}

void Ring::withdraw(std::uint32_t slot, std::uint32_t sequence, ReaderMask mask) noexcept {
    transition(control_word(slot), [&](Control now) -> std::optional<Control> {
        if (now.sequence != sequence || (now.pending & mask) == 0) {
            return std::nullopt;
        }
        return Control{now.sequence, without(now.pending, mask), now.held};
    });
}

void Ring::cancel(std::uint32_t slot) {
    check_slot(slot);
    const auto done = transition(control_word(slot), [](Control now) -> std::optional<Control> {
        if (!now.is_written()) {
            return std::nullopt;
        }
        return Control{now.sequence, now.pending, without(now.held, kWriterBit)};
    });
    if (!done) {
        throw RingFault("slot " + std::to_string(slot) + " cannot be given back: it is not reserved");
    }
}

unsigned Ring::reap_writer() {
    settle(last_published());
    unsigned freed = 0;
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
        const ReaderMask present = readers();
        const auto done = transition(control_word(slot), [&](Control now) -> std::optional<Control> {
            const Control next{now.sequence, static_cast<ReaderMask>(now.pending & present),
                               without(now.held, kWriterBit)};
            return next == now ? std::nullopt : std::optional(next);
        });
        freed += done && done->before.is_written() ? 1U : 0U;
    }
    published().wake();
    released().wake();
    return freed;
}

}  // namespace mpipeline
