// The readers' side of a ring: acquire, release, skip, recover; and their coming, going and dying.
#include <algorithm>

#include "ring_words.hpp"

namespace mpipeline {

bool Ring::acquire(std::uint32_t slot, std::uint32_t sequence, unsigned bit) {
    check_slot(slot);
    const ReaderMask mask = mask_of(bit);
    return transition(control_word(slot), [&](Control now) -> std::optional<Control> {
               if (now.sequence != sequence || (now.pending & mask) == 0 || now.is_written()) {
                   return std::nullopt;
               }
               return Control{now.sequence, without(now.pending, mask), static_cast<ReaderMask>(now.held | mask)};
           })
        .has_value();
}

bool Ring::release(std::uint32_t slot, std::uint32_t sequence, unsigned bit) {
    check_slot(slot);
    const ReaderMask mask = mask_of(bit);
    const auto done = transition(control_word(slot), [&](Control now) -> std::optional<Control> {
        if (now.sequence != sequence || (now.held & mask) == 0) {
            return std::nullopt;
        }
        return Control{now.sequence, now.pending, without(now.held, mask)};
    });
    if (done) {
        wake_writer(done->after);
    }
    return done.has_value();
}

bool Ring::skip(std::uint32_t slot, std::uint32_t sequence, ReaderMask mask) {
    check_slot(slot);
    if ((mask & kWriterBit) != 0) {
        throw RingFault("bit 15 is the writer: it cannot skip a frame");
    }
    const auto done = transition(control_word(slot), [&](Control now) -> std::optional<Control> {
        if (now.sequence != sequence || (now.pending & mask) == 0 || now.is_written()) {
            return std::nullopt;
        }
        return Control{now.sequence, without(now.pending, mask), now.held};
    });
    if (done) {
        wake_writer(done->after);
    }
    return done.has_value();
}

unsigned Ring::recover(unsigned bit) {
    const ReaderMask mask = mask_of(bit);
    unsigned recovered = 0;
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
        const auto done = transition(control_word(slot), [&](Control now) -> std::optional<Control> {
            if ((now.held & mask) == 0) {
                return std::nullopt;
            }
            return Control{now.sequence, static_cast<ReaderMask>(now.pending | mask), without(now.held, mask)};
        });
        recovered += done ? 1U : 0U;
    }
    released().wake();  // what the predecessor no longer holds may be reused
    return recovered;
}

std::vector<PendingFrame> Ring::pending(unsigned bit) {
    const ReaderMask mask = mask_of(bit);
    // What is published during the scan is left for the next one: of two such frames the scan could miss the first.
    const auto newest = static_cast<std::uint32_t>(last_published().sequence);
    std::vector<PendingFrame> frames;
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
        const Control now = control(slot);
        if ((now.pending & mask) == 0 || is_older(newest, now.sequence)) {
            continue;
        }
        if (const auto found = header(slot, now.sequence)) {
            frames.push_back({slot, *found});
        }
    }
    // By age, from the oldest: a total order, also for sequences that make no sense.
    std::sort(frames.begin(), frames.end(), [newest](const PendingFrame& left, const PendingFrame& right) {
        return newest - left.header.sequence > newest - right.header.sequence;
    });
    return frames;
}

std::optional<SlotHeader> Ring::header(std::uint32_t slot, std::uint32_t sequence) {
    const auto has_expired = [&](const Control& now) {
        return now.sequence != sequence || sequence == 0 || now.is_written();
    };
    if (has_expired(control(slot))) {
        return std::nullopt;
    }
    const SlotHeader found = load_header(header_words(slot));
    const Control now = control(slot);
    if (has_expired(now)) {
        return std::nullopt;
    }
    if (found.sequence != sequence) {
        if (now.is_free()) {
            return std::nullopt;  // reserved in between, and given back or reaped half-written
        }
        throw RingFault("the header of slot " + std::to_string(slot) + " is damaged: it bears sequence " +
                        std::to_string(found.sequence) + " where its control word has " + std::to_string(sequence));
    }
    if (found.layout_version != kLayoutVersion) {
        throw RingFault("slot " + std::to_string(slot) + " was written with layout version " +
                        std::to_string(found.layout_version) + ", this program speaks version " +
                        std::to_string(kLayoutVersion));
    }
    check_geometry(found);
    return found;
}

void Ring::add_reader(unsigned bit, bool pinned) {
    const ReaderMask mask = mask_of(bit);
    if ((readers() & mask) == 0) {
        reap(bit);  // a writer that was killed before it withdrew an offer may have left the bit of a predecessor
    }
    std::atomic_ref<std::uint32_t> masks(ring_header().masks);
    const std::uint32_t upper = std::uint32_t{mask} << kPinnedShift;
    std::uint32_t seen = masks.load();
    while (!masks.compare_exchange_weak(seen, ((seen | mask) & ~upper) | (pinned ? upper : 0))) {
    }
    released().wake();  // what is no longer pinned may be reused
}

unsigned Ring::remove_reader(unsigned bit) {
    const std::uint32_t mask = mask_of(bit);
    std::atomic_ref<std::uint32_t>(ring_header().masks).fetch_and(~(mask | mask << kPinnedShift));
    return reap(bit);  // after the mask: see offer()
}

unsigned Ring::reap(unsigned bit) {
    const ReaderMask mask = mask_of(bit);
    unsigned cleared = 0;
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
        const auto done = transition(control_word(slot), [&](Control now) -> std::optional<Control> {
            if (((now.pending | now.held) & mask) == 0) {
                return std::nullopt;
            }
            return Control{now.sequence, without(now.pending, mask), without(now.held, mask)};
        });
        cleared += done ? 1U : 0U;
    }
    released().wake();
    return cleared;
}

ReaderMask Ring::readers() const noexcept { return static_cast<ReaderMask>(load(ring_header().masks) & kAllReaders); }

ReaderMask Ring::pinned() const noexcept {
    return static_cast<ReaderMask>(load(ring_header().masks) >> kPinnedShift & kAllReaders);
}

}  // namespace mpipeline
