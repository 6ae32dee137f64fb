// Packed BGR from planar pictures: 16-bit fixed point, the same arithmetic in plain C++ and in AVX2.
#include "mpipeline/pixels.hpp"

#include <cstring>

#include "mpipeline/fixed_colors.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#define MPIPELINE_AVX2 1
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace mpipeline::pixels {

bool has_avx2() {
#ifdef MPIPELINE_AVX2
    // clang's __builtin_cpu_supports does not know F16C; AVX2 includes that the system saves the wide registers.
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
#else
    return false;
#endif
}

namespace {

struct Row {  // one row of pixels; chroma samples are `chroma_step` bytes apart
    const std::uint8_t *y, *u, *v;
    int chroma_step;
};

void convert_plain(const Row& row, const Fixed& f, int begin, int width, std::uint8_t* out) {
    for (int x = begin; x < width; ++x) {
        const int chroma = (x / 2) * row.chroma_step;
        const Bgr pixel = bgr_of(f, row.y[x], row.u[chroma], row.v[chroma]);
        out[3 * x] = pixel.blue;
        out[3 * x + 1] = pixel.green;
        out[3 * x + 2] = pixel.red;
    }
}

#ifdef MPIPELINE_AVX2
#define AVX2_CODE __attribute__((target("avx2,f16c")))

// 16 pixels of each colour to 48 interleaved bytes; the shuffles put byte i of a colour at 3 i + its place.
AVX2_CODE inline void store_bgr(__m128i b, __m128i g, __m128i r, std::uint8_t* out) {
    const __m128i b0 = _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5);
    const __m128i g0 = _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1);
    const __m128i r0 = _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1);
    const __m128i b1 = _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1);
    const __m128i g1 = _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10);
    const __m128i r1 = _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1);
    const __m128i b2 = _mm_setr_epi8(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1);
    const __m128i g2 = _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1);
    const __m128i r2 = _mm_setr_epi8(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15);
    const __m128i first =
        _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(b, b0), _mm_shuffle_epi8(g, g0)), _mm_shuffle_epi8(r, r0));
    const __m128i second =
        _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(b, b1), _mm_shuffle_epi8(g, g1)), _mm_shuffle_epi8(r, r1));
    const __m128i third =
        _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(b, b2), _mm_shuffle_epi8(g, g2)), _mm_shuffle_epi8(r, r2));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), first);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 16), second);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 32), third);
}

AVX2_CODE inline __m128i levels(__m256i value) {
    const __m256i shifted = _mm256_srai_epi16(value, 6);
    return _mm_packus_epi16(_mm256_castsi256_si128(shifted), _mm256_extracti128_si256(shifted, 1));
}

// Each of 8 chroma samples twice, as signed 8.8 around 128.
AVX2_CODE inline __m256i chroma(__m128i doubled) {
    return _mm256_slli_epi16(_mm256_sub_epi16(_mm256_cvtepu8_epi16(doubled), _mm256_set1_epi16(128)), 8);
}

// Returns how many pixels are done; loads stay inside the row: 16 pixels need 8 chroma samples.
AVX2_CODE int convert_avx2(const Row& row, const Fixed& f, int width, std::uint8_t* out) {
    const __m128i even = _mm_setr_epi8(0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14);
    const __m128i odd = _mm_add_epi8(even, _mm_set1_epi8(1));
    int x = 0;
    for (; x + 16 <= width; x += 16) {
        __m128i u, v;
        if (row.chroma_step == 2) {
            const __m128i uv = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row.u + x));
            u = _mm_shuffle_epi8(uv, even);
            v = _mm_shuffle_epi8(uv, odd);
        } else {
            u = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row.u + x / 2));
            v = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row.v + x / 2));
            u = _mm_unpacklo_epi8(u, u);
            v = _mm_unpacklo_epi8(v, v);
        }
        const __m256i cu = chroma(u), cv = chroma(v);
        const __m256i y8 = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row.y + x)));
        const __m256i y = _mm256_add_epi16(
            _mm256_mulhi_epu16(_mm256_slli_epi16(y8, 8), _mm256_set1_epi16(static_cast<short>(f.y_gain))),
            _mm256_set1_epi16(f.y_bias));
        const __m256i green = _mm256_adds_epi16(_mm256_mulhrs_epi16(cu, _mm256_set1_epi16(f.green_u)),
                                                _mm256_mulhrs_epi16(cv, _mm256_set1_epi16(f.green_v)));
        const __m256i blue = _mm256_mulhrs_epi16(cu, _mm256_set1_epi16(f.blue_u));
        const __m256i red = _mm256_mulhrs_epi16(cv, _mm256_set1_epi16(f.red_v));
        store_bgr(levels(_mm256_adds_epi16(y, blue)), levels(_mm256_adds_epi16(y, green)),
                  levels(_mm256_adds_epi16(y, red)), out + 3 * x);
    }
    return x;
}
#endif

void gray_row(const std::uint8_t* in, int width, std::uint8_t* out) {
    for (int x = 0; x < width; ++x) out[3 * x] = out[3 * x + 1] = out[3 * x + 2] = in[x];
}

}  // namespace

void to_bgr(const Picture& picture, std::uint8_t* out, std::ptrdiff_t out_stride, bool portable) {
    const Fixed coefficients = fixed(yuv_to_rgb(picture.matrix, picture.full_range));
    const bool fast = !portable && has_avx2();
    const PlaneView* planes = picture.planes;
    for (int row = 0; row < picture.height; ++row, out += out_stride) {
        const std::uint8_t* first = planes[0].data + row * planes[0].stride;
        if (picture.format == Format::bgr24) {
            std::memcpy(out, first, static_cast<std::size_t>(picture.width) * 3);
        } else if (picture.format == Format::gray8) {
            gray_row(first, picture.width, out);
        } else {
            const bool interleaved = picture.format == Format::nv12;
            const std::uint8_t* u = planes[1].data + (row / 2) * planes[1].stride;
            const std::uint8_t* v = interleaved ? u + 1 : planes[2].data + (row / 2) * planes[2].stride;
            const Row pixels{first, u, v, interleaved ? 2 : 1};
            int done = 0;
#ifdef MPIPELINE_AVX2
            if (fast) done = convert_avx2(pixels, coefficients, picture.width, out);
#endif
            convert_plain(pixels, coefficients, done, picture.width, out);
        }
    }
    (void)fast;
}

}  // namespace mpipeline::pixels
