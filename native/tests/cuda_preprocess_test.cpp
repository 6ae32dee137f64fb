// The preprocessing kernel in plain C++ against the pass on the processor: equal to the last bit, for batches of frames
// of all formats, sizes, strides, placements and colours, and whichever thread of a block comes first.
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
#include "owned_picture.hpp"

using namespace mpipeline;

namespace {

constexpr pixels::Format kFormats[] = {pixels::Format::i420, pixels::Format::nv12, pixels::Format::bgr24,
                                       pixels::Format::gray8};

int up_to(int most, std::mt19937& random) { return 1 + static_cast<int>(random() % most); }

struct Batch {
    pixels::Target target;
    std::vector<Owned> frames;
    std::vector<pixels::Placement> places;

    std::size_t row() const { return std::size_t{3} * target.width * target.height; }
};

Batch random_batch(std::mt19937& random) {
    Batch batch{{up_to(90, random), up_to(70, random), random() % 2 == 0, {0.017f, 1 / 255.0f, 1.0f}, {-1, 0, 2}, 114},
                {},
                {}};
    for (int i = up_to(4, random); i > 0; --i) {
        const int limit = random() % 3 == 0 ? 3 : 160;
        batch.frames.emplace_back(kFormats[random() % 4], up_to(limit, random), up_to(limit, random),
                                  static_cast<int>(random() % 4), random);
        pixels::Picture& picture = batch.frames.back().picture;
        picture.matrix = static_cast<pixels::Matrix>(random() % 3);
        picture.full_range = random() % 2 == 0;
        for (int p = 0; p < pixels::plane_count(picture.format) && i % 3 == 0; ++p) {  // from the last row up
            pixels::PlaneView& plane = picture.planes[p];
            plane = {plane.data + (pixels::plane_rows(picture, p) - 1) * plane.stride, -plane.stride};
        }
        const int width = up_to(batch.target.width, random), height = up_to(batch.target.height, random);
        const int left = up_to(batch.target.width - width + 1, random) - 1;
        batch.places.push_back({width, height, left, up_to(batch.target.height - height + 1, random) - 1});
    }
    return batch;
}

// The job as the kernel finds it in the memory of a device.
std::vector<std::uint64_t> packed(const Batch& batch, void* out) {
    const pixels::Target& target = batch.target;
    const cuda::PreprocessJob job{out,
                                  target.width,
                                  target.height,
                                  target.bgr ? 1 : 0,
                                  {target.scale[0], target.scale[1], target.scale[2]},
                                  {target.bias[0], target.bias[1], target.bias[2]},
                                  target.pad};
    std::vector<std::uint64_t> words((sizeof job + batch.frames.size() * sizeof(cuda::FrameJob)) / 8);
    std::memcpy(words.data(), &job, sizeof job);
    for (std::size_t i = 0; i < batch.frames.size(); ++i) {
        const pixels::Picture& picture = batch.frames[i].picture;
        const pixels::Placement& place = batch.places[i];
        const auto& planes = picture.planes;
        const cuda::FrameJob frame{{planes[0].data, planes[1].data, planes[2].data},
                                   {planes[0].stride, planes[1].stride, planes[2].stride},
                                   static_cast<double>(picture.width) / place.width,
                                   static_cast<double>(picture.height) / place.height,
                                   static_cast<int>(picture.format),
                                   2 * static_cast<int>(picture.matrix) + (picture.full_range ? 1 : 0),
                                   picture.width,
                                   picture.height,
                                   place.width,
                                   place.height,
                                   place.left,
                                   place.top};
        std::memcpy(words.data() + (sizeof job + i * sizeof frame) / 8, &frame, sizeof frame);
    }
    return words;
}

template <typename Element, typename Kernel>
std::unique_ptr<Element[]> by_kernel(const Batch& batch, Kernel kernel) {
    std::unique_ptr<Element[]> out(new Element[batch.row() * batch.frames.size()]);  // no byte more, for the sanitizer
    const std::vector<std::uint64_t> job = packed(batch, out.get());
    const Grid grid{(batch.target.width + cuda::kTileWidth - 1) / cuda::kTileWidth,
                    (batch.target.height + cuda::kTileHeight - 1) / cuda::kTileHeight,
                    static_cast<int>(batch.frames.size())};
    kernel(grid, reinterpret_cast<const cuda::PreprocessJob*>(job.data()));
    return out;
}

void is_the_pass(const Batch& batch) {
    const auto single = by_kernel<float>(batch, preprocess_f32);
    const auto half = by_kernel<std::uint16_t>(batch, preprocess_f16);
    pixels::Preprocessor pass(batch.target);
    std::vector<float> row(batch.row());
    for (std::size_t i = 0; i < batch.frames.size(); ++i) {
        pass.run(batch.frames[i].picture, batch.places[i], row.data());
        CHECK(std::memcmp(row.data(), single.get() + i * row.size(), row.size() * sizeof(float)) == 0);
        for (std::size_t k = 0; k < row.size(); ++k) CHECK(half[i * row.size() + k] == pixels::to_half(row[k]));
    }
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
        is_the_pass(random_batch(random));
    }
    for (int i = 0; i < 4 && rounds >= 400; ++i) {  // as large as real ones
        Batch batch{{640, 640, false, {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}, {0, 0, 0}, 114}, {}, {{640, 360, 0, 140}}};
        batch.frames.emplace_back(kFormats[i], 1366, 769, 2, random);
        is_the_pass(batch);
    }
    halves_come_back();
    std::printf("the preprocessing kernel equals the pass\n");
    return 0;
}
