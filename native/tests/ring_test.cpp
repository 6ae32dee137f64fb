// The ring, one operation after the other: refusals, damage, deaths between two instructions, the wrap of sequences.
#include <atomic>
#include <thread>
#include <vector>

#include "check.hpp"
#include "ring_fixture.hpp"

using namespace mpipeline;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kSlots = 3;
constexpr std::uint64_t kBytes = 64;

struct Fixture {
    TestMemory memory{segment_bytes(kSlots, kBytes)};
    Ring ring = Ring::create(memory.span(), {kSlots, kBytes, 5, 42, 0});

    std::uint32_t reserve(Overflow overflow = Overflow::wait) {
        const auto slot = ring.reserve(overflow, 0ns);
        CHECK(slot);
        return *slot;
    }
    std::pair<std::uint32_t, std::uint32_t> publish(std::uint64_t frame_id) {
        const std::uint32_t slot = reserve();
        return {slot, ring.publish(slot, frame(frame_id))};
    }
};

void geometry_is_checked() {
    Fixture f;
    CHECK(Ring(f.memory.span()).slots() == kSlots);
    CHECK(f.ring.source_index() == 5 && f.ring.owner_pid() == 42);
    CHECK(f.ring.payload_offset(1) % kPage == 0);
    CHECK_THROWS(Ring(f.memory.span().first(100)), RingFault, "too few");
    CHECK_THROWS(Ring(f.memory.span().first(2 * kPage)), RingFault, "where its ring takes");
    CHECK_THROWS(Ring(f.memory.span().subspan(8)), RingFault, "multiple of 64");
    CHECK_THROWS(f.ring.control(kSlots), RingFault, "out of range");
    CHECK_THROWS(f.ring.acquire(kSlots, 1, 0), RingFault, "out of range");
    CHECK_THROWS(f.ring.acquire(0, 1, 15), RingFault, "out of range");
    CHECK_THROWS(f.ring.skip(0, 1, kWriterBit), RingFault, "writer");

    RingHeader& header = f.memory.header();
    header.layout_version = 7;
    CHECK_THROWS(Ring(f.memory.span()), RingFault, "version 7, this program speaks version 1");
    header.layout_version = kLayoutVersion;
    header.slot_count = 0xFFFF'FFFF;
    CHECK_THROWS(Ring(f.memory.span()), RingFault, "not possible");
    header.slot_count = kSlots;
    header.payload_bytes = ~std::uint64_t{0};
    CHECK_THROWS(Ring(f.memory.span()), RingFault, "not possible");
    header.payload_bytes = kBytes;
    header.slot_stride = 1;
    CHECK_THROWS(Ring(f.memory.span()), RingFault, "damaged");
    header.slot_stride = slot_stride(kBytes);
    header.magic = 0;
    CHECK_THROWS(Ring(f.memory.span()), RingFault, "never completed");
}

void damage_stays_inside() {
    Fixture f;
    f.ring.add_reader(0, false);
    const auto [slot, sequence] = f.publish(1);
    std::memset(&f.memory.header(), 0xFF, sizeof(RingHeader));  // after the attachment
    CHECK(f.ring.pending(0).size() == 1);
    CHECK(f.ring.acquire(slot, sequence, 0));
    RingSteps::header_words(f.ring, slot)[14] = ~std::uint64_t{0};  // payload_length
    CHECK_THROWS(f.ring.header(slot, sequence), RingFault, "outside");
    RingSteps::header_words(f.ring, slot)[15] = 0;  // the stamp
    CHECK_THROWS(f.ring.header(slot, sequence), RingFault, "damaged");
    for (std::uint32_t i = 0; i < kSlots; ++i) {  // sequences without order
        RingSteps::control_word(f.ring, i) = Control{i * 0x6000'0000U + 1, 1, 0}.pack();
        SlotHeader header = frame(i);
        header.sequence = i * 0x6000'0000U + 1;
        store_header(RingSteps::header_words(f.ring, i), header);
    }
    CHECK(f.ring.pending(0).size() <= kSlots);
}

void one_frame_goes_round() {
    Fixture f;
    f.ring.add_reader(0, false);
    f.ring.add_reader(3, true);
    CHECK(f.ring.readers() == 0b1001 && f.ring.pinned() == 0b1000);
    const auto [slot, sequence] = f.publish(1);
    CHECK((f.ring.control(slot) == Control{1, 0b1001, 0}));
    CHECK(!f.ring.acquire(slot, sequence + 1, 0));
    CHECK(!f.ring.acquire(slot, sequence, 1));
    CHECK(f.ring.acquire(slot, sequence, 0));
    CHECK(!f.ring.acquire(slot, sequence, 0));  // twice
    CHECK((f.ring.control(slot) == Control{1, 0b1000, 0b0001}));
    CHECK(f.ring.header(slot, sequence)->frame_id == 1);
    CHECK(!f.ring.release(slot, sequence + 1, 0));
    CHECK(f.ring.release(slot, sequence, 0));
    CHECK(!f.ring.release(slot, sequence, 0));
    CHECK(f.ring.skip(slot, sequence, 0b1111));
    CHECK(!f.ring.skip(slot, sequence, 0b1111));
    CHECK(f.ring.idle());
}

void protocol_is_enforced() {
    Fixture f;
    CHECK_THROWS(f.ring.publish(0, frame(1)), RingFault, "not reserved");
    CHECK_THROWS(f.ring.cancel(0), RingFault, "not reserved");
    const std::uint32_t slot = f.reserve();
    CHECK_THROWS(f.ring.publish(slot, frame(0)), RingFault, "must grow");
    CHECK_THROWS(f.ring.publish(slot, frame(1, kBytes + 1)), RingFault, "outside");
    f.ring.publish(slot, frame(1));
    const std::uint32_t next = f.reserve();
    CHECK(next != slot);  // published longest ago comes first
    CHECK_THROWS(f.ring.publish(next, frame(1)), RingFault, "must grow");
    f.ring.cancel(next);
    CHECK(f.ring.idle());
}

void overflow_policies() {
    Fixture f;
    f.ring.add_reader(0, false);
    f.ring.add_reader(1, true);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> frames;
    for (std::uint64_t id = 1; id <= kSlots; ++id) {
        frames.push_back(f.publish(id));
    }
    CHECK(!f.ring.reserve(Overflow::wait, 1ms));
    CHECK(!f.ring.reserve(Overflow::reuse, 1ms));  // pinned reader 1 waits for all
    f.ring.skip(frames[1].first, frames[1].second, 0b10);
    CHECK(!f.ring.reserve(Overflow::wait, 0ns));
    CHECK(f.reserve(Overflow::reuse) == frames[1].first);
    CHECK(f.ring.expired() == 1);
    CHECK(!f.ring.acquire(frames[1].first, frames[1].second, 0));
    CHECK(!f.ring.header(frames[1].first, frames[1].second));
    f.ring.add_reader(1, false);  // no longer pinned
    CHECK(f.ring.acquire(frames[0].first, frames[0].second, 0));
    CHECK(f.reserve(Overflow::reuse) == frames[2].first);  // frame 1 is held
    CHECK(!f.ring.reserve(Overflow::reuse, 0ns));
    CHECK(f.ring.expired() == 2);
}

void a_waiting_writer_is_woken() {
    Fixture f;
    f.ring.add_reader(0, true);
    for (std::uint64_t id = 1; id <= kSlots; ++id) {
        f.publish(id);
    }
    std::thread reader([&] {
        const auto first = f.ring.pending(0).front();
        CHECK(f.ring.acquire(first.slot, first.header.sequence, 0));
        CHECK(f.ring.release(first.slot, first.header.sequence, 0));
    });
    CHECK(f.ring.reserve(Overflow::wait, 60s));
    reader.join();
}

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
    for (std::uint64_t id = 2; id <= kSlots; ++id) {
        f.publish(id);
    }
    CHECK(f.reserve() == slot);
    std::uint64_t* words = RingSteps::header_words(f.ring, slot);
    words[15] = 0;
    words[0] = 99;
    f.ring.reap_writer();
    CHECK(f.ring.last_published().frame_id == kSlots);
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

void sequences_wrap() {
    Fixture f;
    f.ring.add_reader(0, false);
    f.memory.header().sequence = 0xFFFF'FFFD;
    std::vector<std::uint32_t> sequences;
    for (std::uint64_t id = 1; id <= 3; ++id) {
        sequences.push_back(f.publish(id).second);
    }
    CHECK((sequences == std::vector<std::uint32_t>{0xFFFF'FFFE, 0xFFFF'FFFF, 1}));
    const auto frames = f.ring.pending(0);
    CHECK(frames[0].header.frame_id == 1 && frames[2].header.frame_id == 3);
    CHECK(f.ring.published_count() == 0x1'0000'0000);
    CHECK(f.reserve(Overflow::reuse) == frames[0].slot);
}

}  // namespace

int main() {
    geometry_is_checked();
    damage_stays_inside();
    one_frame_goes_round();
    protocol_is_enforced();
    overflow_policies();
    a_waiting_writer_is_woken();
    for (int steps = 0; steps <= 3; ++steps) {
        death_in_a_publish(steps);
    }
    death_in_a_header();
    readers_die_and_go();
    removal_meets_publish();
    removal_races_publish();
    sequences_wrap();
    return 0;
}
