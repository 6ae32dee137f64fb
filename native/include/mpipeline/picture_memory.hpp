// Memory of pictures that are made for the caller, kept for the next picture when it is given back.
//
// The system maps and clears the pages of fresh memory one by one. For a picture of some megabytes that takes several
// times as long as to convert it, and the allocator gives so large a piece back to the system at the next occasion.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

namespace mpipeline {

struct PieceOfMemory {
    std::unique_ptr<std::uint8_t[]> bytes;
    std::size_t size = 0;
};

// Keeps at most `limit` bytes, the latest ones. For any thread.
class PictureMemory {
public:
    explicit PictureMemory(std::size_t limit) : limit_(limit) {}

    // A piece of this size: the one of that size that was given back last, or a fresh one, whose bytes have no values.
    PieceOfMemory take(std::size_t size);

    // Keeps the piece, and frees the oldest ones that are too much.
    void give_back(PieceOfMemory piece) noexcept;

    std::size_t kept_bytes() const;

private:
    const std::size_t limit_;
    mutable std::mutex mutex_;
    std::deque<PieceOfMemory> kept_;
    std::size_t kept_bytes_ = 0;
};

}  // namespace mpipeline
