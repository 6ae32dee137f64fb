// One target row of the preprocessing pass in AVX2, with the results of the plain one; private to preprocess.cpp.
//
// Pixels come in blocks of 8. Bytes are fetched by loads and shuffles that were planned for the geometry, for gather
// instructions are slow, on some processors very slow.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preprocess_rows.hpp"
#include "preprocess_tables.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#define MPIPELINE_AVX2 1
#define AVX2_CODE __attribute__((target("avx2,f16c")))
#include <immintrin.h>
#endif

namespace mpipeline::pixels {

#ifdef MPIPELINE_AVX2
namespace {

AVX2_CODE inline __m128i load_half(const std::uint8_t* from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

// Along a row of one plane, whose samples are `step` bytes. What a loop reads again and again is copied here: the
// compiler must think that what the loop stores may change what lies elsewhere.
template <int step, int pixels_per_load>
class Walk {
public:
    AVX2_CODE Walk(const RowJob& job, int plane, const HorizontalTable& table)
        : above_(job.above[plane]),
          below_(job.weight[plane] != 0 ? job.below[plane] : nullptr),
          from_(table.picks.from.data()),
          masks_(table.picks.masks.data()),
          weights_(table.weights.data()),
          weight_(_mm256_set1_epi16(static_cast<short>(job.weight[plane]))) {}

    // The next 8 levels of each byte of a sample, from this pixel on; the arithmetic is that of `blend` and `take`.
    AVX2_CODE void next(std::ptrdiff_t pixel, __m256 (&levels)[step]) {
        __m256i value[step], other[step];
        pairs(above_, value);
        if (below_ != nullptr) {
            pairs(below_, other);
            for (int c = 0; c < step; ++c) {
                const __m256i product = _mm256_mulhrs_epi16(_mm256_sub_epi16(other[c], value[c]), weight_);
                value[c] = _mm256_add_epi16(value[c], product);
            }
        }
        const __m256i weights = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights_ + pixel));
        for (int c = 0; c < step; ++c) {
            const __m256 sum = _mm256_cvtepi32_ps(_mm256_madd_epi16(value[c], weights));
            levels[c] = _mm256_mul_ps(sum, _mm256_set1_ps(kUnit));
        }
        from_ += kLoads, masks_ += kLoads * kLoad;
    }

private:
    static constexpr int kRegisters = registers(step), kLoads = kBlock / pixels_per_load;

    AVX2_CODE __m128i loaded(const std::uint8_t* row, int i) const {
        return _mm_shuffle_epi8(load_half(row + from_[i]), load_half(masks_ + i * kLoad));
    }

    // Both neighbours of each pixel, with 7 more bits.
    AVX2_CODE void pairs(const std::uint8_t* row, __m256i (&values)[step]) const {
        __m128i found[kRegisters], sorted[kRegisters];
        for (int r = 0; r < kRegisters; ++r) {
            constexpr int each = kLoads / kRegisters;
            found[r] = loaded(row, r * each);
            for (int i = 1; i < each; ++i) found[r] = _mm_or_si128(found[r], loaded(row, r * each + i));
        }
        if constexpr (step == 1) {
            sorted[0] = found[0];
        } else if constexpr (step == 2) {
            sorted[0] = _mm_unpacklo_epi64(found[0], found[1]);
            sorted[1] = _mm_unpackhi_epi64(found[0], found[1]);
        } else {
            const __m128i low = _mm_unpacklo_epi32(found[0], found[1]), more = _mm_unpacklo_epi32(found[2], found[3]);
            sorted[0] = _mm_unpacklo_epi64(low, more);
            sorted[1] = _mm_unpackhi_epi64(low, more);
            sorted[2] =
                _mm_unpacklo_epi64(_mm_unpackhi_epi32(found[0], found[1]), _mm_unpackhi_epi32(found[2], found[3]));
        }
        for (int c = 0; c < step; ++c) values[c] = _mm256_slli_epi16(_mm256_cvtepu8_epi16(sorted[c]), 7);
    }

    const std::uint8_t *above_, *below_;
    const std::int32_t* from_;
    const std::uint8_t* masks_;
    const std::uint32_t* weights_;
    __m256i weight_;
};

AVX2_CODE inline void store(__m256 value, float* out) { _mm256_storeu_ps(out, value); }
AVX2_CODE inline void store(__m256 value, std::uint16_t* out) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT));
}

struct WideColor {
    __m256 y_offset, y_gain, red_v, green_u, green_v, blue_u;

    AVX2_CODE explicit WideColor(const YuvToRgb& c)
        : y_offset(_mm256_set1_ps(c.y_offset)),
          y_gain(_mm256_set1_ps(c.y_gain)),
          red_v(_mm256_set1_ps(c.red_v)),
          green_u(_mm256_set1_ps(c.green_u)),
          green_v(_mm256_set1_ps(c.green_v)),
          blue_u(_mm256_set1_ps(c.blue_u)) {}

    // y, u, v in levels become r, g, b in place; the order of operations is that of row_plain.
    AVX2_CODE void apply(__m256& y, __m256& u, __m256& v) const {
        const __m256 middle = _mm256_set1_ps(128.0f), none = _mm256_setzero_ps(), most = _mm256_set1_ps(255.0f);
        const __m256 luma = _mm256_mul_ps(_mm256_sub_ps(y, y_offset), y_gain);
        const __m256 cu = _mm256_sub_ps(u, middle), cv = _mm256_sub_ps(v, middle);
        const __m256 red = _mm256_add_ps(luma, _mm256_mul_ps(red_v, cv));
        const __m256 green =
            _mm256_add_ps(_mm256_add_ps(luma, _mm256_mul_ps(green_u, cu)), _mm256_mul_ps(green_v, cv));
        const __m256 blue = _mm256_add_ps(luma, _mm256_mul_ps(blue_u, cu));
        y = _mm256_min_ps(_mm256_max_ps(red, none), most);
        u = _mm256_min_ps(_mm256_max_ps(green, none), most);
        v = _mm256_min_ps(_mm256_max_ps(blue, none), most);
    }
};

// `pixels_per_load`: target pixels for which one load of a row is enough.
template <Format format, int pixels_per_load, typename Element>
AVX2_CODE void row_avx2(const RowJob& job, Element* const (&out)[3]) {
    constexpr int step = format == Format::bgr24 ? 3 : 1, chroma_step = format == Format::nv12 ? 2 : 1;
    Walk<step, pixels_per_load> first(job, 0, *job.columns);
    Walk<chroma_step, pixels_per_load> second(job, 1, *job.chroma_columns);
    Walk<1, pixels_per_load> third(job, 2, *job.chroma_columns);
    const WideColor color(job.color);
    const __m256 scale[3] = {_mm256_set1_ps(job.scale[0]), _mm256_set1_ps(job.scale[1]), _mm256_set1_ps(job.scale[2])};
    const __m256 bias[3] = {_mm256_set1_ps(job.bias[0]), _mm256_set1_ps(job.bias[1]), _mm256_set1_ps(job.bias[2])};
    Element* const line[3] = {out[0], out[1], out[2]};
    const std::ptrdiff_t width = job.width;
    for (std::ptrdiff_t block = 0; block * kBlock < width; ++block) {
        const std::ptrdiff_t i = block_begin(block, width);
        __m256 r, g, b, levels[step];
        first.next(i, levels);
        if constexpr (format == Format::bgr24) {
            b = levels[0], g = levels[1], r = levels[2];
        } else if constexpr (format == Format::gray8) {
            r = g = b = levels[0];
        } else {
            __m256 u[chroma_step], v[1];
            second.next(i, u);
            if constexpr (format == Format::i420) third.next(i, v);
            r = levels[0], g = u[0], b = format == Format::nv12 ? u[chroma_step - 1] : v[0];
            color.apply(r, g, b);
        }
        const __m256 rgb[3] = {r, g, b};
        for (int c = 0; c < 3; ++c) store(_mm256_add_ps(_mm256_mul_ps(rgb[c], scale[c]), bias[c]), line[c] + i);
    }
}

template <Format format, typename Element>
AVX2_CODE void any_row_avx2(const RowJob& job, int pixels_per_load, Element* const (&out)[3]) {
    if (pixels_per_load == 1) return row_avx2<format, 1>(job, out);
    if constexpr (format == Format::bgr24) return row_avx2<format, 2>(job, out);
    return pixels_per_load == 2 ? row_avx2<format, 2>(job, out) : row_avx2<format, 4>(job, out);
}

}  // namespace
#endif

}  // namespace mpipeline::pixels
