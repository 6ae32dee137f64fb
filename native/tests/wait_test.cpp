// Waiting on a word: no event is missed, a time-out ends, another process is woken.
#include "mpipeline/wait.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "check.hpp"

using namespace mpipeline;
using namespace std::chrono_literals;

namespace {

void counts_and_times_out() {
    std::uint32_t memory = 0;
    WakeWord word(memory);
    CHECK(word.count() == 0);
    CHECK(word.wait(0, 0ns) == 0);
    CHECK(word.wait(0, 2ms) == 0);
    word.wake();
    CHECK(word.count() == 1);
    CHECK(word.wait(0, 1h) == 1);  // at once: the event came before
    memory = 0xFFFF'FFFE;
    word.wake();
    CHECK(word.count() == 0);  // wraps
}

void misses_nothing_between_threads() {
    constexpr std::uint32_t kRounds = 20'000;
    std::uint32_t there = 0;
    std::uint32_t back = 0;
    std::thread answering([&] {
        for (std::uint32_t round = 0; round < kRounds; ++round) {
            while (WakeWord(there).wait(round, 10s) == round) {
            }
            WakeWord(back).wake();
        }
    });
    for (std::uint32_t round = 0; round < kRounds; ++round) {
        WakeWord(there).wake();
        while (WakeWord(back).wait(round, 10s) == round) {
        }
    }
    answering.join();
    CHECK(WakeWord(back).count() == kRounds);
}

void wakes_another_process() {
    void* memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    auto* words = static_cast<std::uint32_t*>(memory);
    const pid_t child = fork();
    if (child == 0) {
        WakeWord(words[0]).wake();
        _exit(WakeWord(words[1]).wait(0, 60s) == 1 ? 0 : 1);
    }
    CHECK(WakeWord(words[0]).wait(0, 60s) == 1);
    WakeWord(words[1]).wake();
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    munmap(memory, 4096);
}

}  // namespace

int main() {
    counts_and_times_out();
    wakes_another_process();
    misses_nothing_between_threads();
    return 0;
}
