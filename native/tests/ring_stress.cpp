// A writer and three readers in threads, all of which die and come back at random: no torn frame, no leaked slot.
//
// usage: ring_stress FRAMES wait|reuse|reuse-pinned [SEED]
//
// A death is a return from the middle of an operation, without its rest; then the owner's duties are done and a
// successor starts. Payloads are plain memory: under ThreadSanitizer the run also shows that the control word alone
// orders all accesses to them.
#include <array>
#include <atomic>
#include <cstdio>
#include <random>
#include <string>
#include <thread>

#include "check.hpp"
#include "ring_fixture.hpp"

using namespace mpipeline;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kSlots = 6;
constexpr std::uint64_t kBytes = 2048;
constexpr unsigned kReaders = 3;
constexpr unsigned kPinnedReader = 0;  // in the modes that pin
constexpr unsigned kLeavingReader = 2;  // is removed and added again instead of reaped
constexpr unsigned kDeathsOneIn = 200;

struct Stress {
    std::uint64_t frames;
    Overflow overflow;
    bool pinned;
    unsigned seed;
    TestMemory memory{segment_bytes(kSlots, kBytes)};
    Ring ring = Ring::create(memory.span(), {kSlots, kBytes, 0, 0, 0});
    std::atomic<bool> writer_done{false};
    std::atomic<std::uint64_t> torn{0}, read{0}, deaths{0}, removals{0}, out_of_order{0};
};

class Dice {
public:
    explicit Dice(unsigned seed) : engine_(seed) {}
    bool one_in(unsigned n) { return engine_() % n == 0; }
    unsigned below(unsigned n) { return static_cast<unsigned>(engine_() % n); }

private:
    std::minstd_rand engine_;
};

unsigned char pattern(std::uint64_t frame_id) { return static_cast<unsigned char>(frame_id * 31 + frame_id / 251); }

// One life of a writer; true when all frames are published.
bool write_until_death(Stress& stress, Dice& dice) {
    Ring ring(stress.memory.span());
    ring.reap_writer();
    for (;;) {
        const std::uint64_t next = ring.last_published().frame_id + 1;
        if (next > stress.frames) {
            return true;
        }
        const auto slot = ring.reserve(stress.overflow, 50ms);
        if (!slot) {
            continue;
        }
        const bool dies = dice.one_in(kDeathsOneIn);
        const unsigned last_step = dies ? dice.below(5) : 5;
        unsigned char* payload = stress.memory.payload(ring, *slot);
        std::memset(payload, pattern(next), last_step == 0 ? kBytes / 2 : kBytes);
        if (!dies) {
            ring.publish(*slot, frame(next, kBytes));
            if (stress.overflow == Overflow::reuse && dice.one_in(2)) {
                std::this_thread::yield();  // a writer that never waits would leave the readers nothing to read
            }
            continue;
        }
        SlotHeader header = frame(next, kBytes);
        if (last_step >= 2) {
            RingSteps::stage(ring, *slot, header);
        }
        if (last_step >= 3) {
            RingSteps::offer(ring, *slot, header.sequence, ring.readers());
        }
        if (last_step >= 4) {
            RingSteps::settle(ring, ring.last_published());
        }
        return false;  // dead: the slot stays reserved, or the record incomplete, or nobody was woken
    }
}

void writer(Stress& stress) {
    Dice dice(stress.seed);
    while (!write_until_death(stress, dice)) {
        stress.deaths++;
        std::this_thread::yield();
    }
    stress.writer_done = true;
}

struct Expectation {
    std::uint64_t last = 0;
    bool complete;  // every frame is seen, at least once
};

void check_frame(Stress& stress, Expectation& expected, const Ring& ring, const PendingFrame& pending) {
    const std::uint64_t id = pending.header.frame_id;
    const unsigned char* payload = stress.memory.payload(ring, pending.slot);
    for (std::uint64_t i = 0; i < kBytes; ++i) {
        if (payload[i] != pattern(id)) {
            stress.torn++;
            break;
        }
    }
    const bool is_next = expected.complete ? id == expected.last + 1 : id > expected.last;
    if (!is_next && id != expected.last) {
        stress.out_of_order++;
    }
    expected.last = id;
    stress.read++;
}

// Nothing is offered to a reader that was removed, not even by a publish that had begun before.
void check_gone(Stress& stress, Ring& ring, unsigned bit) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    const auto is_gone = [&] {
        for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
            const Control now = ring.control(slot);
            if (((now.pending | now.held) >> bit & 1U) != 0) {
                return false;
            }
        }
        return true;
    };
    while (!is_gone()) {  // a writer that was killed in between leaves it to its successor
        CHECK(std::chrono::steady_clock::now() < deadline);
        std::this_thread::yield();
    }
    stress.removals++;
}

// What the owner does for a reader that died, and then the reader's successor.
void bury(Stress& stress, Ring& ring, unsigned bit, bool complete, Dice& dice) {
    if (complete) {
        ring.recover(bit);
    } else if (bit == kLeavingReader) {
        ring.remove_reader(bit);
        check_gone(stress, ring, bit);
        ring.add_reader(bit, false);
    } else if (dice.one_in(2)) {
        ring.reap(bit);
    } else {
        ring.recover(bit);
    }
}

void reader(Stress& stress, unsigned bit) {
    Dice dice(stress.seed + 1 + bit);
    Ring ring(stress.memory.span());
    Expectation expected{0, bit == kPinnedReader && (stress.pinned || stress.overflow == Overflow::wait)};
    std::uint32_t seen = 0;
    for (;;) {
        const bool last_look = stress.writer_done;
        bool died = false;
        for (const PendingFrame& pending : ring.pending(bit)) {
            if (!expected.complete && dice.one_in(8)) {
                ring.skip(pending.slot, pending.header.sequence, static_cast<ReaderMask>(1U << bit));
                continue;
            }
            if (!ring.acquire(pending.slot, pending.header.sequence, bit)) {
                continue;  // expired
            }
            if (dice.one_in(16)) {
                std::this_thread::yield();
            }
            check_frame(stress, expected, ring, pending);
            died = dice.one_in(kDeathsOneIn);
            if (died) {
                stress.deaths++;
                bury(stress, ring, bit, expected.complete, dice);
                break;
            }
            CHECK(ring.release(pending.slot, pending.header.sequence, bit));
        }
        if (last_look && !died) {
            break;
        }
        if (!died) {
            seen = ring.wait_published(seen, 20ms);
        }
    }
    if (expected.complete) {
        CHECK(expected.last == stress.frames);
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 3) {
        std::fprintf(stderr, "usage: ring_stress FRAMES wait|reuse|reuse-pinned [SEED]\n");
        return 2;
    }
    const std::string mode = arguments[2];
    const bool waits = mode == "wait";
    const unsigned seed = count > 3 ? static_cast<unsigned>(std::atoi(arguments[3])) : 1;
    Stress stress{std::strtoull(arguments[1], nullptr, 10), waits ? Overflow::wait : Overflow::reuse,
                  mode == "reuse-pinned", seed};
    for (unsigned bit = 0; bit < kReaders; ++bit) {
        stress.ring.add_reader(bit, stress.pinned && bit == kPinnedReader);
    }
    std::array<std::thread, kReaders + 1> threads;
    for (unsigned bit = 0; bit < kReaders; ++bit) {
        threads[bit] = std::thread([&stress, bit] { reader(stress, bit); });
    }
    threads[kReaders] = std::thread([&stress] { writer(stress); });
    for (std::thread& thread : threads) {
        thread.join();
    }
    std::printf("%s: published %llu, read %llu, expired %llu, deaths %llu, removals %llu, torn %llu, out of order %llu, idle %d\n",
                mode.c_str(), static_cast<unsigned long long>(stress.ring.published_count()),
                static_cast<unsigned long long>(stress.read.load()),
                static_cast<unsigned long long>(stress.ring.expired()),
                static_cast<unsigned long long>(stress.deaths.load()),
                static_cast<unsigned long long>(stress.removals.load()),
                static_cast<unsigned long long>(stress.torn.load()),
                static_cast<unsigned long long>(stress.out_of_order.load()), stress.ring.idle());
    CHECK(stress.ring.published_count() == stress.frames);
    CHECK(stress.ring.last_published().frame_id == stress.frames);
    CHECK(stress.torn == 0);
    CHECK(stress.out_of_order == 0);
    CHECK(stress.ring.idle());
    return 0;
}
