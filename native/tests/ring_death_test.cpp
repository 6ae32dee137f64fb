// Deaths between two instructions of the writer or a reader, and readers that go while a frame is being published.
#include <atomic>
#include <thread>

#include "check.hpp"
#include "ring_fixture.hpp"

using namespace mpipeline;
using namespace std::chrono_literals;

namespace {

// A writer dies after each step of a publish; its successor goes on with the right frame id and sequence.
void death_in_a_publish(int steps) {
    Fixture f;
    f.ring.add_reader(0, true);
    f.publish(1);
    const std::uint32_t slot = f.reserve();
    SlotHeader header = frame(2);
    if (steps >= 1) {
        RingSteps::stage(f.ring, slot, header);
    }
    if (steps >= 2) {
        RingSteps::offer(f.ring, slot, header.sequence, f.ring.readers());
    }
    if (steps >= 3) {
        RingSteps::settle(f.ring, {2, 2, header.pts});
    }
    const std::uint64_t last = steps >= 2 ? 2 : 1;
    CHECK(f.ring.last_published().frame_id == last);
    CHECK(f.ring.last_published().pts == static_cast<double>(last) / 25);
    CHECK(f.ring.reap_writer() == (steps >= 2 ? 0U : 1U));
    CHECK(f.ring.reap_writer() == 0);
    CHECK(f.ring.last_published().frame_id == last);
    CHECK(f.ring.published_count() == last);
    f.publish(last + 1);
    const auto frames = f.ring.pending(0);
    CHECK(frames.size() == last + 1);
    for (std::uint64_t i = 0; i < frames.size(); ++i) {
        CHECK(frames[i].header.frame_id == i + 1 && frames[i].header.sequence == i + 1);
    }
}

// The stamp goes first and comes last: a half-written header is nobody's.
void death_in_a_header() {
    Fixture f;
    f.ring.add_reader(0, true);
    const auto [slot, sequence] = f.publish(1);
    f.ring.acquire(slot, sequence, 0);
    f.ring.release(slot, sequence, 0);
    for (std::uint64_t id = 2; id <= kFewSlots; ++id) {
        f.publish(id);
    }
    CHECK(f.reserve() == slot);
    std::uint64_t* words = RingSteps::header_words(f.ring, slot);
    words[15] = 0;
    words[0] = 99;
    f.ring.reap_writer();
    CHECK(f.ring.last_published().frame_id == kFewSlots);
    CHECK(!f.ring.header(slot, sequence));
}

void readers_die_and_go() {
    Fixture f;
    f.ring.add_reader(0, true);
    f.ring.add_reader(1, false);
    const auto [first, one] = f.publish(1);
    const auto [second, two] = f.publish(2);
    CHECK(f.ring.acquire(second, two, 0) && f.ring.acquire(first, one, 0));
    CHECK(f.ring.recover(0) == 2);
    CHECK(f.ring.recover(0) == 0);
    CHECK(f.ring.pending(0).front().header.frame_id == 1);
    CHECK(f.ring.acquire(first, one, 0));
    CHECK(f.ring.reap(0) == 2);
    CHECK(f.ring.reap(0) == 0);
    CHECK(!f.ring.release(first, one, 0));  // a late release of one taken for dead
    CHECK(f.ring.remove_reader(1) == 2);
    CHECK(f.ring.idle() && f.ring.readers() == 1 && f.ring.pinned() == 1);
}

// A reader is removed while a frame is being published to it: whoever comes second clears the bit.
void removal_meets_publish() {
    Fixture f;
    f.ring.add_reader(0, true);
    f.ring.add_reader(1, false);
    const std::uint32_t slot = f.reserve();
    SlotHeader header = frame(1);
    RingSteps::stage(f.ring, slot, header);
    // The writer reads the mask, is overtaken by remove_reader, then sets the bits.
    const ReaderMask named = f.ring.readers();
    f.ring.remove_reader(0);
    RingSteps::offer(f.ring, slot, header.sequence, named);
    CHECK((f.ring.control(slot) == Control{header.sequence, 0b10, 0}));
    // The same, and it is killed before it looks again.
    RingSteps::control_word(f.ring, slot) = Control{header.sequence, 0b11, 0}.pack();
    f.ring.reap_writer();
    CHECK((f.ring.control(slot) == Control{header.sequence, 0b10, 0}));
    RingSteps::control_word(f.ring, slot) = Control{header.sequence, 0b11, 0}.pack();
    f.ring.add_reader(0, false);  // its successor is not offered what was the predecessor's
    CHECK((f.ring.control(slot) == Control{header.sequence, 0b10, 0}));
}

// The same as a race: while a writer publishes without pause, a reader comes and goes; no slot stays pending for it.
void removal_races_publish() {
    constexpr int kRounds = 100'000;
    Fixture f;
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        for (std::uint64_t id = 1; !stop; ++id) {
            std::optional<std::uint32_t> slot;
            while (!slot && !stop) {
                slot = f.ring.reserve(Overflow::wait, 1ms);
            }
            if (slot) {
                f.ring.publish(*slot, frame(id));
            }
        }
    });
    for (int round = 0; round < kRounds; ++round) {
        f.ring.add_reader(0, true);
        f.ring.remove_reader(0);
    }
    stop = true;
    writer.join();
    CHECK(f.ring.idle());
}

}  // namespace

int main() {
    for (int steps = 0; steps <= 3; ++steps) {
        death_in_a_publish(steps);
    }
    death_in_a_header();
    readers_die_and_go();
    removal_meets_publish();
    removal_races_publish();
    return 0;
}
