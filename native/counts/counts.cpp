// The hot functions, each called a fixed number of times on fixed data, for a tool that counts instructions.
//
// Prints what it was compiled with and one line a case: its name and how often it was called. The tool sees the calls
// of one case as one call of `counted_rounds`; what a case needs at its first call (tables, memory) is made before.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "mpipeline/layout.hpp"
#include "mpipeline/nms.hpp"
#include "mpipeline/pixels.hpp"
#include "mpipeline/preprocess.hpp"
#include "mpipeline/ring.hpp"
#include "mpipeline/smooth.hpp"

using namespace mpipeline;

struct Case {
    std::string name;
    int rounds;
    std::function<void()> run;
};

extern "C" [[gnu::noinline]] void counted_rounds(const Case& one) {
    for (int round = 0; round < one.rounds; ++round) one.run();
}

namespace {

constexpr int kWidth = 1920, kHeight = 1080, kSide = 640, kFewRounds = 200;

struct Film {  // one picture of random bytes
    pixels::Picture picture;
    std::vector<std::uint8_t> planes[3];

    Film(pixels::Format format, std::mt19937& random)
        : picture{format, kWidth, kHeight, pixels::Matrix::bt601, false, {}} {
        for (int p = 0; p < pixels::plane_count(format); ++p) {
            const int row = pixels::plane_row_bytes(picture, p);
            planes[p].resize(static_cast<std::size_t>(row) * pixels::plane_rows(picture, p));
            for (auto& byte : planes[p]) byte = static_cast<std::uint8_t>(random());
            picture.planes[p] = {planes[p].data(), row};
        }
    }
};

const pixels::Target kTarget{kSide, kSide, false, {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}, {0, 0, 0}, 114.0f};
constexpr pixels::Placement kLetterbox{640, 360, 0, 140}, kStretch{640, 640, 0, 0};

void add_pixels(std::vector<Case>& cases, std::mt19937& random) {
    static const struct {
        pixels::Format format;
        const char* name;
    } formats[] = {{pixels::Format::i420, "i420"},
                   {pixels::Format::nv12, "nv12"},
                   {pixels::Format::bgr24, "bgr"},
                   {pixels::Format::gray8, "gray"}};
    auto out = std::make_shared<std::vector<float>>(3 * kSide * kSide);
    auto half = std::make_shared<std::vector<std::uint16_t>>(3 * kSide * kSide);
    auto packed = std::make_shared<std::vector<std::uint8_t>>(3 * kWidth * kHeight);
    for (const bool portable : {false, true}) {
        if (!portable && !pixels::has_avx2()) continue;
        const std::string path = portable ? " plain" : " avx2";
        auto preprocessor = std::make_shared<pixels::Preprocessor>(kTarget, portable);
        for (const auto& each : formats) {
            auto film = std::make_shared<Film>(each.format, random);
            const std::string what = each.name + path;
            cases.push_back({"letterbox " + what, 1, [=] {
                                 preprocessor->run(film->picture, kLetterbox, out->data());
                             }});
            if (!pixels::is_420(each.format)) continue;
            cases.push_back({"stretch " + what, 1, [=] {
                                 preprocessor->run(film->picture, kStretch, out->data());
                             }});
            cases.push_back({"letterbox to half " + what, 1, [=] {
                                 preprocessor->run_half(film->picture, kLetterbox, half->data());
                             }});
            cases.push_back({"to_bgr " + what, 1, [=] {
                                 pixels::to_bgr(film->picture, packed->data(), 3 * kWidth, portable);
                             }});
        }
    }
    auto film = std::make_shared<Film>(pixels::Format::i420, random);
    auto smooth = std::make_shared<pixels::SmoothPreprocessor>(kTarget);
    cases.push_back({"smooth i420", 1, [=] { smooth->run(film->picture, kLetterbox, out->data()); }});
}

// As a detector gives them: a score of one anchor in 28 is good, and there are about 8 boxes around each object.
void add_boxes(std::vector<Case>& cases, std::mt19937& random) {
    constexpr std::ptrdiff_t kAnchors = 8400, kClasses = 80;
    const auto share = [&random] { return static_cast<float>(random() % 65536) / 65536.0f; };
    std::vector<float> low(kAnchors * kClasses);
    for (auto& score : low) score = share() * 0.3f;
    for (const bool columns : {true, false}) {
        auto scores = std::make_shared<std::vector<float>>(low);
        const boxes::ScoreTable table{scores->data(), kAnchors, kClasses, columns ? 1 : kClasses,
                                      columns ? kAnchors : 1};
        for (std::ptrdiff_t a = 0; a < kAnchors; a += 28) {
            (*scores)[a * table.anchor_stride + a % kClasses * table.class_stride] = 0.6f;
        }
        cases.push_back({columns ? "candidates by class" : "candidates by anchor", 1, [scores, table] {
                             static_cast<void>(boxes::select_candidates(table, 0.5f));
                         }});
    }
    for (const std::size_t count : {300u, 3000u}) {
        auto xyxy = std::make_shared<std::vector<float>>();
        auto score = std::make_shared<std::vector<float>>();
        auto class_id = std::make_shared<std::vector<std::int32_t>>();
        float x = 0, y = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (i % 8 == 0) x = share() * 560, y = share() * 560;
            const float left = x + share() * 8, top = y + share() * 8;
            xyxy->insert(xyxy->end(), {left, top, left + 60 + share() * 8, top + 60 + share() * 8});
            score->push_back(share());
            class_id->push_back(static_cast<std::int32_t>(i / 8 % 80));
        }
        cases.push_back({"nms " + std::to_string(count), 1, [=] {
                             static_cast<void>(boxes::non_maximum_suppression(xyxy->data(), score->data(),
                                                                              class_id->data(), count, 0.5f, 300));
                         }});
    }
}

// A ring of 8 slots with one reader that waits and one that does not.
void add_ring(std::vector<Case>& cases) {
    struct Shared {
        std::uint64_t size = segment_bytes(8, 64);
        std::unique_ptr<std::byte, void (*)(void*)> memory{static_cast<std::byte*>(std::aligned_alloc(kPage, size)),
                                                           &std::free};
        std::uint64_t frame_id = 0;
    };
    auto shared = std::make_shared<Shared>();
    std::fill_n(shared->memory.get(), shared->size, std::byte{0});
    auto ring = std::make_shared<Ring>(Ring::create({shared->memory.get(), shared->size}, {8, 64, 0, 1, 0}));
    ring->add_reader(0, true);
    const auto publish = [=] {
        SlotHeader header;
        header.frame_id = ++shared->frame_id;
        header.payload_length = 64;
        const std::uint32_t slot = *ring->reserve(Overflow::reuse, std::chrono::nanoseconds::zero());
        return std::pair{slot, ring->publish(slot, header)};
    };
    cases.push_back({"ring: reserve, publish, acquire, header, release", kFewRounds, [=] {
                         const auto [slot, sequence] = publish();
                         ring->acquire(slot, sequence, 0);
                         static_cast<void>(ring->header(slot, sequence));
                         ring->release(slot, sequence, 0);
                     }});
    cases.push_back({"ring: reserve, publish, skip", kFewRounds, [=] {
                         const auto [slot, sequence] = publish();
                         ring->skip(slot, sequence, 1);
                     }});
    cases.push_back({"ring: pending of none", kFewRounds, [=] { static_cast<void>(ring->pending(0)); }});
}

}  // namespace

int main() {
    std::mt19937 random(7);
    std::vector<Case> cases;
    add_pixels(cases, random);
    add_boxes(cases, random);
    add_ring(cases);
#ifdef __clang__
    std::printf("clang %d", __clang_major__);
#else
    std::printf("g++ %d", __GNUC__);
#endif
#ifdef __x86_64__
    std::printf(" x86-64\n");
#else
    std::printf(" other\n");
#endif
    for (const Case& one : cases) {
        one.run();
        counted_rounds(one);
        std::printf("%d %s\n", one.rounds, one.name.c_str());
    }
    return 0;
}
