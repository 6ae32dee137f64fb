// How a segment is divided: the ring header, then the slots, each a page of control word and header, then the payload.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mpipeline/slot.hpp"

namespace mpipeline {

inline constexpr std::uint64_t kMagic = 0x474E'4952'4550'494DULL;  // "MIPERING" in little-endian memory
inline constexpr std::size_t kPage = 4096;
inline constexpr std::uint32_t kMaxSlots = 4096;
inline constexpr std::uint64_t kMaxPayload = std::uint64_t{1} << 32;

inline constexpr std::size_t kControlOffset = 0;  // within a slot
inline constexpr std::size_t kHeaderOffset = 64;  // the next cache line
inline constexpr std::size_t kPayloadOffset = kPage;

// The first bytes of a segment. What many processes write stands on cache lines of its own.
struct RingHeader {
    std::uint64_t magic;  // written last, at creation
    std::uint32_t layout_version;
    std::uint32_t slot_count;
    std::uint64_t payload_bytes;  // room for a frame in each slot
    std::uint64_t slot_stride;
    std::uint64_t segment_bytes;
    std::uint32_t source_index;
    std::uint32_t owner_pid;

    alignas(64) std::uint32_t masks;  // readers in the lower half, the pinned among them in the upper
    alignas(64) std::uint32_t publish_word;
    alignas(64) std::uint32_t release_word;

    // The writer's record of its last publish; `sequence` is written last, so that a half-written record is noticed.
    alignas(64) std::uint64_t sequence;
    std::uint64_t last_frame_id;
    std::uint64_t last_pts;  // the bits of a double
    std::uint64_t expired;
};

static_assert(offsetof(RingHeader, magic) == 0);
static_assert(offsetof(RingHeader, layout_version) == 8);
static_assert(offsetof(RingHeader, slot_count) == 12);
static_assert(offsetof(RingHeader, payload_bytes) == 16);
static_assert(offsetof(RingHeader, slot_stride) == 24);
static_assert(offsetof(RingHeader, segment_bytes) == 32);
static_assert(offsetof(RingHeader, source_index) == 40);
static_assert(offsetof(RingHeader, owner_pid) == 44);
static_assert(offsetof(RingHeader, masks) == 64);
static_assert(offsetof(RingHeader, publish_word) == 128);
static_assert(offsetof(RingHeader, release_word) == 192);
static_assert(offsetof(RingHeader, sequence) == 256);
static_assert(offsetof(RingHeader, last_frame_id) == 264);
static_assert(offsetof(RingHeader, last_pts) == 272);
static_assert(offsetof(RingHeader, expired) == 280);
static_assert(sizeof(RingHeader) <= kPage);
static_assert(kHeaderOffset + sizeof(SlotHeader) <= kPayloadOffset);

[[nodiscard]] constexpr std::uint64_t slot_stride(std::uint64_t payload_bytes) noexcept {
    return kPayloadOffset + (payload_bytes + kPage - 1) / kPage * kPage;
}
[[nodiscard]] constexpr std::uint64_t segment_bytes(std::uint32_t slots, std::uint64_t payload_bytes) noexcept {
    return kPage + slots * slot_stride(payload_bytes);
}

}  // namespace mpipeline
