// The preprocessing pass with a resize that averages, as a kernel: a block makes a tile of a frame's row of the batch.
//
// As on the processor (native/src/smooth.cpp) the picture becomes bytes of B, G and R, columns of it are summed into a
// line for each row of the target, and the line is summed into pixels, always from the first sample to the last. So
// both make the same tensor, to the last bit. A line is as long as the tile's part of the picture is wide, which may be
// much: it is made and summed in stretches.
#pragma once

#include <cstdint>

#include "block.hpp"
#include "mpipeline/fixed_colors.hpp"
#include "preprocess_kernel.hpp"

namespace mpipeline::cuda {

constexpr int kStretch = 128;  // columns of the picture

struct SmoothTile {
    float lines[kTileHeight][3][kStretch];
    float levels[kThreads][3];  // what each thread's pixel has come to
};

KERNEL_TABLE pixels::Fixed kByteColors[6] = {pixels::fixed(pixels::yuv_to_rgb(pixels::Matrix::bt601, false)),
                                             pixels::fixed(pixels::yuv_to_rgb(pixels::Matrix::bt601, true)),
                                             pixels::fixed(pixels::yuv_to_rgb(pixels::Matrix::bt709, false)),
                                             pixels::fixed(pixels::yuv_to_rgb(pixels::Matrix::bt709, true)),
                                             pixels::fixed(pixels::yuv_to_rgb(pixels::Matrix::bt2020, false)),
                                             pixels::fixed(pixels::yuv_to_rgb(pixels::Matrix::bt2020, true))};

// For each of `size` pixels along a side of the placement, as lists of `size` numbers: the first of the source samples
// that it averages, how many they are, the weight of the first of them, that of the second, and so on.
struct Taps {
    const std::int32_t* numbers;
    int size;

    KERNEL_BODY Taps(const void* lists, int pixels) : numbers(static_cast<const std::int32_t*>(lists)), size(pixels) {}
    KERNEL_BODY int first(int pixel) const { return numbers[pixel]; }
    KERNEL_BODY int end(int pixel) const { return numbers[pixel] + numbers[size + pixel]; }
    KERNEL_BODY const float* weights(int pixel) const {  // `size` numbers from one to the next
        return reinterpret_cast<const float*>(numbers + 2 * static_cast<std::int64_t>(size) + pixel);
    }
};

KERNEL_BODY pixels::Bgr bytes_at(const FrameJob& frame, int x, int y) {
    const auto format = static_cast<pixels::Format>(frame.format);
    const std::uint8_t* row = frame.planes[0] + y * frame.strides[0];
    if (format == pixels::Format::bgr24) {
        row += static_cast<std::int64_t>(x) * 3;
        return {static_cast<std::uint8_t>(level_at(row)), static_cast<std::uint8_t>(level_at(row + 1)),
                static_cast<std::uint8_t>(level_at(row + 2))};
    }
    const int luma = level_at(row + x);
    if (format == pixels::Format::gray8) {
        const auto gray = static_cast<std::uint8_t>(luma);
        return {gray, gray, gray};
    }
    const bool interleaved = format == pixels::Format::nv12;
    const std::uint8_t* u = frame.planes[1] + (y / 2) * frame.strides[1] + (interleaved ? x / 2 * 2 : x / 2);
    const std::uint8_t* v = interleaved ? u + 1 : frame.planes[2] + (y / 2) * frame.strides[2] + x / 2;
    return pixels::bgr_of(kByteColors[frame.color], luma, level_at(u), level_at(v));
}

// Column x of the picture, summed for one row of the placement.
KERNEL_BODY void sum_column(const FrameJob& frame, Taps rows, int row, int x, float (&rgb)[3]) {
    const int end = rows.end(row);
    const float* weight = rows.weights(row);
    rgb[0] = rgb[1] = rgb[2] = 0.0f;
    for (int y = rows.first(row); y < end; ++y, weight += rows.size) {
        const pixels::Bgr bytes = bytes_at(frame, x, y);
        rgb[0] += *weight * static_cast<float>(bytes.red);
        rgb[1] += *weight * static_cast<float>(bytes.green);
        rgb[2] += *weight * static_cast<float>(bytes.blue);
    }
}

// Goes on with the sums of a pixel along its line, over a stretch of it from `begin` up to `end`.
KERNEL_BODY void sum_stretch(Taps columns, int pixel, int begin, int end, const float (&line)[3][kStretch],
                             float (&rgb)[3]) {
    const int first = columns.first(pixel), last = columns.end(pixel);
    const int from = first > begin ? first : begin, to = last < end ? last : end;
    const float* weight = columns.weights(pixel) + static_cast<std::int64_t>(from - first) * columns.size;
    for (int x = from; x < to; ++x, weight += columns.size) {
        for (int c = 0; c < 3; ++c) rgb[c] += *weight * line[c][x - begin];
    }
}

// The grid is that of `preprocess`. A row of the tile is made by the same threads all the way: a warp of the GPU.
template <typename Element>
KERNEL_BODY void preprocess_smooth(const PreprocessJob& job, Block block, SmoothTile& tile) {
    const FrameJob& frame = job.frames()[block.z];
    const Taps columns(frame.columns, frame.placed_width), rows(frame.rows, frame.placed_height);
    const int left = block.x * kTileWidth - frame.left, top = block.y * kTileHeight - frame.top;
    const int first = left > 0 ? left : 0, end = left + kTileWidth < columns.size ? left + kTileWidth : columns.size;
    const int line_begin = first < end ? columns.first(first) : 0, line_end = first < end ? columns.end(end - 1) : 0;
    EACH_THREAD(t) {
        const bool sums = covers(frame, left + t % kTileWidth, top + t / kTileWidth);
        for (int c = 0; c < 3; ++c) tile.levels[t][c] = sums ? 0.0f : job.pad;
    }
    for (int begin = line_begin; begin < line_end; begin += kStretch) {
        const int stretch_end = line_end - begin < kStretch ? line_end : begin + kStretch;
        EACH_THREAD(t) {
            const int row = t / kTileWidth;
            if (top + row < 0 || top + row >= rows.size) continue;
            for (int x = begin + t % kTileWidth; x < stretch_end; x += kTileWidth) {
                float rgb[3];
                sum_column(frame, rows, top + row, x, rgb);
                for (int c = 0; c < 3; ++c) tile.lines[row][c][x - begin] = rgb[c];
            }
        }
        EACH_THREAD(t) {
            const int row = t / kTileWidth, pixel = left + t % kTileWidth;
            if (covers(frame, pixel, top + row)) {
                sum_stretch(columns, pixel, begin, stretch_end, tile.lines[row], tile.levels[t]);
            }
        }
    }
    EACH_THREAD(t) {
        const int x = block.x * kTileWidth + t % kTileWidth, y = block.y * kTileHeight + t / kTileWidth;
        if (x < job.width && y < job.height) put_pixel<Element>(job, block.z, x, y, tile.levels[t]);
    }
}

}  // namespace mpipeline::cuda
