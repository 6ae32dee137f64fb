// Small operations on the words of a ring, shared by the files that implement it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "mpipeline/ring.hpp"

namespace mpipeline {

inline constexpr unsigned kPinnedShift = 16;

template <class Value>
Value load(Value& place) noexcept {
    return std::atomic_ref<Value>(place).load();
}

template <class Value>
void store(Value& place, Value value) noexcept {
    std::atomic_ref<Value>(place).store(value);
}

inline ReaderMask mask_of(unsigned bit) {
    if (bit >= kMaxReaders) {
        throw RingFault("reader bit " + std::to_string(bit) + " is out of range: a ring has at most " +
                        std::to_string(kMaxReaders) + " readers, bits 0 to 14");
    }
    return static_cast<ReaderMask>(1U << bit);
}

constexpr ReaderMask without(ReaderMask mask, ReaderMask removed) noexcept {
    return static_cast<ReaderMask>(mask & ~removed);
}

// The 64-bit count of publishes whose lower half is the next sequence; 0 means "never published" and is left out.
constexpr std::uint64_t after(std::uint64_t sequence) noexcept {
    const std::uint64_t next = sequence + 1;
    return static_cast<std::uint32_t>(next) == 0 ? next + 1 : next;
}

}  // namespace mpipeline
