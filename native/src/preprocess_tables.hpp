// Where the pass finds what belongs to a target row and a target column; private to preprocess.cpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mpipeline/pixels.hpp"
#include "mpipeline/preprocess.hpp"

namespace mpipeline::pixels {

constexpr int kVerticalOne = 1 << 15, kHorizontalOne = 1 << 14;

// How vectors take pairs of neighbours out of a row: where each load begins, and the shuffle that puts what it brings
// where it belongs.
struct Picks {
    std::vector<std::int32_t> from;
    std::vector<std::uint8_t> masks;
};

// For each target column the first of two neighbours and both weights in 1/16384, first in the low half, as the
// multiply-add instruction wants them.
struct HorizontalTable {
    std::vector<std::int32_t> first;
    std::vector<std::uint32_t> weights;
    Picks picks;
};

// For each target row the source rows `first` and `second` and the weight of the second in 1/32768.
struct VerticalTable {
    std::vector<int> first, second;
    std::vector<std::int16_t> weight;
};
struct ResizeTables {
    VerticalTable rows, chroma_rows;
    HorizontalTable columns, chroma_columns;
    int pixels_per_load = 0;  // target pixels for which one load of a row is enough; 0: vectors cannot be used
};

ResizeTables tables_of(const Picture& picture, const Placement& placement);

// What the vector path works in: target pixels that are made at once, and bytes that one load brings.
constexpr int kBlock = 8, kLoad = 16;

// Blocks cover a row of at least 8 pixels; the last one may overlap the one before it.
constexpr int blocks(int width) { return width < kBlock ? 0 : (width + kBlock - 1) / kBlock; }
constexpr std::ptrdiff_t block_begin(std::ptrdiff_t block, std::ptrdiff_t width) {
    return std::min(block * kBlock, width - kBlock);
}

// Registers that a block fills, by the interleaved bytes of a sample. Each has its pixels' pairs byte by byte of the
// sample: all first ones, then all second ones.
constexpr int registers(int step) { return step == 3 ? 4 : step; }
constexpr int most_per_load(int step) { return step == 3 ? 2 : 4; }  // target pixels

}  // namespace mpipeline::pixels
