// Pixels, preprocessing and suppression without an interpreter, meant to run under AddressSanitizer too.
#include "mpipeline/pixels.hpp"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "mpipeline/nms.hpp"
#include "mpipeline/preprocess.hpp"
#include "owned_picture.hpp"

using namespace mpipeline;

namespace {

#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) {                                                      \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1);                                                        \
        }                                                                        \
    } while (0)

constexpr pixels::Format kFormats[] = {pixels::Format::i420, pixels::Format::nv12, pixels::Format::bgr24,
                                       pixels::Format::gray8};

void to_bgr_stays_inside(std::mt19937& random) {
    for (const auto format : kFormats) {
        for (int width = 1; width <= 50; ++width) {
            const int height = 1 + static_cast<int>(random() % 7);
            const Owned source(format, width, height, static_cast<int>(random() % 3), random);
            const std::size_t size = static_cast<std::size_t>(width) * height * 3;
            std::unique_ptr<std::uint8_t[]> fast(new std::uint8_t[size]), plain(new std::uint8_t[size]);
            pixels::to_bgr(source.picture, fast.get(), width * 3);
            pixels::to_bgr(source.picture, plain.get(), width * 3, true);
            CHECK(std::memcmp(fast.get(), plain.get(), size) == 0);
        }
    }
}

void preprocess_stays_inside(std::mt19937& random) {
    const pixels::Target target{37, 29, false, {0.017f, 0.5f, 1.0f}, {-1.0f, 0.0f, 2.0f}, 114.0f};
    pixels::Preprocessor fast(target), plain(target, true);
    const std::size_t size = 3u * 37 * 29;
    for (const auto format : kFormats) {
        for (int round = 0; round < 300; ++round) {
            const int width = 1 + static_cast<int>(random() % (round % 3 == 0 ? 3 : 120));
            const int height = 1 + static_cast<int>(random() % (round % 5 == 0 ? 3 : 90));
            const Owned source(format, width, height, static_cast<int>(random() % 3), random);
            const int w = 1 + static_cast<int>(random() % 37), h = 1 + static_cast<int>(random() % 29);
            const pixels::Placement place{w, h, static_cast<int>(random() % (38 - w)),
                                          static_cast<int>(random() % (30 - h))};
            std::unique_ptr<float[]> a(new float[size]), b(new float[size]);
            std::unique_ptr<std::uint16_t[]> half(new std::uint16_t[size]), plain_half(new std::uint16_t[size]);
            fast.run(source.picture, place, a.get());
            plain.run(source.picture, place, b.get());
            fast.run_half(source.picture, place, half.get());
            plain.run_half(source.picture, place, plain_half.get());
            CHECK(std::memcmp(a.get(), b.get(), size * sizeof(float)) == 0);
            for (std::size_t i = 0; i < size; ++i) CHECK(half[i] == pixels::to_half(a[i]) && plain_half[i] == half[i]);
        }
    }
}

std::uint64_t digest(const void* data, std::size_t size) {  // FNV-1a
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (std::size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<const std::uint8_t*>(data)[i]) * 0x100000001b3u;
    return hash;
}

// The paths are compared where both can run. Those of another processor are compared by what they make here: a model's
// input is the same to the last bit on every one. A change of the arithmetic that is meant changes these numbers.
void every_processor_makes_the_same() {
    constexpr std::uint64_t known[][2] = {{0x662ee143da4d7a2a, 0x0a19cf4b3929bdbd},
                                          {0x9d9be4374ea26d83, 0x902415fab93cacd5},
                                          {0xa562fd5518510e1d, 0xa671e169ac0d58bc},
                                          {0x7ec423a74388dbd9, 0xbf947a1181a7339d}};
    const pixels::Target target{640, 640, false, {1 / 58.4f, 1 / 57.1f, 1 / 57.4f}, {-2.1f, -2.0f, -1.8f}, 114.0f};
    std::vector<float> tensor(3u * 640 * 640);
    std::vector<std::uint8_t> bgr(3u * 1366 * 769);
    for (const bool portable : {false, true}) {
        pixels::Preprocessor preprocessor(target, portable);
        for (std::size_t i = 0; i < std::size(kFormats); ++i) {
            std::mt19937 random(11);
            const Owned source(kFormats[i], 1366, 769, 2, random);
            pixels::to_bgr(source.picture, bgr.data(), 3 * 1366, portable);
            preprocessor.run(source.picture, {640, 360, 0, 140}, tensor.data());
            const std::uint64_t made[] = {digest(bgr.data(), bgr.size()),
                                          digest(tensor.data(), tensor.size() * sizeof(float))};
            for (int which = 0; which < 2; ++which) {
                if (made[which] == known[i][which]) continue;
                std::fprintf(stderr, "format %zu, %s, %s: 0x%016llx\n", i, portable ? "plain" : "fast",
                             which ? "tensor" : "to_bgr", static_cast<unsigned long long>(made[which]));
                std::exit(1);
            }
        }
    }
}

void placement_outside_is_refused(std::mt19937& random) {
    const pixels::Target target{8, 8, false, {1, 1, 1}, {0, 0, 0}, 0};
    pixels::Preprocessor preprocessor(target);
    const Owned source(pixels::Format::gray8, 4, 4, 0, random);
    std::vector<float> out(3 * 64);
    for (const pixels::Placement& place : {pixels::Placement{9, 8, 0, 0}, {8, 8, 1, 0}, {4, 4, 0, -1}, {0, 4, 0, 0}}) {
        bool refused = false;
        try {
            preprocessor.run(source.picture, place, out.data());
        } catch (const std::exception&) {
            refused = true;
        }
        CHECK(refused);
    }
}

void halves() {
    CHECK(pixels::to_half(0.0f) == 0x0000 && pixels::to_half(-0.0f) == 0x8000 && pixels::to_half(1.0f) == 0x3c00);
    CHECK(pixels::to_half(65504.0f) == 0x7bff && pixels::to_half(65520.0f) == 0x7c00 &&
          pixels::to_half(65519.9f) == 0x7bff);
    CHECK(pixels::to_half(5.9604645e-8f) == 0x0001 && pixels::to_half(2.9802322e-8f) == 0x0000);
    CHECK(pixels::to_half(-std::numeric_limits<float>::infinity()) == 0xfc00);
    CHECK((pixels::to_half(std::nanf("")) & 0x7fff) > 0x7c00);
    CHECK(pixels::to_half(1.00048828125f) == 0x3c00 && pixels::to_half(1.00146484375f) == 0x3c02);  // ties to even
}

void candidates() {
    const float nan = std::nanf("");
    const std::vector<float> rows = {0.1f, 0.9f, 0.9f, /**/ 0.2f, 0.1f, 0.3f, /**/ nan, 0.6f, nan, /**/ nan, nan, nan};
    std::vector<float> columns(rows.size());
    for (int a = 0; a < 4; ++a) {
        for (int c = 0; c < 3; ++c) columns[c * 4 + a] = rows[a * 3 + c];
    }
    for (const auto& table :
         {boxes::ScoreTable{rows.data(), 4, 3, 3, 1}, boxes::ScoreTable{columns.data(), 4, 3, 1, 4}}) {
        const boxes::Candidates found = boxes::select_candidates(table, 0.5f);
        CHECK((found.anchor == std::vector<std::int64_t>{0, 2}) && (found.class_id == std::vector<std::int32_t>{1, 1}));
        CHECK((found.score == std::vector<float>{0.9f, 0.6f}));
    }
}

void suppression() {
    const float xyxy[] = {0, 0, 10, 10, /**/ 0, 0, 10, 9, /**/ 20, 0, 30, 10, /**/ 0, 0, 10, 10, /**/ 5, 5, 5, 5};
    const float score[] = {0.5f, 0.9f, 0.5f, std::nanf(""), 0.1f};
    const std::int32_t class_id[] = {0, 1, 0, 0, 0};
    CHECK(
        (boxes::non_maximum_suppression(xyxy, score, class_id, 5, 0.5f, 10) == std::vector<std::int64_t>{1, 0, 2, 4}));
    CHECK((boxes::non_maximum_suppression(xyxy, score, nullptr, 5, 0.5f, 10) == std::vector<std::int64_t>{1, 2, 4}));
    CHECK((boxes::non_maximum_suppression(xyxy, score, class_id, 5, 0.5f, 2) == std::vector<std::int64_t>{1, 0}));
    CHECK(boxes::non_maximum_suppression(xyxy, score, class_id, 0, 0.5f, 10).empty());
}

}  // namespace

int main() {
    std::mt19937 random(7);
    to_bgr_stays_inside(random);
    preprocess_stays_inside(random);
    every_processor_makes_the_same();
    placement_outside_is_refused(random);
    halves();
    candidates();
    suppression();
    std::printf("pixels: all checks passed (%s)\n", pixels::has_avx2() ? "AVX2 and plain" : "plain only");
    return 0;
}
