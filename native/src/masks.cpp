// Enlarging masks: between two cells of equal sign every pixel has that sign, so that only cells around the border of
// what is covered are computed pixel by pixel.
#include "mpipeline/masks.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace mpipeline::masks {

namespace {

constexpr int kLongestRun = 0xffff;

// The pixels from `first` on, and for each the cell of the patch before it and the weight of the cell behind it. Pixels
// with the same cell are a span, up to but without `end`.
struct Span {
    int cell, end;
};
struct Taps {
    int first;
    std::vector<int> cell;
    std::vector<float> weight;
    std::vector<Span> spans;
};

Taps taps(const Side& side, int count) {
    if (count < 1 || side.pixels < 1 || side.offset < 0 || count > side.cells - side.offset) {
        throw std::invalid_argument("the patch does not lie in the grid, or there are no pixels");
    }
    const double scale = static_cast<double>(side.pixels) / side.cells;
    const auto middle = [&](int cell) { return (cell + 0.5) * scale - 0.5; };
    const int begin = side.offset == 0 ? 0 : static_cast<int>(std::ceil(middle(side.offset)));
    const bool to_the_end = side.offset + count == side.cells;
    const int end = to_the_end ? side.pixels : static_cast<int>(std::floor(middle(side.offset + count - 1))) + 1;
    Taps found{begin, {}, {}, {}};
    for (int i = begin; i < end; ++i) {
        const double place = std::clamp((i + 0.5) / scale - 0.5, 0.0, side.cells - 1.0) - side.offset;
        const int cell = std::clamp(static_cast<int>(std::floor(place)), 0, count - 1);
        if (found.spans.empty() || found.spans.back().cell != cell) found.spans.push_back({cell, 0});
        found.spans.back().end = i + 1 - begin;
        found.cell.push_back(cell);
        found.weight.push_back(static_cast<float>(place - cell));
    }
    return found;
}

struct Interval {
    int row, begin, end;
};

// Adds the covered intervals of one row of pixels.
void cover_row(const std::vector<float>& line, const Taps& columns, int row, std::vector<Interval>& found) {
    const int last = static_cast<int>(line.size()) - 1;
    int begin = -1, i = 0;
    const auto mark = [&](bool covered, int pixel) {
        if (covered == (begin >= 0)) return;
        if (!covered) found.push_back({row, columns.first + begin, columns.first + pixel});
        begin = covered ? pixel : -1;
    };
    for (const Span& span : columns.spans) {
        const float a = line[span.cell], b = line[std::min(span.cell + 1, last)];
        if ((a > 0.0f && b > 0.0f) || (a <= 0.0f && b <= 0.0f)) {
            mark(a > 0.0f, i);
            i = span.end;
            continue;
        }
        for (; i < span.end; ++i) mark(a * (1.0f - columns.weight[i]) + b * columns.weight[i] > 0.0f, i);
    }
    mark(false, i);
}

void add_run(std::int64_t length, std::vector<std::uint16_t>& lengths) {
    for (; length > kLongestRun; length -= kLongestRun) {
        lengths.push_back(kLongestRun);
        lengths.push_back(0);
    }
    lengths.push_back(static_cast<std::uint16_t>(length));
}

Runs as_runs(const std::vector<Interval>& intervals) {
    Runs runs;
    if (intervals.empty()) return runs;
    int right = 0;
    runs.left = intervals.front().begin;
    for (const Interval& each : intervals) {
        runs.left = std::min(runs.left, each.begin);
        right = std::max(right, each.end);
    }
    runs.top = intervals.front().row;
    runs.width = right - runs.left;
    runs.height = intervals.back().row + 1 - runs.top;
    std::int64_t done = 0, covered = 0;  // pixels that are told, and the covered ones behind them
    for (const Interval& each : intervals) {
        const std::int64_t begin =
            static_cast<std::int64_t>(each.row - runs.top) * runs.width + (each.begin - runs.left);
        const std::int64_t gap = begin - done - covered;
        if (gap > 0 || (done == 0 && covered == 0)) {
            if (covered > 0) add_run(covered, runs.lengths);
            add_run(gap, runs.lengths);
            done = begin;
            covered = 0;
        }
        covered += each.end - each.begin;
    }
    add_run(covered, runs.lengths);
    const std::int64_t rest = static_cast<std::int64_t>(runs.width) * runs.height - done - covered;
    if (rest > 0) add_run(rest, runs.lengths);
    return runs;
}

}  // namespace

Runs enlarged(const Patch& patch, const Side& across, const Side& down) {
    const Taps columns = taps(across, patch.columns), rows = taps(down, patch.rows);
    std::vector<float> line(static_cast<std::size_t>(patch.columns));
    std::vector<Interval> intervals;
    for (std::size_t y = 0; y < rows.cell.size(); ++y) {
        const float* upper = patch.numbers + rows.cell[y] * patch.row_stride;
        const float* lower = patch.numbers + std::min(rows.cell[y] + 1, patch.rows - 1) * patch.row_stride;
        const float weight = rows.weight[y];
        for (int x = 0; x < patch.columns; ++x) {
            const std::ptrdiff_t at = x * patch.column_stride;
            line[static_cast<std::size_t>(x)] = upper[at] * (1.0f - weight) + lower[at] * weight;
        }
        cover_row(line, columns, rows.first + static_cast<int>(y), intervals);
    }
    return as_runs(intervals);
}

}  // namespace mpipeline::masks
