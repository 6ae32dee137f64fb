// A ring in a segment of arbitrary bytes, as a damaged one or another process of the same user could leave it.
//
// The input says how large the segment is, whether it began as a sound ring, and then step by step what is written
// into it and which operation follows. Nothing may be touched outside of the segment (the address sanitizer watches),
// nothing may hang, and what comes back keeps the promises of ring.hpp or is a RingFault.
#include <algorithm>
#include <memory>
#include <new>

#include "input.hpp"
#include "mpipeline/ring.hpp"

using namespace mpipeline;
using mpipeline::fuzz::Input;
using mpipeline::fuzz::promise;

namespace {

constexpr int kMostSteps = 200;
constexpr std::size_t kRingWords = sizeof(RingHeader) / sizeof(std::uint64_t);
constexpr std::size_t kSlotWords = (kHeaderOffset + sizeof(SlotHeader)) / sizeof(std::uint64_t);

class Segment {
public:
    Segment(std::size_t size, std::uint64_t stride)
        : size_(size), stride_(stride), bytes_(static_cast<std::byte*>(::operator new(size, std::align_val_t{kPage}))) {
        std::memset(bytes_, 0, size_);
    }
    Segment(const Segment&) = delete;
    Segment& operator=(const Segment&) = delete;
    ~Segment() { ::operator delete(bytes_, std::align_val_t{kPage}); }

    [[nodiscard]] std::span<std::byte> span() const { return {bytes_, size_}; }

    // Writes one of the words that mean something.
    void damage(std::size_t place, std::uint64_t value) {
        std::size_t offset = place % kRingWords * sizeof value;
        const std::size_t slots = (size_ - std::min(size_, kPage)) / stride_;
        if (place >= kRingWords && slots > 0) {
            const std::size_t word = place - kRingWords;
            offset = kPage + word / kSlotWords % slots * stride_ + word % kSlotWords * sizeof value;
        }
        if (offset + sizeof value <= size_) {
            std::memcpy(bytes_ + offset, &value, sizeof value);
        }
    }

private:
    std::size_t size_;
    std::uint64_t stride_;
    std::byte* bytes_;
};

// Of all values those are tried more often that lie on an edge, or that are already somewhere in the ring.
std::uint64_t word_from(Input& input, const Segment& segment) {
    switch (input.take<std::uint8_t>() % 6) {
        case 0:
            return input.take<std::uint64_t>();
        case 1:
            return ~std::uint64_t{0} - input.take<std::uint8_t>();
        case 2:
            return std::uint64_t{1} << input.take<std::uint8_t>() % 64;
        case 3: {
            const Control word{input.take<std::uint8_t>(), input.take<std::uint16_t>(), input.take<std::uint16_t>()};
            return word.pack();
        }
        case 4: {
            std::uint64_t copied = 0;
            const std::size_t place = input.take<std::uint16_t>() * std::size_t{8};
            if (place + sizeof copied <= segment.span().size()) {
                std::memcpy(&copied, segment.span().data() + place, sizeof copied);
            }
            return copied;
        }
        default:
            return input.take<std::uint8_t>();
    }
}

void check_header(const Ring& ring, const SlotHeader& header) {
    promise(header.payload_length <= ring.payload_bytes());
    for (const std::uint64_t offset : header.offsets) {
        promise(offset <= header.payload_length);
    }
}

void check_pending(Ring& ring, unsigned bit) {
    const auto frames = ring.pending(bit);
    promise(frames.size() <= ring.slots());
    for (const PendingFrame& frame : frames) {
        promise(frame.slot < ring.slots());
        check_header(ring, frame.header);
    }
}

void write_payload(const Ring& ring, std::span<std::byte> memory, std::uint32_t slot) {
    const std::uint64_t offset = ring.payload_offset(slot);
    promise(offset <= memory.size() && ring.payload_bytes() <= memory.size() - offset);
    std::memset(memory.data() + offset, 0xA5, ring.payload_bytes());
}

SlotHeader header_from(Input& input, const Ring& ring) {
    SlotHeader header;
    header.frame_id = input.take<std::uint8_t>() + (ring.last_published().frame_id & ~std::uint64_t{0x7F});
    header.payload_length = input.take<std::uint16_t>();
    header.offsets = {input.take<std::uint16_t>(), input.take<std::uint8_t>(), 0};
    return header;
}

void read_one(Ring& ring, Input& input, std::uint32_t slot, std::uint32_t sequence) {
    const unsigned bit = input.take<std::uint8_t>() % 17U;
    switch (input.take<std::uint8_t>() % 6) {
        case 0:
            if (ring.acquire(slot, sequence, bit)) {
                promise((ring.control(slot).held >> bit & 1) == 1);
            }
            break;
        case 1:
            static_cast<void>(ring.release(slot, sequence, bit));
            break;
        case 2:
            static_cast<void>(ring.skip(slot, sequence, input.take<std::uint16_t>()));
            break;
        case 3:
            promise(ring.recover(bit) <= ring.slots());
            break;
        case 4:
            if (const auto header = ring.header(slot, sequence)) {
                check_header(ring, *header);
            }
            break;
        default:
            check_pending(ring, bit);
    }
}

void own_one(Ring& ring, Input& input, std::span<std::byte> memory, std::uint32_t slot) {
    const unsigned bit = input.take<std::uint8_t>() % 17U;
    switch (input.take<std::uint8_t>() % 8) {
        case 0:
        case 1: {
            const auto overflow = input.take<std::uint8_t>() % 2 == 1 ? Overflow::reuse : Overflow::wait;
            if (const auto taken = ring.reserve(overflow, std::chrono::nanoseconds{input.take<std::int8_t>()})) {
                promise(*taken < ring.slots());
                write_payload(ring, memory, *taken);
                if (input.take<std::uint8_t>() % 4 != 0) {
                    ring.publish(*taken, header_from(input, ring));
                }
            }
            break;
        }
        case 2:
            ring.publish(slot, header_from(input, ring));
            break;
        case 3:
            ring.cancel(slot);
            break;
        case 4:
            promise(ring.reap_writer() <= ring.slots());
            break;
        case 5:
            ring.add_reader(bit, input.take<std::uint8_t>() % 2 == 1);
            break;
        case 6:
            promise(ring.remove_reader(bit) <= ring.slots());
            break;
        default:
            promise(ring.reap(bit) <= ring.slots());
    }
}

void look(Ring& ring) {
    static_cast<void>(ring.idle());
    static_cast<void>(ring.published_count());
    static_cast<void>(ring.expired());
    static_cast<void>(ring.readers());
    promise((ring.pinned() & kWriterBit) == 0 && (ring.readers() & kWriterBit) == 0);
    static_cast<void>(ring.wait_published(ring.publish_events(), std::chrono::nanoseconds{1}));
    for (unsigned bit = 0; bit < kMaxReaders; ++bit) {
        try {
            check_pending(ring, bit);
        } catch (const RingFault&) {
        }
    }
}

void step(std::unique_ptr<Ring>& ring, Segment& segment, Input& input) {
    const std::uint8_t what = input.take<std::uint8_t>() % 8;
    if (what == 0) {
        ring.reset();
        ring = std::make_unique<Ring>(segment.span());
    } else if (what <= 3) {
        segment.damage(input.take<std::uint8_t>(), word_from(input, segment));
    } else if (ring && what == 7) {
        look(*ring);
    } else if (ring) {
        const std::uint32_t slot = input.take<std::uint8_t>() % (ring->slots() + 1);
        std::uint32_t sequence = input.take<std::uint8_t>();
        if (slot < ring->slots() && sequence % 4 != 0) {
            sequence = ring->control(slot).sequence;
        }
        if (what <= 5) {
            read_one(*ring, input, slot, sequence);
        } else {
            own_one(*ring, input, segment.span(), slot);
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input(data, size);
    const auto slots = static_cast<std::uint32_t>(input.between(1, 6));
    const auto payload = static_cast<std::uint64_t>(input.between(1, 6000));
    const auto begin = input.take<std::uint8_t>();
    const std::size_t right = segment_bytes(slots, payload);
    Segment segment(begin < 240 ? right : input.take<std::uint16_t>() % (right + kPage), slot_stride(payload));
    std::unique_ptr<Ring> ring;
    if (begin < 240) {
        ring = std::make_unique<Ring>(Ring::create(segment.span(), {slots, payload, 0, 1, begin % 4U}));
        ring->populate();
    }
    if (begin % 8 == 7 || begin >= 240) {
        input.fill(segment.span().data(), std::min(segment.span().size(), sizeof(RingHeader)));
    }
    for (int i = 0; i < kMostSteps && !input.empty(); ++i) {
        try {
            step(ring, segment, input);
        } catch (const RingFault&) {
        }
    }
    return 0;
}
