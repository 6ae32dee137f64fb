// The ring: the slots of one stream in memory that several processes share, lent by bits, without a lock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "mpipeline/control.hpp"
#include "mpipeline/layout.hpp"
#include "mpipeline/wait.hpp"

namespace mpipeline {

// The segment is damaged or of another version, or the ring was used against its protocol.
class RingFault : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// What `reserve` does when no slot is free.
enum class Overflow { wait, reuse };

struct RingShape {
    std::uint32_t slots = 0;
    std::uint64_t payload_bytes = 0;
    std::uint32_t source_index = 0;
    std::uint32_t owner_pid = 0;
    std::uint64_t last_frame_id = 0;  // of the ring that this one succeeds
};

struct PendingFrame {
    std::uint32_t slot;
    SlotHeader header;
};

struct LastFrame {
    std::uint64_t sequence;  // counts publishes, in 64 bits
    std::uint64_t frame_id;
    double pts;
};

// One process's view of a ring. It has no state of its own beyond the checked geometry: all that matters stands in the
// shared memory, and any process may be killed between any two instructions.
//
// One writer at a time; each reader bit belongs to one reader at a time. Everything else may happen at once.
class Ring {
public:
    // Lays out a ring in `memory`, which must be zeroed and exactly segment_bytes(...) long. The magic is written last.
    static Ring create(std::span<std::byte> memory, const RingShape& shape);
    // Attaches. The geometry is checked against the size of `memory` and kept: a header that is damaged later cannot
    // lead an access outside of it. Throws RingFault.
    explicit Ring(std::span<std::byte> memory);

    [[nodiscard]] std::uint32_t slots() const noexcept { return slots_; }
    [[nodiscard]] std::uint64_t payload_bytes() const noexcept { return payload_bytes_; }
    [[nodiscard]] std::uint32_t source_index() const noexcept { return source_index_; }
    [[nodiscard]] std::uint32_t owner_pid() const noexcept { return owner_pid_; }
    [[nodiscard]] std::uint64_t payload_offset(std::uint32_t slot) const;
    // Maps every page now instead of at the first access; leaves the contents alone.
    void populate() const noexcept;

    // --- the writer ---
    // Takes a slot: a free one (that was published longest ago), or with `reuse` the oldest that nobody holds and no
    // pinned reader waits for, or none when the time is up. The slot stays reserved until publish or cancel. A frame
    // that is given up so before all of the `counted` readers had it counts as expired.
    std::optional<std::uint32_t> reserve(Overflow overflow, std::chrono::nanoseconds timeout,
                                         ReaderMask counted = kFirstReader);
    // Offers a reserved slot to all readers of this moment; returns its sequence. Frame ids must grow.
    std::uint32_t publish(std::uint32_t slot, SlotHeader header);
    // Gives a reserved slot back. What was in it before is gone.
    void cancel(std::uint32_t slot);
    // After the writer's death and before its successor's first reserve: frees what it had reserved, completes the
    // record of its last publish, withdraws offers to readers that had gone. Returns the number of freed slots.
    unsigned reap_writer();

    // --- readers ---
    // Begins to look at a frame; false if it has expired.
    bool acquire(std::uint32_t slot, std::uint32_t sequence, unsigned bit);
    // Ends it. False, and harmless, if the reader no longer holds that frame: it was released or reaped before.
    bool release(std::uint32_t slot, std::uint32_t sequence, unsigned bit);
    // Declines a frame for all readers in `mask`; false if it was not pending for any of them, or has expired.
    bool skip(std::uint32_t slot, std::uint32_t sequence, ReaderMask mask);
    // First act of a restarted reader: what its predecessor held is pending again. Returns the number of slots.
    unsigned recover(unsigned bit);
    // The frames pending for a reader, in order of publication: all that were published before the call.
    std::vector<PendingFrame> pending(unsigned bit);
    // The header of a published frame, without acquiring it; none if it has expired.
    // Throws RingFault if the header does not belong to the frame though the slot was not reused: it is damaged.
    std::optional<SlotHeader> header(std::uint32_t slot, std::uint32_t sequence);

    // --- the owner ---
    // Frames whose publish begins after this call are offered to `bit`; one that is being published may or may not be.
    // For a present reader only `pinned` changes.
    void add_reader(unsigned bit, bool pinned);
    // No frame is offered any more, and all its bits are cleared, also those of a frame that is being published.
    // Only for a reader that has ended: its slots may be written at once. Returns the number of slots it had.
    unsigned remove_reader(unsigned bit);
    // Clears the held and pending bits of a dead reader; it goes on being offered new frames. Returns as above.
    unsigned reap(unsigned bit);
    [[nodiscard]] ReaderMask readers() const noexcept;
    [[nodiscard]] ReaderMask pinned() const noexcept;

    // --- anyone ---
    [[nodiscard]] Control control(std::uint32_t slot) const;
    // No reader wants or holds anything, and nothing is reserved.
    [[nodiscard]] bool idle() const noexcept;
    // The last frame that was published, also if its writer was killed before it could take note of it.
    [[nodiscard]] LastFrame last_published() const;
    // Frames published since the ring was made.
    [[nodiscard]] std::uint64_t published_count() const;
    // Slots that were reused before the `counted` readers had read them. What other readers miss they count themselves.
    [[nodiscard]] std::uint64_t expired() const noexcept;
    // Waits until the count of publish events is no longer `seen`; returns the count.
    std::uint32_t wait_published(std::uint32_t seen, std::chrono::nanoseconds timeout);
    [[nodiscard]] std::uint32_t publish_events() const noexcept;

private:
    friend struct RingSteps;  // the native tests stop in the middle of a publish

    // The steps of a publish, in order.
    void stage(std::uint32_t slot, SlotHeader& header);
    void offer(std::uint32_t slot, std::uint32_t sequence, ReaderMask named);
    void settle(const LastFrame& last) noexcept;

    std::optional<std::uint32_t> try_reserve(Overflow overflow, ReaderMask counted);
    void withdraw(std::uint32_t slot, std::uint32_t sequence, ReaderMask mask) noexcept;
    void wake_writer(const Control& after) noexcept;
    void check_geometry(const SlotHeader& header) const;
    void check_slot(std::uint32_t slot) const;
    [[nodiscard]] std::byte* slot_at(std::uint32_t slot) const noexcept;
    [[nodiscard]] std::uint64_t& control_word(std::uint32_t slot) const noexcept;
    [[nodiscard]] std::uint64_t* header_words(std::uint32_t slot) const noexcept;
    [[nodiscard]] RingHeader& ring_header() const noexcept;
    [[nodiscard]] WakeWord published() const noexcept { return WakeWord(ring_header().publish_word); }
    [[nodiscard]] WakeWord released() const noexcept { return WakeWord(ring_header().release_word); }

    std::span<std::byte> memory_;
    std::uint32_t slots_ = 0;
    std::uint64_t payload_bytes_ = 0;
    std::uint64_t slot_stride_ = 0;
    std::uint32_t source_index_ = 0;
    std::uint32_t owner_pid_ = 0;
};

}  // namespace mpipeline
