// The ring, one operation after the other: refusals, damage, overflow, the wrap of sequences.
#include <thread>
#include <vector>

#include "check.hpp"
#include "ring_fixture.hpp"

using namespace mpipeline;
using namespace std::chrono_literals;

namespace {

void geometry_is_checked() {
    Fixture f;
    CHECK(Ring(f.memory.span()).slots() == kFewSlots);
    CHECK(f.ring.source_index() == 5 && f.ring.owner_pid() == 42);
    CHECK(f.ring.payload_offset(1) % kPage == 0);
    CHECK_THROWS(Ring(f.memory.span().first(100)), RingFault, "too few");
    CHECK_THROWS(Ring(f.memory.span().first(2 * kPage)), RingFault, "where its ring takes");
    CHECK_THROWS(Ring(f.memory.span().subspan(8)), RingFault, "multiple of 64");
    CHECK_THROWS(f.ring.control(kFewSlots), RingFault, "out of range");
    CHECK_THROWS(f.ring.acquire(kFewSlots, 1, 0), RingFault, "out of range");
    CHECK_THROWS(f.ring.acquire(0, 1, 15), RingFault, "out of range");
    CHECK_THROWS(f.ring.skip(0, 1, kWriterBit), RingFault, "writer");

    RingHeader& header = f.memory.header();
    header.layout_version = 7;
    CHECK_THROWS(Ring(f.memory.span()), RingFault, "version 7, this program speaks version 1");
    header.layout_version = kLayoutVersion;
    header.slot_count = 0xFFFF'FFFF;
    CHECK_THROWS(Ring(f.memory.span()), RingFault, "not possible");
    header.slot_count = kFewSlots;
    header.payload_bytes = ~std::uint64_t{0};
    CHECK_THROWS(Ring(f.memory.span()), RingFault, "not possible");
    header.payload_bytes = kFewBytes;
    header.slot_stride = 1;
    CHECK_THROWS(Ring(f.memory.span()), RingFault, "damaged");
    header.slot_stride = slot_stride(kFewBytes);
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
    for (std::uint32_t i = 0; i < kFewSlots; ++i) {  // sequences without order
        RingSteps::control_word(f.ring, i) = Control{i * 0x6000'0000U + 1, 1, 0}.pack();
        SlotHeader header = frame(i);
        header.sequence = i * 0x6000'0000U + 1;
        store_header(RingSteps::header_words(f.ring, i), header);
    }
    CHECK(f.ring.pending(0).size() <= kFewSlots);
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
    CHECK_THROWS(f.ring.publish(slot, frame(1, kFewBytes + 1)), RingFault, "outside");
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
    for (std::uint64_t id = 1; id <= kFewSlots; ++id) {
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

void only_losses_of_the_first_reader_count_as_expired() {
    Fixture f;
    f.ring.add_reader(0, false);
    f.ring.add_reader(1, false);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> frames;
    for (std::uint64_t id = 1; id <= kFewSlots; ++id) {
        frames.push_back(f.publish(id));
    }
    f.ring.skip(frames[0].first, frames[0].second, 0b01);
    CHECK(f.reserve(Overflow::reuse) == frames[0].first);  // reader 1 still wanted it
    CHECK(f.ring.expired() == 0);
    CHECK(f.reserve(Overflow::reuse) == frames[1].first);
    CHECK(f.ring.expired() == 1);
}

void a_waiting_writer_is_woken() {
    Fixture f;
    f.ring.add_reader(0, true);
    for (std::uint64_t id = 1; id <= kFewSlots; ++id) {
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
    only_losses_of_the_first_reader_count_as_expired();
    a_waiting_writer_is_woken();
    sequences_wrap();
    return 0;
}
