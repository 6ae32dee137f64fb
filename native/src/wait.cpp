// Sleeping on a word in shared memory: a futex that processes share, and a poll where there is none.
#include "mpipeline/wait.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <thread>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace mpipeline {
namespace {

constexpr std::uint32_t kSleeper = 1;
constexpr std::uint32_t kEvent = 2;
constexpr std::chrono::milliseconds kPollInterval{1};

void poll_once(std::chrono::nanoseconds timeout) noexcept {
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(timeout, kPollInterval));
}

#if defined(__linux__) && defined(SYS_futex)
// std::atomic::wait and FUTEX_PRIVATE_FLAG see only the threads of one process; the plain operations see them all.
void sleep_while_equal(std::uint32_t& word, std::uint32_t value, std::chrono::nanoseconds timeout) noexcept {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
    timespec relative{};
    relative.tv_sec = static_cast<std::time_t>(seconds.count());
    relative.tv_nsec = static_cast<long>((timeout - seconds).count());
    if (syscall(SYS_futex, &word, FUTEX_WAIT, value, &relative, nullptr, 0) == -1 && errno != EAGAIN &&
        errno != EINTR && errno != ETIMEDOUT) {
        poll_once(timeout);  // forbidden by a sandbox, or unknown to this kernel
    }
}

void wake_all(std::uint32_t& word) noexcept {
    constexpr int kEverybody = 0x7FFFFFFF;
    syscall(SYS_futex, &word, FUTEX_WAKE, kEverybody, nullptr, nullptr, 0);
}
#else
void sleep_while_equal(std::uint32_t& word, std::uint32_t value, std::chrono::nanoseconds timeout) noexcept {
    if (std::atomic_ref<std::uint32_t>(word).load() == value) {
        poll_once(timeout);
    }
}

void wake_all(std::uint32_t&) noexcept {}
#endif

}  // namespace

std::uint32_t WakeWord::count() const noexcept { return std::atomic_ref<std::uint32_t>(word_).load() / kEvent; }

void WakeWord::wake() noexcept {
    std::atomic_ref<std::uint32_t> word(word_);
    if ((word.fetch_add(kEvent) & kSleeper) != 0) {
        // Who begins to sleep after this line sets the bit again and has seen the new count.
        word.fetch_and(~kSleeper);
        wake_all(word_);
    }
}

std::uint32_t WakeWord::wait(std::uint32_t seen, std::chrono::nanoseconds timeout) noexcept {
    using Clock = std::chrono::steady_clock;
    std::atomic_ref<std::uint32_t> word(word_);
    const Clock::time_point start = Clock::now();
    for (;;) {
        std::uint32_t value = word.load();
        const std::chrono::nanoseconds left = timeout - (Clock::now() - start);
        if (value / kEvent != seen || left <= left.zero()) {
            return value / kEvent;
        }
        if ((value & kSleeper) != 0 || word.compare_exchange_strong(value, value | kSleeper)) {
            sleep_while_equal(word_, value | kSleeper, std::min<std::chrono::nanoseconds>(left, kLongestSleep));
        }
    }
}

}  // namespace mpipeline
