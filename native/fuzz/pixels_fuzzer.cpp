// Pictures of arbitrary format, size and planes, through the check, the conversion to BGR and the preprocessing.
//
// Each plane and each result lies in memory of exactly its size, where the address sanitizer sees one byte too many.
// The fast path and the plain one have to agree to the bit.
#include <cmath>
#include <stdexcept>
#include <vector>

#include "input.hpp"
#include "mpipeline/preprocess.hpp"

using namespace mpipeline::pixels;
using mpipeline::fuzz::Input;
using mpipeline::fuzz::promise;

namespace {

constexpr int kUsual = 50;
constexpr int kLargest = 150;
constexpr int kLargestTarget = 48;

struct Planes {
    std::vector<std::vector<std::uint8_t>> memory;
    std::vector<PlaneShape> shapes;

    void add(Input& input, std::size_t rows, std::size_t row_bytes) {
        const int kind = input.take<std::uint8_t>() % 5;
        const std::size_t stride = kind == 4 ? 0 : row_bytes + (kind % 2 == 1 ? input.take<std::uint8_t>() % 70 : 0);
        memory.emplace_back(rows == 0 ? 0 : stride * (rows - 1) + row_bytes);
        std::vector<std::uint8_t>& bytes = memory.back();
        input.fill(bytes.data(), bytes.size());
        const bool upside_down = kind == 2 && rows > 0;
        const auto signed_stride = static_cast<std::ptrdiff_t>(stride);
        shapes.push_back({bytes.data() + (upside_down ? stride * (rows - 1) : 0), rows, row_bytes,
                          upside_down ? -signed_stride : signed_stride, 1});
    }
};

int size_from(Input& input) {
    return input.take<std::uint8_t>() % 16 == 0 ? input.take<std::int32_t>() : input.between(1, kUsual);
}

// The planes that the numbers call for, or now and then one row, one byte or one plane more or less.
Planes planes_from(Input& input, const Picture& wanted, bool possible) {
    Planes planes;
    const int count = possible ? plane_count(wanted.format) : input.between(0, 4);
    const int wrong = input.take<std::uint8_t>() % 24;
    for (int p = 0; p < count + (wrong == 0 ? 1 : 0) - (wrong == 1 ? 1 : 0); ++p) {
        const int known = possible && p < count ? p : 0;
        const int rows = possible ? plane_rows(wanted, known) : input.between(1, 8);
        const int row_bytes = possible ? plane_row_bytes(wanted, known) : input.between(1, 8);
        planes.add(input, static_cast<std::size_t>(rows + (wrong == 2 ? 1 : 0) - (wrong == 3 ? 1 : 0)),
                   static_cast<std::size_t>(row_bytes + (wrong == 4 ? 1 : 0) - (wrong == 5 ? 1 : 0)));
    }
    return planes;
}

void convert(const Picture& picture) {
    const std::size_t size = static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height) * 3;
    std::vector<std::uint8_t> fast(size), plain(size);
    to_bgr(picture, fast.data(), std::ptrdiff_t{3} * picture.width);
    to_bgr(picture, plain.data(), std::ptrdiff_t{3} * picture.width, true);
    promise(fast == plain);
}

template <class Element, class Run>
void preprocess_as(const Target& target, Run run) {
    const std::size_t size = std::size_t{3} * static_cast<std::size_t>(target.width * target.height);
    std::vector<Element> fast(size), plain(size);
    Preprocessor first(target), second(target, true);
    run(first, fast.data());
    run(second, plain.data());
    promise(std::memcmp(fast.data(), plain.data(), size * sizeof(Element)) == 0);
}

void preprocess(Input& input, const Picture& picture) {
    const Target target{input.between(0, kLargestTarget), input.between(0, kLargestTarget),
                        input.take<std::uint8_t>() % 2 == 1, {1.0f / 255, 0.5f, 2.0f}, {0.0f, -1.5f, 3.0f}, 114.0f};
    Placement place{input.between(1, kLargestTarget), input.between(1, kLargestTarget), 0, 0};
    if (input.take<std::uint8_t>() % 8 == 0) {
        place = {input.take<std::int32_t>(), input.take<std::int32_t>(), input.take<std::int32_t>(),
                 input.take<std::int32_t>()};
    } else if (target.width >= place.width && target.height >= place.height) {
        place.left = input.between(0, target.width - place.width);
        place.top = input.between(0, target.height - place.height);
    }
    if (input.take<std::uint8_t>() % 2 == 0) {
        preprocess_as<float>(target, [&](Preprocessor& p, float* out) { p.run(picture, place, out); });
    } else {
        preprocess_as<std::uint16_t>(target, [&](Preprocessor& p, std::uint16_t* out) { p.run_half(picture, place, out); });
    }
}

void round_to_half(Input& input) {
    const auto value = input.take<float>();
    const std::uint16_t half = to_half(value);
    promise(std::isnan(value) == ((half & 0x7FFF) > 0x7C00));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input(data, size);
    const bool usual = input.take<std::uint8_t>() % 16 != 0;
    const int format = usual ? input.between(1, 4) : input.take<std::int32_t>();
    const int matrix = usual ? input.between(0, 2) : input.take<std::int32_t>();
    const int width = size_from(input), height = size_from(input);
    const bool possible = format >= 1 && format <= 4 && width >= 1 && width <= kLargest && height >= 1 &&
                          height <= kLargest;
    const bool full_range = input.take<std::uint8_t>() % 2 == 1;
    round_to_half(input);
    Picture wanted{};
    if (possible) wanted = {static_cast<Format>(format), width, height, Matrix::bt601, full_range, {}};
    const Planes planes = planes_from(input, wanted, possible);
    try {
        const Picture picture = checked_picture(format, width, height, matrix, full_range, planes.shapes);
        promise(possible);
        convert(picture);
        preprocess(input, picture);
    } catch (const std::invalid_argument&) {
    }
    return 0;
}
