// The control word: the 64 bits that own a slot, and the compare-and-swap by which they change.
//
//   63            32 31        16 15         0
//  |   sequence     |  pending    |   held    |
//
// pending: readers that may still want the frame. held: readers that look at it now; bit 15 is the writer.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace mpipeline {

using ReaderMask = std::uint16_t;

inline constexpr unsigned kMaxReaders = 15;
inline constexpr ReaderMask kWriterBit = 1U << kMaxReaders;
inline constexpr ReaderMask kAllReaders = kWriterBit - 1;
inline constexpr ReaderMask kFirstReader = 1;  // whom a ring is for, unless its writer says otherwise

// A lock inside an atomic would be private to one process, and would stay locked when its holder is killed.
static_assert(std::atomic_ref<std::uint32_t>::is_always_lock_free);
static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free);

struct Control {
    std::uint32_t sequence = 0;  // 0: nothing was ever published here
    ReaderMask pending = 0;
    ReaderMask held = 0;

    [[nodiscard]] constexpr std::uint64_t pack() const noexcept {
        return std::uint64_t{sequence} << 32 | std::uint64_t{pending} << 16 | held;
    }
    [[nodiscard]] static constexpr Control unpack(std::uint64_t word) noexcept {
        return {static_cast<std::uint32_t>(word >> 32), static_cast<ReaderMask>(word >> 16),
                static_cast<ReaderMask>(word)};
    }
    [[nodiscard]] constexpr bool is_free() const noexcept { return pending == 0 && held == 0; }
    [[nodiscard]] constexpr bool is_written() const noexcept { return (held & kWriterBit) != 0; }

    friend constexpr bool operator==(const Control&, const Control&) = default;
};

// Sequences are 32 bits and wrap; 0 is left out. Two that are compared are never 2^31 apart.
[[nodiscard]] constexpr bool is_older(std::uint32_t left, std::uint32_t right) noexcept {
    return static_cast<std::int32_t>(left - right) < 0;
}

struct Transition {
    Control before;
    Control after;
};

// Applies `step`, a function Control -> optional<Control>, as one atomic transition; nothing if `step` refuses.
//
// Sequentially consistent: `Ring::publish` and `Ring::remove_reader` each write one word and then read the
// other's, and one of the two has to see what the other did.
template <class Step>
std::optional<Transition> transition(std::uint64_t& word, Step step) noexcept {
    std::atomic_ref<std::uint64_t> control(word);
    std::uint64_t seen = control.load();
    for (;;) {
        const Control before = Control::unpack(seen);
        const std::optional<Control> after = step(before);
        if (!after) {
            return std::nullopt;
        }
        if (control.compare_exchange_weak(seen, after->pack())) {
            return Transition{before, *after};
        }
    }
}

}  // namespace mpipeline
