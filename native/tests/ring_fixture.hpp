// A ring in private memory, and the single steps of a publish, for tests that stop between them.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "check.hpp"
#include "mpipeline/ring.hpp"

namespace mpipeline {

struct RingSteps {
    static void stage(Ring& ring, std::uint32_t slot, SlotHeader& header) { ring.stage(slot, header); }
    static void offer(Ring& ring, std::uint32_t slot, std::uint32_t sequence, ReaderMask named) {
        ring.offer(slot, sequence, named);
    }
    static void settle(Ring& ring, const LastFrame& last) { ring.settle(last); }
    static std::uint64_t* header_words(Ring& ring, std::uint32_t slot) { return ring.header_words(slot); }
    static std::uint64_t& control_word(Ring& ring, std::uint32_t slot) { return ring.control_word(slot); }
};

class TestMemory {
public:
    explicit TestMemory(std::uint64_t size)
        : size_(size), bytes_(static_cast<std::byte*>(std::aligned_alloc(kPage, size)), &std::free) {
        std::memset(bytes_.get(), 0, size);
    }
    [[nodiscard]] std::span<std::byte> span() const { return {bytes_.get(), size_}; }
    [[nodiscard]] RingHeader& header() const { return *reinterpret_cast<RingHeader*>(bytes_.get()); }
    [[nodiscard]] unsigned char* payload(const Ring& ring, std::uint32_t slot) const {
        return reinterpret_cast<unsigned char*>(bytes_.get() + ring.payload_offset(slot));
    }

private:
    std::size_t size_;
    std::unique_ptr<std::byte, void (*)(void*)> bytes_;
};

inline SlotHeader frame(std::uint64_t frame_id, std::uint64_t payload_length = 64) {
    SlotHeader header;
    header.frame_id = frame_id;
    header.pts = static_cast<double>(frame_id) / 25;
    header.payload_length = payload_length;
    return header;
}

inline constexpr std::uint32_t kFewSlots = 3;
inline constexpr std::uint64_t kFewBytes = 64;

// A small ring of its own for each test.
struct Fixture {
    TestMemory memory{segment_bytes(kFewSlots, kFewBytes)};
    Ring ring = Ring::create(memory.span(), {kFewSlots, kFewBytes, 5, 42, 0});

    std::uint32_t reserve(Overflow overflow = Overflow::wait) {
        const auto slot = ring.reserve(overflow, std::chrono::nanoseconds::zero());
        CHECK(slot);
        return *slot;
    }
    std::pair<std::uint32_t, std::uint32_t> publish(std::uint64_t frame_id) {
        const std::uint32_t slot = reserve();
        return {slot, ring.publish(slot, frame(frame_id))};
    }
};

}  // namespace mpipeline
