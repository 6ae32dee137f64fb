// What a picture's planes have to be, and the check of those that come from outside.
#include <stdexcept>
#include <string>

#include "mpipeline/pixels.hpp"

namespace mpipeline::pixels {

int plane_count(Format format) { return format == Format::i420 ? 3 : format == Format::nv12 ? 2 : 1; }

int plane_row_bytes(const Picture& picture, int plane) {
    if (picture.format == Format::bgr24) return 3 * picture.width;
    if (plane == 0) return picture.width;
    return half_up(picture.width) * (picture.format == Format::nv12 ? 2 : 1);
}

int plane_rows(const Picture& picture, int plane) { return plane == 0 ? picture.height : half_up(picture.height); }

namespace {

std::string shape_text(std::size_t rows, std::size_t row_bytes) {
    return "(" + std::to_string(rows) + ", " + std::to_string(row_bytes) + ")";
}

}  // namespace

Picture checked_picture(int format, int width, int height, int matrix, bool full_range,
                        std::span<const PlaneShape> planes) {
    if (format < 1 || format > 4) throw std::invalid_argument("unknown pixel format");
    if (matrix < 0 || matrix > 2) throw std::invalid_argument("unknown colour matrix");
    if (width < 1 || height < 1 || width > kMostPixels || height > kMostPixels) {
        throw std::invalid_argument("width and height are 1 to " + std::to_string(kMostPixels));
    }
    Picture result{static_cast<Format>(format), width, height, static_cast<Matrix>(matrix), full_range, {}};
    if (planes.size() != static_cast<std::size_t>(plane_count(result.format))) {
        throw std::invalid_argument("the number of planes does not fit the pixel format");
    }
    for (std::size_t p = 0; p < planes.size(); ++p) {
        const PlaneShape& given = planes[p];
        const auto rows = static_cast<std::size_t>(plane_rows(result, static_cast<int>(p)));
        const auto row_bytes = static_cast<std::size_t>(plane_row_bytes(result, static_cast<int>(p)));
        const bool side_by_side = row_bytes < 2 || given.step == 1;
        if (given.rows != rows || given.row_bytes != row_bytes || !side_by_side) {
            throw std::invalid_argument("plane " + std::to_string(p) + " has shape " +
                                        shape_text(given.rows, given.row_bytes) + ", expected " +
                                        shape_text(rows, row_bytes) + " with bytes of a row side by side");
        }
        result.planes[p] = {given.data, given.stride};
    }
    return result;
}

}  // namespace mpipeline::pixels
