// The preprocessing pass as a kernel: a block makes a tile of one frame's row of the batch.
//
// The arithmetic is that of the pass on the processor (native/src/preprocess_rows.hpp), operation by operation: the
// places of the neighbours in doubles, their blending in integers, colours in single floats without fused multiply-add.
// So both make the same tensor, to the last bit. The doubles are few: a tile's columns and rows share them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "block.hpp"
#include "mpipeline/pixels.hpp"

namespace mpipeline::cuda {

// One frame. Addresses are those of the device. The picture covers the placed rectangle of the target.
struct FrameJob {
    const std::uint8_t* planes[3];
    std::int64_t strides[3];  // bytes from one row to the next
    double step_x, step_y;  // samples of the picture for each pixel of the placement
    const void *columns, *rows;  // of smooth_kernel.hpp: the samples that each of the placement's pixels averages
    std::int32_t format;  // pixels::Format
    std::int32_t color;  // 2 * pixels::Matrix, + 1 for full range
    std::int32_t width, height;
    std::int32_t placed_width, placed_height, left, top;
};

// The target, as pixels::Target; `frames` of its batch follow it in memory.
struct PreprocessJob {
    void* out;  // frames x 3 x height x width elements
    std::int32_t width, height;
    std::int32_t bgr;
    float scale[3], bias[3], pad;
    KERNEL_BODY const FrameJob* frames() const { return reinterpret_cast<const FrameJob*>(this + 1); }
};

static_assert(sizeof(FrameJob) == 112 && offsetof(FrameJob, columns) == 64 && offsetof(FrameJob, format) == 80);
static_assert(sizeof(PreprocessJob) == 48 && offsetof(PreprocessJob, scale) == 20);

constexpr int kTileWidth = 32, kTileHeight = kThreads / kTileWidth;
constexpr int kColumnOne = 1 << 14, kRowOne = 1 << 15;
constexpr float kUnit = 1.0f / (1 << 21);  // 7 bits of the rows' step and 14 of the columns' weights

struct Tap {
    int first, weight;  // the weight of the neighbour first + 1
};

struct Tile {
    Tap columns[kTileWidth], rows[kTileHeight];
};

KERNEL_TABLE pixels::YuvToRgb kColors[6] = {
    pixels::yuv_to_rgb(pixels::Matrix::bt601, false),  pixels::yuv_to_rgb(pixels::Matrix::bt601, true),
    pixels::yuv_to_rgb(pixels::Matrix::bt709, false),  pixels::yuv_to_rgb(pixels::Matrix::bt709, true),
    pixels::yuv_to_rgb(pixels::Matrix::bt2020, false), pixels::yuv_to_rgb(pixels::Matrix::bt2020, true)};

KERNEL_BODY Tap tap(int samples, double step, int pixel, int one, int most) {
    const double centre = (pixel + 0.5) * step - 0.5;
    const double inside = centre < 0.0 ? 0.0 : centre;
    if (inside >= samples - 1) return {samples - 1, 0};
    const int first = static_cast<int>(inside);
    const int weight = to_nearest((inside - first) * one);
    return {first, weight < most ? weight : most};
}

// Chroma follows luma: each sample counts for its 2 x 2 pixels.
KERNEL_BODY Tap halved(Tap luma) { return {luma.first / 2, luma.first % 2 != 0 ? luma.weight : 0}; }

// The level between two rows, with 7 more bits.
KERNEL_BODY int blended(int above, int below, int weight) {
    return (above << 7) + (((below - above) * 128 * weight + 0x4000) >> 15);
}

// The level among four samples, of which the next one in the row lies `step` bytes further. No neighbour without weight
// is read: it may lie outside.
KERNEL_BODY float sample(const std::uint8_t* plane, std::int64_t stride, Tap row, Tap column, int step) {
    const std::uint8_t* above = plane + row.first * stride + static_cast<std::int64_t>(column.first) * step;
    const std::uint8_t* below = row.weight != 0 ? above + stride : above;
    const int next = column.weight != 0 ? step : 0;
    const int left = blended(level_at(above), level_at(below), row.weight);
    const int right = blended(level_at(above + next), level_at(below + next), row.weight);
    return static_cast<float>(left * (kColumnOne - column.weight) + right * column.weight) * kUnit;
}

KERNEL_BODY float clamped(float level) { return level < 0.0f ? 0.0f : level > 255.0f ? 255.0f : level; }

KERNEL_BODY void picture_levels(const FrameJob& frame, Tap row, Tap column, float (&rgb)[3]) {
    const auto format = static_cast<pixels::Format>(frame.format);
    if (format == pixels::Format::bgr24) {
        for (int c = 0; c < 3; ++c) rgb[c] = sample(frame.planes[0] + 2 - c, frame.strides[0], row, column, 3);
        return;
    }
    const float luma = sample(frame.planes[0], frame.strides[0], row, column, 1);
    if (format == pixels::Format::gray8) {
        rgb[0] = rgb[1] = rgb[2] = luma;
        return;
    }
    const bool interleaved = format == pixels::Format::nv12;
    const std::uint8_t* red = interleaved ? frame.planes[1] + 1 : frame.planes[2];
    const std::int64_t red_stride = frame.strides[interleaved ? 1 : 2];
    const Tap y = halved(row), x = halved(column);
    const int step = interleaved ? 2 : 1;
    const float u = sample(frame.planes[1], frame.strides[1], y, x, step) - 128.0f;
    const float v = sample(red, red_stride, y, x, step) - 128.0f;
    const pixels::YuvToRgb& color = kColors[frame.color];
    const float base = (luma - color.y_offset) * color.y_gain;
    rgb[0] = clamped(base + color.red_v * v);
    rgb[1] = clamped((base + color.green_u * u) + color.green_v * v);
    rgb[2] = clamped(base + color.blue_u * u);
}

KERNEL_BODY bool covers(const FrameJob& frame, int placed_x, int placed_y) {
    return placed_x >= 0 && placed_y >= 0 && placed_x < frame.placed_width && placed_y < frame.placed_height;
}

// The levels as values of a pixel in one frame's row of the batch.
template <typename Element>
KERNEL_BODY void put_pixel(const PreprocessJob& job, int frame, int x, int y, const float (&rgb)[3]) {
    const std::int64_t area = static_cast<std::int64_t>(job.width) * job.height;
    Element* out = static_cast<Element*>(job.out) + 3 * area * frame + static_cast<std::int64_t>(y) * job.width + x;
    for (int c = 0; c < 3; ++c) {
        const int position = job.bgr != 0 ? 2 - c : c;
        put(rgb[c] * job.scale[position] + job.bias[position], out + position * area);
    }
}

// The grid has a block for each tile of a row of the batch, and its third side is the frames.
template <typename Element>
KERNEL_BODY void preprocess(const PreprocessJob& job, Block block, Tile& tile) {
    const FrameJob& frame = job.frames()[block.z];
    const int left = block.x * kTileWidth - frame.left, top = block.y * kTileHeight - frame.top;
    EACH_THREAD(t) {
        if (t < kTileWidth) tile.columns[t] = tap(frame.width, frame.step_x, left + t, kColumnOne, kColumnOne);
        const int row = t - kTileWidth;
        if (row >= 0 && row < kTileHeight) {
            tile.rows[row] = tap(frame.height, frame.step_y, top + row, kRowOne, kRowOne - 1);
        }
    }
    EACH_THREAD(t) {
        const int column = t % kTileWidth, row = t / kTileWidth;
        const int x = block.x * kTileWidth + column, y = block.y * kTileHeight + row;
        if (x >= job.width || y >= job.height) continue;
        float rgb[3] = {job.pad, job.pad, job.pad};
        if (covers(frame, left + column, top + row)) {
            picture_levels(frame, tile.rows[row], tile.columns[column], rgb);
        }
        put_pixel<Element>(job, block.z, x, y, rgb);
    }
}

}  // namespace mpipeline::cuda
