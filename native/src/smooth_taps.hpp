// Which source samples a target sample is the mean of, and with which weights; private to smooth.cpp and its tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace mpipeline::pixels {

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
inline Taps triangle(int source, int whole, int begin, int end) {
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

inline Seen seen(int offset, int size, int target) {
    return {std::max(offset, 0), std::max(-offset, 0), std::min(size, target - offset)};
}

}  // namespace mpipeline::pixels
