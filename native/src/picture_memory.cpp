#include "mpipeline/picture_memory.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

namespace mpipeline {

PieceOfMemory PictureMemory::take(std::size_t size) {
    {
        const std::lock_guard lock(mutex_);
        // From the back: what was given back last is most likely still in the cache.
        const auto found =
            std::find_if(kept_.rbegin(), kept_.rend(), [size](const PieceOfMemory& piece) { return piece.size == size; });
        if (found != kept_.rend()) {
            PieceOfMemory piece = std::move(*found);
            kept_.erase(std::next(found).base());
            kept_bytes_ -= size;
            return piece;
        }
    }
    return {std::unique_ptr<std::uint8_t[]>(new std::uint8_t[size]), size};
}

void PictureMemory::give_back(PieceOfMemory piece) noexcept {
    const std::lock_guard lock(mutex_);
    if (piece.size > limit_) {
        return;
    }
    while (kept_bytes_ + piece.size > limit_) {
        kept_bytes_ -= kept_.front().size;
        kept_.pop_front();
    }
    const std::size_t size = piece.size;
    try {
        kept_.push_back(std::move(piece));
        kept_bytes_ += size;
    } catch (const std::exception&) {
        // No memory to note it: it is freed, as if it had been too much.
    }
}

std::size_t PictureMemory::kept_bytes() const {
    const std::lock_guard lock(mutex_);
    return kept_bytes_;
}

}  // namespace mpipeline
