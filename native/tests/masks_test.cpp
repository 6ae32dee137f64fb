// Enlarged masks against the plainest computation, and the smooth resize at odd places; every patch and picture is an
// allocation of exactly its own size, so that a read beyond it is an error under AddressSanitizer.
#include "mpipeline/masks.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "mpipeline/smooth.hpp"

using namespace mpipeline;

namespace {

std::vector<bool> painted(const masks::Runs& runs, int width, int height) {
    std::vector<bool> picture(static_cast<std::size_t>(width) * height);
    std::int64_t at = 0;
    bool covered = false;
    for (const std::uint16_t length : runs.lengths) {
        for (int i = 0; i < length; ++i, ++at) {
            const std::int64_t x = runs.left + at % runs.width, y = runs.top + at / runs.width;
            CHECK(x < width && y < height);
            picture[static_cast<std::size_t>(y * width + x)] = covered;
        }
        covered = !covered;
    }
    CHECK(at == static_cast<std::int64_t>(runs.width) * runs.height);
    return picture;
}

// The number at a pixel of a whole grid that is enlarged.
float number_at(const std::vector<float>& grid, int columns, int rows, int x, int y, int width, int height) {
    const auto place = [](int i, int cells, int pixels) {
        return std::clamp((i + 0.5) / (static_cast<double>(pixels) / cells) - 0.5, 0.0, cells - 1.0);
    };
    const double across = place(x, columns, width), down = place(y, rows, height);
    const int c = static_cast<int>(across), r = static_cast<int>(down);
    const auto wx = static_cast<float>(across - c), wy = static_cast<float>(down - r);
    const auto line = [&](int column) {
        const int next = std::min(r + 1, rows - 1);
        return grid[static_cast<std::size_t>(r * columns + column)] * (1.0f - wy) +
               grid[static_cast<std::size_t>(next * columns + column)] * wy;
    };
    return line(c) * (1.0f - wx) + line(std::min(c + 1, columns - 1)) * wx;
}

void whole_grids_equal_the_plain_computation() {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (int round = 0; round < 400; ++round) {
        const int columns = 1 + static_cast<int>(random() % 9), rows = 1 + static_cast<int>(random() % 9);
        const int width = 1 + static_cast<int>(random() % 40), height = 1 + static_cast<int>(random() % 40);
        std::vector<float> grid(static_cast<std::size_t>(columns) * rows);
        for (float& number : grid) number = normal(random) + (round % 3 - 1);
        grid.shrink_to_fit();
        const masks::Patch patch{grid.data(), rows, columns, columns, 1};
        const masks::Runs runs = masks::enlarged(patch, {0, columns, width}, {0, rows, height});
        const std::vector<bool> picture = painted(runs, width, height);
        for (int y = 0; y < height; ++y) {
            for (int x = 0; x < width; ++x) {
                const float expected = number_at(grid, columns, rows, x, y, width, height);
                CHECK(picture[static_cast<std::size_t>(y * width + x)] == (expected > 0.0f));
            }
        }
    }
}

void patches_with_a_margin_are_as_good_as_the_grid() {
    std::vector<float> grid(12 * 10, -1.0f);
    for (int y = 4; y < 7; ++y) {
        for (int x = 5; x < 9; ++x) grid[static_cast<std::size_t>(y * 12 + x)] = 2.0f;
    }
    const masks::Runs whole = masks::enlarged({grid.data(), 10, 12, 12, 1}, {0, 12, 97}, {0, 10, 83});
    const float* corner = grid.data() + 3 * 12 + 4;
    const masks::Runs part = masks::enlarged({corner, 5, 6, 12, 1}, {4, 12, 97}, {3, 10, 83});
    CHECK(!whole.lengths.empty() && whole.lengths == part.lengths);
    CHECK(whole.left == part.left && whole.top == part.top && whole.width == part.width);
}

void odd_numbers_and_places() {
    const float odd[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1.0f,
                         -std::numeric_limits<float>::infinity()};
    painted(masks::enlarged({odd, 2, 2, 2, 1}, {0, 2, 50}, {0, 2, 50}), 50, 50);
    const float one = 1.0f;
    const masks::Runs all = masks::enlarged({&one, 1, 1, 1, 1}, {0, 1, 300}, {0, 1, 300});
    CHECK((all.lengths == std::vector<std::uint16_t>{0, 65535, 0, 24465}));
    CHECK(masks::enlarged({&one, 1, 1, 1, 1}, {1, 3, 2}, {0, 1, 1}).lengths.empty());
    for (const masks::Side& wrong : {masks::Side{1, 1, 9}, masks::Side{-1, 3, 9}, masks::Side{0, 0, 9},
                                     masks::Side{0, 1, 0}}) {
        CHECK_THROWS(masks::enlarged({&one, 1, 1, 1, 1}, wrong, {0, 1, 9}), std::invalid_argument, "patch");
    }
}

void a_smooth_resize_stays_inside_picture_and_target() {
    std::mt19937 random(2);
    for (int round = 0; round < 300; ++round) {
        const int width = 1 + static_cast<int>(random() % 60), height = 1 + static_cast<int>(random() % 60);
        std::vector<std::uint8_t> grey(static_cast<std::size_t>(width) * height, 100);
        pixels::Picture picture{pixels::Format::gray8, width, height, pixels::Matrix::bt601, true, {}};
        picture.planes[0] = {grey.data(), width};
        pixels::SmoothPreprocessor resize({9, 7, false, {1, 1, 1}, {0, 0, 0}, 100.0f});
        std::vector<float> out(3 * 9 * 7, -1.0f);
        const auto any = [&](int most) { return static_cast<int>(random() % (2 * most)) - most; };
        resize.run(picture, {1 + std::abs(any(90)), 1 + std::abs(any(90)), any(60), any(60)}, out.data());
        for (const float value : out) CHECK(std::abs(value - 100.0f) < 0.01f);
    }
}

}  // namespace

int main() {
    whole_grids_equal_the_plain_computation();
    patches_with_a_margin_are_as_good_as_the_grid();
    odd_numbers_and_places();
    a_smooth_resize_stays_inside_picture_and_target();
    return 0;
}
