// How a decoded picture lies in memory, and its conversion to packed BGR.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mpipeline::pixels {

enum class Format : int { i420 = 1, nv12 = 2, bgr24 = 3, gray8 = 4 };
enum class Matrix : int { bt601 = 0, bt709 = 1, bt2020 = 2 };

struct PlaneView {
    const std::uint8_t* data = nullptr;
    std::ptrdiff_t stride = 0;  // bytes from one row to the next, may be negative
};

// Chroma planes are halved both ways, rounded up. Grey is always full range; matrix and range do not matter to BGR.
struct Picture {
    Format format;
    int width;
    int height;
    Matrix matrix = Matrix::bt601;
    bool full_range = false;
    PlaneView planes[3];
};

constexpr int half_up(int size) { return (size + 1) / 2; }
constexpr bool is_420(Format format) { return format == Format::i420 || format == Format::nv12; }

// The number of planes of a format, and the bytes and rows that belong to each: what a caller has to provide.
int plane_count(Format format);
int plane_row_bytes(const Picture& picture, int plane);
int plane_rows(const Picture& picture, int plane);

// A plane as somebody hands it over, of whatever shape.
struct PlaneShape {
    const std::uint8_t* data = nullptr;
    std::size_t rows = 0;
    std::size_t row_bytes = 0;
    std::ptrdiff_t stride = 0;  // bytes from one row to the next
    std::ptrdiff_t step = 1;  // bytes from one byte of a row to the next: 1 in anything that is taken
};

inline constexpr int kMostPixels = 65535;  // wide or high

// The picture that these numbers and planes are. They may come from anywhere: throws std::invalid_argument unless
// format, matrix and size are possible and each plane has exactly the rows and bytes that they call for.
Picture checked_picture(int format, int width, int height, int matrix, bool full_range,
                        std::span<const PlaneShape> planes);

// R = y_gain (Y - y_offset) + red_v (V - 128), and so on; all in levels 0..255 (ITU-T H.273, non-constant luminance).
struct YuvToRgb {
    float y_offset, y_gain, red_v, green_u, green_v, blue_u;
};
constexpr YuvToRgb yuv_to_rgb(Matrix matrix, bool full_range) {
    double kr = 0.299, kb = 0.114;
    if (matrix == Matrix::bt709) kr = 0.2126, kb = 0.0722;
    if (matrix == Matrix::bt2020) kr = 0.2627, kb = 0.0593;
    const double kg = 1.0 - kr - kb;
    const double luma = full_range ? 1.0 : 255.0 / 219.0, chroma = full_range ? 1.0 : 255.0 / 224.0;
    const double red = 2.0 * (1.0 - kr) * chroma, blue = 2.0 * (1.0 - kb) * chroma;
    return {full_range ? 0.0f : 16.0f,           static_cast<float>(luma),           static_cast<float>(red),
            static_cast<float>(-blue * kb / kg), static_cast<float>(-red * kr / kg), static_cast<float>(blue)};
}

// Whether the AVX2 and F16C instructions that the fast paths use are there on this processor.
bool has_avx2();

// Writes height rows of 3 * width bytes. Every chroma sample serves its 2 x 2 pixels (no chroma interpolation), as in
// FFmpeg and OpenCV. Within one level of the exact formula. `portable` forces the plain C++ path; both give equal
// bytes.
void to_bgr(const Picture& picture, std::uint8_t* out, std::ptrdiff_t out_stride, bool portable = false);

}  // namespace mpipeline::pixels
