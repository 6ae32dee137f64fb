// Waiting for another process: a counter in shared memory that can be slept on.
#pragma once

#include <chrono>
#include <cstdint>

namespace mpipeline {

// Counts events in the upper 31 bits of a 32-bit word; the lowest bit says that somebody sleeps on it, so that an
// event without listeners costs no system call.
//
// Any process may be killed between any two instructions. A killed sleeper leaves the lowest bit set, which costs one
// system call. A killed waker may leave sleepers unwoken: nobody sleeps longer than `kLongestSleep` without looking.
class WakeWord {
public:
    static constexpr std::chrono::milliseconds kLongestSleep{100};

    explicit WakeWord(std::uint32_t& word) noexcept : word_(word) {}

    [[nodiscard]] std::uint32_t count() const noexcept;
    // Counts one event and wakes all who wait.
    void wake() noexcept;
    // Returns when the count is no longer `seen`, or when the time is up; either way with the count.
    std::uint32_t wait(std::uint32_t seen, std::chrono::nanoseconds timeout) noexcept;

private:
    std::uint32_t& word_;
};

}  // namespace mpipeline
