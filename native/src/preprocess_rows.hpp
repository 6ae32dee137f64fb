// One target row of the preprocessing pass, in plain C++ and in AVX2 with equal results; private to preprocess.cpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "mpipeline/pixels.hpp"
#include "mpipeline/preprocess.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#define MPIPELINE_AVX2 1
#define AVX2_CODE __attribute__((target("avx2,f16c")))
#include <immintrin.h>
#endif

namespace mpipeline::pixels {

constexpr int kVerticalOne = 1 << 15, kHorizontalOne = 1 << 14;
constexpr float kUnit = 1.0f / (1 << 21);  // 7 bits of the scratch row and 14 of the horizontal weights

// For each target column the first of two neighbours and both weights in 1/16384, first in the low half, as the
// multiply-add instruction wants them.
struct HorizontalTable {
    std::vector<std::int32_t> first;
    std::vector<std::uint32_t> weights;
};

namespace {

// What one target row needs; the scratch rows are those of the picture's planes.
struct RowJob {
    const std::int16_t* rows[3];
    const HorizontalTable* columns;
    const HorizontalTable* chroma_columns;
    YuvToRgb color;
    float scale[3], bias[3];  // of R, G, B
    int width;
};

float clamp_level(float value) { return std::min(std::max(value, 0.0f), 255.0f); }

float take(const std::int16_t* row, std::uint32_t weights, int step) {
    const int low = static_cast<int>(weights & 0xffff), high = static_cast<int>(weights >> 16);
    return static_cast<float>(row[0] * low + row[step] * high) * kUnit;
}

void put(float value, float* out) { *out = value; }
void put(float value, std::uint16_t* out) { *out = to_half(value); }

void blend_plain(const std::uint8_t* a, const std::uint8_t* b, int weight, int begin, int size, std::int16_t* out) {
    for (int i = begin; i < size; ++i) {
        out[i] = static_cast<std::int16_t>((a[i] << 7) + ((((b[i] - a[i]) * 128) * weight + 0x4000) >> 15));
    }
}

template <Format format, typename Element>
void row_plain(const RowJob& job, int begin, Element* const (&out)[3]) {
    for (int i = begin; i < job.width; ++i) {
        const int x = job.columns->first[i];
        const std::uint32_t w = job.columns->weights[i];
        float rgb[3];
        if constexpr (format == Format::bgr24) {
            for (int c = 0; c < 3; ++c) rgb[c] = take(job.rows[0] + 3 * x + 2 - c, w, 3);
        } else if constexpr (format == Format::gray8) {
            rgb[0] = rgb[1] = rgb[2] = take(job.rows[0] + x, w, 1);
        } else {
            const int cx = job.chroma_columns->first[i];
            const std::uint32_t cw = job.chroma_columns->weights[i];
            constexpr bool interleaved = format == Format::nv12;
            const float u = (interleaved ? take(job.rows[1] + 2 * cx, cw, 2) : take(job.rows[1] + cx, cw, 1)) - 128.0f;
            const float v =
                (interleaved ? take(job.rows[1] + 2 * cx + 1, cw, 2) : take(job.rows[2] + cx, cw, 1)) - 128.0f;
            const float y = (take(job.rows[0] + x, w, 1) - job.color.y_offset) * job.color.y_gain;
            rgb[0] = clamp_level(y + job.color.red_v * v);
            rgb[1] = clamp_level((y + job.color.green_u * u) + job.color.green_v * v);
            rgb[2] = clamp_level(y + job.color.blue_u * u);
        }
        for (int c = 0; c < 3; ++c) put(rgb[c] * job.scale[c] + job.bias[c], out[c] + i);
    }
}

#ifdef MPIPELINE_AVX2
AVX2_CODE int blend_avx2(const std::uint8_t* a, const std::uint8_t* b, int weight, int size, std::int16_t* out) {
    const __m256i weights = _mm256_set1_epi16(static_cast<short>(weight));
    int i = 0;
    for (; i + 16 <= size; i += 16) {
        const __m256i first = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a + i)));
        __m256i value = _mm256_slli_epi16(first, 7);
        if (weight != 0) {
            const __m256i second = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b + i)));
            const __m256i step = _mm256_slli_epi16(_mm256_sub_epi16(second, first), 7);
            value = _mm256_add_epi16(value, _mm256_mulhrs_epi16(step, weights));
        }
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), value);
    }
    return i;
}

AVX2_CODE inline __m256i gather_pairs(const std::int16_t* row, __m256i index) {
    return _mm256_i32gather_epi32(reinterpret_cast<const int*>(row), index, 2);
}

AVX2_CODE inline __m256 weigh(__m256i pairs, __m256i weights) {
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, weights)), _mm256_set1_ps(kUnit));
}

AVX2_CODE inline __m256i low_halves(__m256i a, __m256i b) {
    return _mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xaa);
}
AVX2_CODE inline __m256i high_halves(__m256i a, __m256i b) {
    return _mm256_blend_epi16(_mm256_srli_epi32(a, 16), b, 0xaa);
}

AVX2_CODE inline __m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }

AVX2_CODE inline void store(__m256 value, float* out) { _mm256_storeu_ps(out, value); }
AVX2_CODE inline void store(__m256 value, std::uint16_t* out) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT));
}

// y, u, v in levels become r, g, b in place; the order of operations is that of row_plain.
AVX2_CODE inline void to_rgb(const YuvToRgb& c, __m256& y, __m256& u, __m256& v) {
    const __m256 middle = _mm256_set1_ps(128.0f), none = _mm256_setzero_ps(), most = _mm256_set1_ps(255.0f);
    const __m256 luma = _mm256_mul_ps(_mm256_sub_ps(y, _mm256_set1_ps(c.y_offset)), _mm256_set1_ps(c.y_gain));
    const __m256 cu = _mm256_sub_ps(u, middle), cv = _mm256_sub_ps(v, middle);
    const __m256 red = _mm256_add_ps(luma, _mm256_mul_ps(_mm256_set1_ps(c.red_v), cv));
    const __m256 green = _mm256_add_ps(_mm256_add_ps(luma, _mm256_mul_ps(_mm256_set1_ps(c.green_u), cu)),
                                       _mm256_mul_ps(_mm256_set1_ps(c.green_v), cv));
    const __m256 blue = _mm256_add_ps(luma, _mm256_mul_ps(_mm256_set1_ps(c.blue_u), cu));
    y = _mm256_min_ps(_mm256_max_ps(red, none), most);
    u = _mm256_min_ps(_mm256_max_ps(green, none), most);
    v = _mm256_min_ps(_mm256_max_ps(blue, none), most);
}

// Returns how many target pixels are done, a multiple of 8.
template <Format format, typename Element>
AVX2_CODE int row_avx2(const RowJob& job, Element* const (&out)[3]) {
    int i = 0;
    for (; i + 8 <= job.width; i += 8) {
        const __m256i x = load(job.columns->first.data() + i), w = load(job.columns->weights.data() + i);
        __m256 r, g, b;
        if constexpr (format == Format::bgr24) {
            const std::int16_t* row = job.rows[0];  // B0 G0 | R0 B1 | G1 R1
            const __m256i index = _mm256_add_epi32(x, _mm256_add_epi32(x, x));
            const __m256i bg = gather_pairs(row, index), rb = gather_pairs(row + 2, index),
                          gr = gather_pairs(row + 4, index);
            b = weigh(_mm256_blend_epi16(bg, rb, 0xaa), w);
            g = weigh(high_halves(bg, _mm256_slli_epi32(gr, 16)), w);
            r = weigh(_mm256_blend_epi16(rb, gr, 0xaa), w);
        } else if constexpr (format == Format::gray8) {
            r = g = b = weigh(gather_pairs(job.rows[0], x), w);
        } else {
            const __m256i cx = load(job.chroma_columns->first.data() + i);
            const __m256i cw = load(job.chroma_columns->weights.data() + i);
            r = weigh(gather_pairs(job.rows[0], x), w);
            if constexpr (format == Format::nv12) {
                const __m256i index = _mm256_add_epi32(cx, cx);
                const __m256i first = gather_pairs(job.rows[1], index), second = gather_pairs(job.rows[1] + 2, index);
                g = weigh(low_halves(first, second), cw);
                b = weigh(high_halves(first, second), cw);
            } else {
                g = weigh(gather_pairs(job.rows[1], cx), cw);
                b = weigh(gather_pairs(job.rows[2], cx), cw);
            }
            to_rgb(job.color, r, g, b);
        }
        const __m256 rgb[3] = {r, g, b};
        for (int c = 0; c < 3; ++c) {
            store(_mm256_add_ps(_mm256_mul_ps(rgb[c], _mm256_set1_ps(job.scale[c])), _mm256_set1_ps(job.bias[c])),
                  out[c] + i);
        }
    }
    return i;
}
#endif

void blend(const std::uint8_t* a, const std::uint8_t* b, int weight, int size, bool fast, std::int16_t* out) {
    int done = 0;
#ifdef MPIPELINE_AVX2
    if (fast) done = blend_avx2(a, b, weight, size, out);
#endif
    (void)fast;
    blend_plain(a, b, weight, done, size, out);
}

template <Format format, typename Element>
void row(const RowJob& job, bool fast, Element* const (&out)[3]) {
    int done = 0;
#ifdef MPIPELINE_AVX2
    if (fast) done = row_avx2<format>(job, out);
#endif
    (void)fast;
    row_plain<format>(job, done, out);
}

template <typename Element>
void any_row(Format format, const RowJob& job, bool fast, Element* const (&out)[3]) {
    switch (format) {
        case Format::i420:
            return row<Format::i420>(job, fast, out);
        case Format::nv12:
            return row<Format::nv12>(job, fast, out);
        case Format::bgr24:
            return row<Format::bgr24>(job, fast, out);
        case Format::gray8:
            return row<Format::gray8>(job, fast, out);
    }
}

}  // namespace

}  // namespace mpipeline::pixels
