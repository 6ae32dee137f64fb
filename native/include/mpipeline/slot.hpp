// The slot header: what is known about the frame in a slot, beside the slot's control word.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace mpipeline {

inline constexpr std::uint32_t kLayoutVersion = 1;
inline constexpr std::size_t kMaxPlanes = 3;

// Stands in shared memory as 16 words of 64 bits, read and written one by one. `sequence` and `layout_version` are the
// stamp: the last word. A header that is being written, or whose writer was killed, does not bear its slot's sequence.
struct SlotHeader {
    std::uint64_t frame_id = 0;
    double pts = 0;  // seconds; NaN where there is none
    std::int64_t captured_ns = 0;
    std::int64_t wall_ns = 0;
    double rate = 0;  // Hz
    std::uint32_t width = 0;  // of the pixels in the slot
    std::uint32_t height = 0;
    std::uint32_t shown_width = 0;  // of the frame as it is to be shown
    std::uint32_t shown_height = 0;
    std::uint32_t pixel_format = 0;  // frame.PixelFormat
    std::uint32_t matrix = 0;  // frame.ColorMatrix
    std::uint32_t flags = 0;  // frame.FrameFlag
    std::uint32_t source_index = 0;
    std::array<std::uint32_t, kMaxPlanes> strides{};
    std::uint32_t decode_us = 0;  // from captured_ns until it had come out of the decoder
    std::array<std::uint64_t, kMaxPlanes> offsets{};
    std::uint64_t payload_length = 0;  // bytes
    std::uint32_t sequence = 0;
    std::uint32_t layout_version = kLayoutVersion;
};

inline constexpr std::size_t kHeaderWords = 16;
using HeaderWords = std::array<std::uint64_t, kHeaderWords>;

static_assert(std::is_trivially_copyable_v<SlotHeader>);
static_assert(sizeof(SlotHeader) == kHeaderWords * sizeof(std::uint64_t));
static_assert(offsetof(SlotHeader, frame_id) == 0);
static_assert(offsetof(SlotHeader, pts) == 8);
static_assert(offsetof(SlotHeader, captured_ns) == 16);
static_assert(offsetof(SlotHeader, wall_ns) == 24);
static_assert(offsetof(SlotHeader, rate) == 32);
static_assert(offsetof(SlotHeader, width) == 40);
static_assert(offsetof(SlotHeader, height) == 44);
static_assert(offsetof(SlotHeader, shown_width) == 48);
static_assert(offsetof(SlotHeader, shown_height) == 52);
static_assert(offsetof(SlotHeader, pixel_format) == 56);
static_assert(offsetof(SlotHeader, matrix) == 60);
static_assert(offsetof(SlotHeader, flags) == 64);
static_assert(offsetof(SlotHeader, source_index) == 68);
static_assert(offsetof(SlotHeader, strides) == 72);
static_assert(offsetof(SlotHeader, decode_us) == 84);
static_assert(offsetof(SlotHeader, offsets) == 88);
static_assert(offsetof(SlotHeader, payload_length) == 112);
static_assert(offsetof(SlotHeader, sequence) == 120);
static_assert(offsetof(SlotHeader, layout_version) == 124);

// The writer may overwrite what a reader is reading, so every word is an atomic access: each store a release and each
// load an acquire. Whoever reads one new word also sees that the slot had been reserved before; that makes a second
// look at the control word sufficient, without fences.
inline void store_header(std::uint64_t* words, const SlotHeader& header) noexcept {
    const auto source = std::bit_cast<HeaderWords>(header);
    std::atomic_ref<std::uint64_t>(words[kHeaderWords - 1]).store(0, std::memory_order_release);  // the old stamp
    for (std::size_t i = 0; i < kHeaderWords; ++i) {  // the new stamp is the last
        std::atomic_ref<std::uint64_t>(words[i]).store(source[i], std::memory_order_release);
    }
}

[[nodiscard]] inline SlotHeader load_header(std::uint64_t* words) noexcept {
    HeaderWords copy{};
    for (std::size_t i = 0; i < kHeaderWords; ++i) {
        copy[i] = std::atomic_ref<std::uint64_t>(words[i]).load(std::memory_order_acquire);
    }
    return std::bit_cast<SlotHeader>(copy);
}

}  // namespace mpipeline
