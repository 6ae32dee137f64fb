// A picture of random bytes in memory of its own: of each plane exactly the bytes that belong to it, so that under
// AddressSanitizer a read beyond them is an error. The last row has no bytes behind it, whatever the stride.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "mpipeline/pixels.hpp"

struct Owned {
    mpipeline::pixels::Picture picture;
    std::vector<std::unique_ptr<std::uint8_t[]>> planes;

    Owned(mpipeline::pixels::Format format, int width, int height, int spare, std::mt19937& random)
        : picture{format, width, height, mpipeline::pixels::Matrix::bt709, false, {}} {
        for (int p = 0; p < mpipeline::pixels::plane_count(format); ++p) {
            const int bytes = mpipeline::pixels::plane_row_bytes(picture, p);
            const int rows = mpipeline::pixels::plane_rows(picture, p);
            const std::ptrdiff_t stride = bytes + spare;
            const std::size_t size = static_cast<std::size_t>(stride * (rows - 1) + bytes);
            planes.push_back(std::make_unique<std::uint8_t[]>(size));
            for (std::size_t i = 0; i < size; ++i) planes.back()[i] = static_cast<std::uint8_t>(random());
            picture.planes[p] = {planes.back().get(), stride};
        }
    }
};
