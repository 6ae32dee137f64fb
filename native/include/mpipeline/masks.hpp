// From a coarse grid of numbers to the pixels above 0 of its bilinear enlargement, as runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mpipeline::masks {

// Some of the cells of a grid, and the strides of their numbers.
struct Patch {
    const float* numbers;
    int rows, columns;
    std::ptrdiff_t row_stride, column_stride;
};

// One side of a grid of `cells` that is stretched over `pixels`; the patch begins at cell `offset`.
struct Side {
    int offset, cells, pixels;
};

// The smallest window that has all covered pixels, and the lengths of uncovered and covered runs in turn, row by row of
// the window; a run over 65535 is cut by one of 0. All of it is 0 or empty where nothing is covered.
struct Runs {
    int left = 0, top = 0, width = 0, height = 0;
    std::vector<std::uint16_t> lengths;
};

// A number belongs to the middle of its cell; the border of the grid is repeated outwards. Only pixels between the
// middles of the patch's outermost cells are looked at, and those beyond where the patch ends with the grid.
// Throws std::invalid_argument if the patch is empty, or does not lie in the grid.
Runs enlarged(const Patch& patch, const Side& across, const Side& down);

}  // namespace mpipeline::masks
