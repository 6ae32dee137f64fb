// Resize by a triangle filter: the picture becomes BGR, columns of it are summed into one row of numbers for each target
// row, and that row is summed into the target's pixels.
#include "mpipeline/smooth.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>

namespace mpipeline::pixels {

namespace {

// The source samples of some consecutive target samples: `count[i]` of them from `first[i]`, with their weights, of
// which the sum is 1, from `offset[i]`.
struct Taps {
    std::vector<int> first, count;
    std::vector<std::size_t> offset;
    std::vector<float> weight;

    int begin() const { return *std::min_element(first.begin(), first.end()); }
    int end() const {
        int last = 0;
        for (std::size_t i = 0; i < first.size(); ++i) last = std::max(last, first[i] + count[i]);
        return last;
    }
};

// For the samples `begin` to `end` of `source` samples that are resized to `whole`.
Taps triangle(int source, int whole, int begin, int end) {
    Taps taps;
    const double scale = static_cast<double>(source) / whole, reach = std::max(scale, 1.0);
    for (int i = begin; i < end; ++i) {
        const double centre = (i + 0.5) * scale;
        const int first = std::max(static_cast<int>(centre - reach + 0.5), 0);
        const int last = std::min(static_cast<int>(centre + reach + 0.5), source);
        double sum = 0.0;
        for (int k = first; k < last; ++k) sum += std::max(1.0 - std::abs(k + 0.5 - centre) / reach, 0.0);
        taps.first.push_back(first);
        taps.count.push_back(last - first);
        taps.offset.push_back(taps.weight.size());
        for (int k = first; k < last; ++k) {
            const double weight = std::max(1.0 - std::abs(k + 0.5 - centre) / reach, 0.0);
            taps.weight.push_back(static_cast<float>(weight / sum));
        }
    }
    return taps;
}

// The part of a side that is seen: target samples `at` to `at` + (`end` - `begin`) are samples `begin` to `end`.
struct Seen {
    int at, begin, end;
};

Seen seen(int offset, int size, int target) {
    return {std::max(offset, 0), std::max(-offset, 0), std::min(size, target - offset)};
}

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
