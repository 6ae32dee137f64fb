// A ring in memory: laying it out, attaching to it, looking at it.
#include "mpipeline/ring.hpp"

#include <bit>
#include <limits>

#include "ring_words.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace mpipeline {
namespace {

void check_shape(std::uint32_t slots, std::uint64_t payload_bytes) {
    if (slots == 0 || slots > kMaxSlots || payload_bytes == 0 || payload_bytes > kMaxPayload) {
        throw RingFault("a ring of " + std::to_string(slots) + " slots of " + std::to_string(payload_bytes) +
                        " bytes is not possible: 1 to 4096 slots of 1 byte to 4 GiB are");
    }
}

void check_memory(std::span<std::byte> memory) {
    if (memory.size() < kPage) {
        throw RingFault("this segment has " + std::to_string(memory.size()) + " bytes: too few for a ring header");
    }
    if (reinterpret_cast<std::uintptr_t>(memory.data()) % alignof(RingHeader) != 0) {
        throw RingFault("a ring must begin at an address that is a multiple of 64");
    }
}

void check_size(std::uint64_t found, std::uint64_t expected) {
    if (found != expected) {
        throw RingFault("this segment has " + std::to_string(found) + " bytes where its ring takes " +
                        std::to_string(expected));
    }
}

}  // namespace

Ring Ring::create(std::span<std::byte> memory, const RingShape& shape) {
    check_shape(shape.slots, shape.payload_bytes);
    check_memory(memory);
    check_size(memory.size(), mpipeline::segment_bytes(shape.slots, shape.payload_bytes));
    auto& header = *reinterpret_cast<RingHeader*>(memory.data());
    header.layout_version = kLayoutVersion;
    header.slot_count = shape.slots;
    header.payload_bytes = shape.payload_bytes;
    header.slot_stride = mpipeline::slot_stride(shape.payload_bytes);
    header.segment_bytes = memory.size();
    header.source_index = shape.source_index;
    header.owner_pid = shape.owner_pid;
    header.last_frame_id = shape.last_frame_id;
    header.last_pts = std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN());
    store(header.magic, kMagic);
    return Ring(memory);
}

Ring::Ring(std::span<std::byte> memory) : memory_(memory) {
    check_memory(memory);
    RingHeader& header = ring_header();
    if (load(header.magic) != kMagic) {
        throw RingFault("this segment holds no ring, or one that was never completed: its first 8 bytes are wrong");
    }
    const std::uint32_t version = load(header.layout_version);
    if (version != kLayoutVersion) {
        throw RingFault("this segment has ring layout version " + std::to_string(version) +
                        ", this program speaks version " + std::to_string(kLayoutVersion) +
                        ": run the same version of mpipeline in all processes");
    }
    slots_ = load(header.slot_count);
    payload_bytes_ = load(header.payload_bytes);
    slot_stride_ = load(header.slot_stride);
    source_index_ = load(header.source_index);
    owner_pid_ = load(header.owner_pid);
    check_shape(slots_, payload_bytes_);
    const std::uint64_t expected = mpipeline::segment_bytes(slots_, payload_bytes_);
    check_size(memory.size(), expected);
    if (slot_stride_ != mpipeline::slot_stride(payload_bytes_) || load(header.segment_bytes) != expected) {
        throw RingFault("this segment's ring header is damaged: its sizes contradict each other");
    }
}

std::uint64_t Ring::payload_offset(std::uint32_t slot) const {
    check_slot(slot);
    return static_cast<std::uint64_t>(slot_at(slot) - memory_.data()) + kPayloadOffset;
}

void Ring::populate() const noexcept {
#if defined(__linux__) && defined(MADV_POPULATE_WRITE)
    if (madvise(memory_.data(), memory_.size(), MADV_POPULATE_WRITE) == 0) {
        return;
    }
#endif
    for (std::size_t offset = 0; offset < memory_.size(); offset += kPage) {
        auto& byte = reinterpret_cast<std::uint8_t&>(memory_[offset]);
        std::atomic_ref<std::uint8_t>(byte).fetch_or(0);  // a write that changes nothing
    }
}

Control Ring::control(std::uint32_t slot) const {
    check_slot(slot);
    return Control::unpack(load(control_word(slot)));
}

bool Ring::idle() const noexcept {
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
        if (!Control::unpack(load(control_word(slot))).is_free()) {
            return false;
        }
    }
    return true;
}

LastFrame Ring::last_published() const {
    RingHeader& header = ring_header();
    const LastFrame recorded{load(header.sequence), load(header.last_frame_id),
                             std::bit_cast<double>(load(header.last_pts))};
    // A writer may be one publish ahead of its record, and it reserves no slot before it has recorded that.
    const std::uint64_t next = after(recorded.sequence);
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
        if (control(slot).sequence == static_cast<std::uint32_t>(next)) {
            const SlotHeader found = load_header(header_words(slot));
            if (found.sequence == static_cast<std::uint32_t>(next)) {
                return {next, found.frame_id, found.pts};
            }
        }
    }
    return recorded;
}

std::uint64_t Ring::published_count() const {
    const std::uint64_t sequence = last_published().sequence;
    return sequence - (sequence >> 32);  // without the zeros that were left out
}

std::uint64_t Ring::expired() const noexcept { return load(ring_header().expired); }

std::uint32_t Ring::wait_published(std::uint32_t seen, std::chrono::nanoseconds timeout) { return published().wait(seen, timeout); }

std::uint32_t Ring::publish_events() const noexcept { return published().count(); }

// --- access to the memory ---

void Ring::wake_writer(const Control& after_release) noexcept {
    if (after_release.held == 0) {  // otherwise the slot is of no use to it yet
        released().wake();
    }
}

void Ring::check_geometry(const SlotHeader& header) const {
    bool fits = header.payload_length <= payload_bytes_;
    for (const std::uint64_t offset : header.offsets) {
        fits = fits && offset <= header.payload_length;
    }
    if (!fits) {
        throw RingFault("a slot header is wrong: its planes lie outside of the slot's " +
                        std::to_string(payload_bytes_) + " bytes");
    }
}

void Ring::check_slot(std::uint32_t slot) const {
    if (slot >= slots_) {
        throw RingFault("slot " + std::to_string(slot) + " is out of range: the ring has " + std::to_string(slots_));
    }
}

std::byte* Ring::slot_at(std::uint32_t slot) const noexcept { return memory_.data() + kPage + slot * slot_stride_; }

std::uint64_t& Ring::control_word(std::uint32_t slot) const noexcept {
    return *reinterpret_cast<std::uint64_t*>(slot_at(slot) + kControlOffset);
}

std::uint64_t* Ring::header_words(std::uint32_t slot) const noexcept {
    return reinterpret_cast<std::uint64_t*>(slot_at(slot) + kHeaderOffset);
}

RingHeader& Ring::ring_header() const noexcept { return *reinterpret_cast<RingHeader*>(memory_.data()); }

}  // namespace mpipeline
