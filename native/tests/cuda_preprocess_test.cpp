// The preprocessing kernels in plain C++ against the passes on the processor: equal to the last bit, for batches of
// frames of all formats, sizes, strides, placements and colours, and whichever thread of a block comes first.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "check.hpp"
#include "kernels.hpp"
#include "mpipeline/half.hpp"
#include "mpipeline/pixels.hpp"
#include "mpipeline/preprocess.hpp"
#include "mpipeline/smooth.hpp"
#include "owned_picture.hpp"
#include "smooth_taps.hpp"

using namespace mpipeline;

namespace {

constexpr pixels::Format kFormats[] = {pixels::Format::i420, pixels::Format::nv12, pixels::Format::bgr24,
                                       pixels::Format::gray8};

int up_to(int most, std::mt19937& random) { return 1 + static_cast<int>(random() % most); }

struct Batch {
    pixels::Target target;
    bool smooth;
    std::vector<Owned> frames;
    std::vector<pixels::Placement> places;

    std::size_t row() const { return std::size_t{3} * target.width * target.height; }
};

// Inside the target; with a resize that averages the picture may also reach beyond, or lie outside.
pixels::Placement random_place(const Batch& batch, std::mt19937& random) {
    const int most_width = batch.target.width, most_height = batch.target.height;
    if (batch.smooth && random() % 2 == 0) {
        const int width = up_to(2 * most_width, random), height = up_to(2 * most_height, random);
        const int left = most_width - up_to(width + most_width, random);
        return {width, height, left, most_height - up_to(height + most_height, random)};
    }
    const int width = up_to(most_width, random), height = up_to(most_height, random);
    const int left = up_to(most_width - width + 1, random) - 1;
    return {width, height, left, up_to(most_height - height + 1, random) - 1};
}

Batch random_batch(bool smooth, std::mt19937& random) {
    Batch batch{{up_to(90, random), up_to(70, random), random() % 2 == 0, {0.017f, 1 / 255.0f, 1.0f}, {-1, 0, 2}, 114},
                smooth,
                {},
                {}};
    for (int i = up_to(4, random); i > 0; --i) {
        const int limit = random() % 3 == 0 ? 3 : smooth && random() % 4 == 0 ? 1500 : 160;
        batch.frames.emplace_back(kFormats[random() % 4], up_to(limit, random), up_to(limit, random),
                                  static_cast<int>(random() % 4), random);
        pixels::Picture& picture = batch.frames.back().picture;
        picture.matrix = static_cast<pixels::Matrix>(random() % 3);
        picture.full_range = random() % 2 == 0;
        for (int p = 0; p < pixels::plane_count(picture.format) && i % 3 == 0; ++p) {  // from the last row up
            pixels::PlaneView& plane = picture.planes[p];
            plane = {plane.data + (pixels::plane_rows(picture, p) - 1) * plane.stride, -plane.stride};
        }
        batch.places.push_back(random_place(batch, random));
    }
    return batch;
}

// The job as the kernel finds it in the memory of a device.
struct Packed {
    std::vector<std::uint64_t> words;
    std::vector<std::vector<std::int32_t>> lists;  // of the averages

    const cuda::PreprocessJob* job() const { return reinterpret_cast<const cuda::PreprocessJob*>(words.data()); }

    // For the pixels of a side that are seen.
    const void* averages(int source, int whole, pixels::Seen seen) {
        const pixels::Taps taps = pixels::triangle(source, whole, seen.begin, seen.end);
        const std::size_t size = taps.first.size(), most = *std::max_element(taps.count.begin(), taps.count.end());
        std::vector<std::int32_t>& list = lists.emplace_back((2 + most) * size);
        for (std::size_t i = 0; i < size; ++i) {
            list[i] = taps.first[i];
            list[size + i] = taps.count[i];
            for (int k = 0; k < taps.count[i]; ++k) {
                std::memcpy(&list[(2 + k) * size + i], &taps.weight[taps.offset[i] + k], sizeof(float));
            }
        }
        return list.data();
    }

    // The rectangle of the target that is covered, and what its pixels average.
    void place_smoothly(cuda::FrameJob& frame, const pixels::Placement& place, const pixels::Target& target) {
        const pixels::Seen across = pixels::seen(place.left, place.width, target.width);
        const pixels::Seen down = pixels::seen(place.top, place.height, target.height);
        frame.placed_width = frame.placed_height = frame.left = frame.top = 0;
        if (across.begin >= across.end || down.begin >= down.end) return;
        frame.placed_width = across.end - across.begin, frame.placed_height = down.end - down.begin;
        frame.left = across.at, frame.top = down.at;
        frame.columns = averages(frame.width, place.width, across);
        frame.rows = averages(frame.height, place.height, down);
    }
};

Packed packed(const Batch& batch, void* out) {
    const pixels::Target& target = batch.target;
    const cuda::PreprocessJob job{out,
                                  target.width,
                                  target.height,
                                  target.bgr ? 1 : 0,
                                  {target.scale[0], target.scale[1], target.scale[2]},
                                  {target.bias[0], target.bias[1], target.bias[2]},
                                  target.pad};
    Packed made;
    made.words.resize((sizeof job + batch.frames.size() * sizeof(cuda::FrameJob)) / 8);
    std::memcpy(made.words.data(), &job, sizeof job);
    for (std::size_t i = 0; i < batch.frames.size(); ++i) {
        const pixels::Picture& picture = batch.frames[i].picture;
        const pixels::Placement& place = batch.places[i];
        const auto& planes = picture.planes;
        cuda::FrameJob frame{{planes[0].data, planes[1].data, planes[2].data},
                             {planes[0].stride, planes[1].stride, planes[2].stride},
                             static_cast<double>(picture.width) / place.width,
                             static_cast<double>(picture.height) / place.height,
                             nullptr,
                             nullptr,
                             static_cast<int>(picture.format),
                             2 * static_cast<int>(picture.matrix) + (picture.full_range ? 1 : 0),
                             picture.width,
                             picture.height,
                             place.width,
                             place.height,
                             place.left,
                             place.top};
        if (batch.smooth) made.place_smoothly(frame, place, target);
        std::memcpy(made.words.data() + (sizeof job + i * sizeof frame) / 8, &frame, sizeof frame);
    }
    return made;
}

template <typename Element, typename Kernel>
std::unique_ptr<Element[]> by_kernel(const Batch& batch, Kernel kernel) {
    std::unique_ptr<Element[]> out(new Element[batch.row() * batch.frames.size()]);  // no byte more, for the sanitizer
    const Packed made = packed(batch, out.get());
    const Grid grid{(batch.target.width + cuda::kTileWidth - 1) / cuda::kTileWidth,
                    (batch.target.height + cuda::kTileHeight - 1) / cuda::kTileHeight,
                    static_cast<int>(batch.frames.size())};
    kernel(grid, made.job());
    return out;
}

template <typename Pass>
void is_the_pass(const Batch& batch) {
    const auto single = by_kernel<float>(batch, batch.smooth ? preprocess_smooth_f32 : preprocess_f32);
    const auto half = by_kernel<std::uint16_t>(batch, batch.smooth ? preprocess_smooth_f16 : preprocess_f16);
    const auto bytes = by_kernel<std::uint8_t>(batch, batch.smooth ? preprocess_smooth_u8 : preprocess_u8);
    Pass pass(batch.target);
    std::vector<float> row(batch.row());
    for (std::size_t i = 0; i < batch.frames.size(); ++i) {
        pass.run(batch.frames[i].picture, batch.places[i], row.data());
        CHECK(std::memcmp(row.data(), single.get() + i * row.size(), row.size() * sizeof(float)) == 0);
        for (std::size_t k = 0; k < row.size(); ++k) {
            CHECK(half[i * row.size() + k] == pixels::to_half(row[k]));
            CHECK(bytes[i * row.size() + k] == std::lrint(std::clamp(row[k], 0.0f, 255.0f)));
        }
    }
}

void equals_the_pass(const Batch& batch) {
    batch.smooth ? is_the_pass<pixels::SmoothPreprocessor>(batch) : is_the_pass<pixels::Preprocessor>(batch);
}

void halves_come_back() {
    for (std::uint32_t half = 0; half < 0x10000u; ++half) {
        const float value = pixels::from_half(static_cast<std::uint16_t>(half));
        CHECK(value != value || pixels::to_half(value) == half);
    }
    CHECK(pixels::from_half(0x3c00) == 1.0f && pixels::from_half(0x0001) == 5.9604645e-8f);
}

}  // namespace

int main(int count, char** arguments) {
    const int rounds = count > 1 ? std::atoi(arguments[1]) : 400;
    std::mt19937 random(5);
    for (int round = 0; round < rounds; ++round) {
        order_threads(round % 2 == 1);
        equals_the_pass(random_batch(round / 2 % 2 == 1, random));
    }
    for (int i = 0; i < 8 && rounds >= 400; ++i) {  // as large as real ones
        const bool smooth = i >= 4;
        Batch batch{{640, 640, false, {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}, {0, 0, 0}, 114}, smooth, {}, {}};
        batch.places.push_back(smooth ? pixels::Placement{1137, 640, -248, 0} : pixels::Placement{640, 360, 0, 140});
        batch.frames.emplace_back(kFormats[i % 4], 1366, 769, 2, random);
        equals_the_pass(batch);
    }
    halves_come_back();
    std::printf("the preprocessing kernels equal the passes\n");
    return 0;
}
