// What one target row of the preprocessing pass needs, and the row in plain C++; private to preprocess.cpp.
#pragma once

#include <algorithm>
#include <cstdint>

#include "mpipeline/pixels.hpp"
#include "mpipeline/preprocess.hpp"
#include "preprocess_tables.hpp"

namespace mpipeline::pixels {

namespace {

constexpr float kUnit = 1.0f / (1 << 21);  // 7 bits of the vertical step and 14 of the horizontal weights

// Of each plane the two rows around the target row, and the weight of the second; or both already blended into one.
struct RowJob {
    const std::uint8_t *above[3], *below[3];
    int weight[3];
    const std::int16_t* blended[3];
    const HorizontalTable* columns;
    const HorizontalTable* chroma_columns;
    YuvToRgb color;
    float scale[3], bias[3];  // of R, G, B
    int width;
};

float clamp_level(float value) { return std::min(std::max(value, 0.0f), 255.0f); }

// The row between two, with 7 more bits than a level. Weight 0 for the first of them.
void blend(const std::uint8_t* above, const std::uint8_t* below, int weight, int size, std::int16_t* out) {
    if (weight == 0) {
        for (int i = 0; i < size; ++i) out[i] = static_cast<std::int16_t>(above[i] << 7);
        return;
    }
    for (int i = 0; i < size; ++i) {
        out[i] = static_cast<std::int16_t>((above[i] << 7) + ((((below[i] - above[i]) * 128) * weight + 0x4000) >> 15));
    }
}

float take(const std::int16_t* row, std::uint32_t weights, int step) {
    const int low = static_cast<int>(weights & 0xffff), high = static_cast<int>(weights >> 16);
    return static_cast<float>(row[0] * low + row[step] * high) * kUnit;
}

void put(float value, float* out) { *out = value; }
void put(float value, std::uint16_t* out) { *out = to_half(value); }

template <Format format, typename Element>
void row_plain(const RowJob& job, Element* const (&out)[3]) {
    for (int i = 0; i < job.width; ++i) {
        const int x = job.columns->first[i];
        const std::uint32_t w = job.columns->weights[i];
        float rgb[3];
        if constexpr (format == Format::bgr24) {
            for (int c = 0; c < 3; ++c) rgb[c] = take(job.blended[0] + 3 * x + 2 - c, w, 3);
        } else if constexpr (format == Format::gray8) {
            rgb[0] = rgb[1] = rgb[2] = take(job.blended[0] + x, w, 1);
        } else {
            const int cx = job.chroma_columns->first[i];
            const std::uint32_t cw = job.chroma_columns->weights[i];
            constexpr bool interleaved = format == Format::nv12;
            constexpr int step = interleaved ? 2 : 1;
            const float u = take(job.blended[1] + step * cx, cw, step) - 128.0f;
            const float v = take(interleaved ? job.blended[1] + 2 * cx + 1 : job.blended[2] + cx, cw, step) - 128.0f;
            const float y = (take(job.blended[0] + x, w, 1) - job.color.y_offset) * job.color.y_gain;
            rgb[0] = clamp_level(y + job.color.red_v * v);
            rgb[1] = clamp_level((y + job.color.green_u * u) + job.color.green_v * v);
            rgb[2] = clamp_level(y + job.color.blue_u * u);
        }
        for (int c = 0; c < 3; ++c) put(rgb[c] * job.scale[c] + job.bias[c], out[c] + i);
    }
}

}  // namespace

}  // namespace mpipeline::pixels
