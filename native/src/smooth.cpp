// Resize by a triangle filter: the picture becomes BGR, columns of it are summed into one row of numbers for each target
// row, and that row is summed into the target's pixels.
#include "mpipeline/smooth.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>

#include "smooth_taps.hpp"

namespace mpipeline::pixels {

namespace {

void store(float value, float* out) { *out = value; }
void store(float value, std::uint16_t* out) { *out = to_half(value); }

}  // namespace

SmoothPreprocessor::SmoothPreprocessor(const Target& target) : target_(target) {
    if (target.width < 1 || target.height < 1) throw std::invalid_argument("the target has no pixels");
}

template <typename Element>
void SmoothPreprocessor::run_as(const Picture& picture, const Placement& place, Element* out) {
    if (picture.width < 1 || picture.height < 1) throw std::invalid_argument("the picture has no pixels");
    if (place.width < 1 || place.height < 1) throw std::invalid_argument("the placement has no pixels");
    const std::lock_guard lock(mutex_);
    const std::size_t area = static_cast<std::size_t>(target_.width) * target_.height;
    Element* channels[3];  // where B, G, R go
    float scale[3], bias[3];
    for (int c = 0; c < 3; ++c) {
        const int position = target_.bgr ? c : 2 - c;
        channels[c] = out + position * area;
        scale[c] = target_.scale[position];
        bias[c] = target_.bias[position];
        Element around;
        store(target_.pad * scale[c] + bias[c], &around);
        std::fill(channels[c], channels[c] + area, around);
    }
    const Seen across = seen(place.left, place.width, target_.width);
    const Seen down = seen(place.top, place.height, target_.height);
    if (across.begin >= across.end || down.begin >= down.end) return;
    const Taps columns = triangle(picture.width, place.width, across.begin, across.end);
    const Taps rows = triangle(picture.height, place.height, down.begin, down.end);
    const std::size_t stride = 3 * static_cast<std::size_t>(picture.width);
    bgr_.resize(stride * picture.height);
    to_bgr(picture, bgr_.data(), static_cast<std::ptrdiff_t>(stride));
    const int left = columns.begin();
    const std::size_t length = 3 * static_cast<std::size_t>(columns.end() - left);
    for (std::size_t y = 0; y < rows.first.size(); ++y) {
        line_.assign(length, 0.0f);
        float* const line = line_.data();
        for (int k = 0; k < rows.count[y]; ++k) {
            const float weight = rows.weight[rows.offset[y] + k];
            const std::uint8_t* from = bgr_.data() + (rows.first[y] + k) * stride + 3 * static_cast<std::size_t>(left);
            for (std::size_t i = 0; i < length; ++i) line[i] += weight * static_cast<float>(from[i]);
        }
        const std::size_t start = (down.at + y) * target_.width + across.at;
        for (std::size_t x = 0; x < columns.first.size(); ++x) {
            float level[3] = {0.0f, 0.0f, 0.0f};
            const float* from = line + 3 * static_cast<std::size_t>(columns.first[x] - left);
            for (int k = 0; k < columns.count[x]; ++k, from += 3) {
                const float weight = columns.weight[columns.offset[x] + k];
                for (int c = 0; c < 3; ++c) level[c] += weight * from[c];
            }
            for (int c = 0; c < 3; ++c) store(level[c] * scale[c] + bias[c], channels[c] + start + x);
        }
    }
}

void SmoothPreprocessor::run(const Picture& picture, const Placement& placement, float* out) {
    run_as(picture, placement, out);
}

void SmoothPreprocessor::run_half(const Picture& picture, const Placement& placement, std::uint16_t* out) {
    run_as(picture, placement, out);
}

}  // namespace mpipeline::pixels
