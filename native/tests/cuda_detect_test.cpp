// The detection kernels in plain C++ against candidates and suppression on the processor: the same boxes in the same
// order and the numbers beside them, for all layouts, with ties, equal boxes and numbers that are none, and whichever
// thread comes first.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "check.hpp"
#include "kernels.hpp"
#include "mpipeline/half.hpp"
#include "mpipeline/nms.hpp"

using namespace mpipeline;

namespace {

constexpr float kStrange[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity(), -0.0f};

struct Case {
    int frames, anchors, classes, more, most;
    bool by_anchor, objectness, agnostic, filtered;  // by_anchor: the values of an anchor lie beside each other
    float confidence, iou_threshold;
    float finer;  // by which places are divided: 1 is a raster of whole pixels

    int values() const { return 4 + (objectness ? 1 : 0) + classes + more; }
    int anchor_stride() const { return by_anchor ? values() : 1; }
    int value_stride() const { return by_anchor ? 1 : anchors; }
    bool wants(int class_id) const { return !filtered || class_id % 2 == 0; }
};

// Boxes on a raster and scores of few values, so that many are equal.
std::vector<float> random_output(const Case& c, std::mt19937& random) {
    std::vector<float> output(static_cast<std::size_t>(c.frames) * c.anchors * c.values());
    for (int f = 0; f < c.frames; ++f) {
        for (int a = 0; a < c.anchors; ++a) {
            for (int v = 0; v < c.values(); ++v) {
                const float place = static_cast<float>(random() % 12) * 4 / c.finer, score = static_cast<float>(random() % 9) / 8;
                float& value = output[static_cast<std::size_t>(f) * c.anchors * c.values() + a * c.anchor_stride() +
                                      v * c.value_stride()];
                value = v < 4 ? place : v < c.values() - c.more ? score : static_cast<float>(random() % 2048);
                if (random() % 50 == 0) value = kStrange[random() % 4];
            }
        }
    }
    return output;
}

struct Result {
    std::vector<cuda::Found> found;
    std::vector<float> more;  // of each that was found
    int candidates;
};

// What the processor makes of one frame.
Result expected(const Case& c, const float* output) {
    const int scores = c.objectness ? 5 : 4;
    const boxes::Candidates all = boxes::select_candidates(
        {output + scores * c.value_stride(), c.anchors, c.classes, c.anchor_stride(), c.value_stride(),
         c.objectness ? output + 4 * c.value_stride() : nullptr, c.anchor_stride()},
        c.confidence);
    std::vector<float> xyxy, score;
    std::vector<std::int32_t> class_id, anchor;
    for (std::size_t i = 0; i < all.anchor.size(); ++i) {
        if (!c.wants(all.class_id[i])) continue;
        const float* box = output + all.anchor[i] * c.anchor_stride();
        const float x = box[0], y = box[c.value_stride()];
        const float width = box[2 * c.value_stride()] / 2, height = box[3 * c.value_stride()] / 2;
        xyxy.insert(xyxy.end(), {x - width, y - height, x + width, y + height});
        score.push_back(all.score[i]);
        class_id.push_back(all.class_id[i]);
        anchor.push_back(static_cast<std::int32_t>(all.anchor[i]));
    }
    Result result{{}, {}, static_cast<int>(score.size())};
    for (const std::int64_t i :
         boxes::non_maximum_suppression(xyxy.data(), score.data(), c.agnostic ? nullptr : class_id.data(), score.size(),
                                        c.iou_threshold, static_cast<std::size_t>(c.most))) {
        result.found.push_back(
            {{xyxy[4 * i], xyxy[4 * i + 1], xyxy[4 * i + 2], xyxy[4 * i + 3]}, score[i], class_id[i], anchor[i]});
        for (int m = c.values() - c.more; m < c.values(); ++m) {
            result.more.push_back(output[anchor[i] * c.anchor_stride() + m * c.value_stride()]);
        }
    }
    return result;
}

template <typename Element, typename Kernel>
std::vector<Result> by_kernels(const Case& c, const std::vector<Element>& output, Kernel find, Kernel gather) {
    const std::size_t room = static_cast<std::size_t>(c.frames) * c.anchors;
    std::vector<std::uint64_t> keys(room);
    std::vector<cuda::Box> found_boxes(room);
    std::vector<std::int32_t> classes(room), candidates(c.frames);
    std::vector<std::uint32_t> wanted((c.classes + 31) / 32, 0x55555555u);
    std::vector<cuda::Tally> tallies(c.frames);
    std::vector<cuda::Found> found(static_cast<std::size_t>(c.frames) * c.most);
    std::vector<float> more(found.size() * c.more);
    const cuda::DetectJob job{keys.data(),
                              found_boxes.data(),
                              classes.data(),
                              candidates.data(),
                              c.filtered ? wanted.data() : nullptr,
                              tallies.data(),
                              found.data(),
                              more.data(),
                              static_cast<std::int64_t>(c.anchors) * c.values(),
                              c.anchor_stride(),
                              c.value_stride(),
                              c.anchors,
                              c.classes,
                              c.more,
                              c.objectness ? 1 : 0,
                              0,
                              0,
                              c.most,
                              c.agnostic ? 1 : 0,
                              c.confidence,
                              c.iou_threshold};
    using Number = std::conditional_t<sizeof(Element) == 4, float, cuda::Half>;
    const auto* there = reinterpret_cast<const Number*>(output.data());
    const auto blocks = [](int threads) { return (threads + cuda::kThreads - 1) / cuda::kThreads; };
    find({blocks(c.anchors), c.frames, 1}, &job, there);
    detect_suppress({c.frames, 1, 1}, &job);
    gather({blocks(c.most * c.more), c.frames, 1}, &job, there);
    std::vector<Result> results;
    for (int f = 0; f < c.frames; ++f) {
        const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(f) * c.most;
        const auto first = found.begin() + row;
        const auto beside = more.begin() + row * c.more;
        const int count = tallies[f].found;
        results.push_back({{first, first + count}, {beside, beside + count * c.more}, tallies[f].candidates});
    }
    return results;
}

bool same(float a, float b) { return a == b || (a != a && b != b); }

void equals(const Result& a, const Result& b) {
    CHECK(a.candidates == b.candidates && a.found.size() == b.found.size());
    for (std::size_t i = 0; i < a.found.size(); ++i) {
        const cuda::Found &left = a.found[i], &right = b.found[i];
        CHECK(left.anchor == right.anchor && left.class_id == right.class_id && left.score == right.score);
        CHECK(same(left.box.x1, right.box.x1) && same(left.box.y1, right.box.y1));
        CHECK(same(left.box.x2, right.box.x2) && same(left.box.y2, right.box.y2));
    }
    CHECK(std::equal(a.more.begin(), a.more.end(), b.more.begin(), b.more.end(), same));
}

void finds_the_same(const Case& c, std::mt19937& random) {
    std::vector<float> output = random_output(c, random);
    std::vector<std::uint16_t> half(output.size());
    for (std::size_t i = 0; i < output.size(); ++i) half[i] = pixels::to_half(output[i]);
    for (const bool single : {true, false}) {
        if (!single) {
            for (std::size_t i = 0; i < output.size(); ++i) output[i] = pixels::from_half(half[i]);
        }
        const std::vector<Result> found = single ? by_kernels(c, output, detect_candidates_f32, detect_gather_f32)
                                                 : by_kernels(c, half, detect_candidates_f16, detect_gather_f16);
        for (int f = 0; f < c.frames; ++f) {
            equals(found[f], expected(c, output.data() + static_cast<std::size_t>(f) * c.anchors * c.values()));
        }
    }
}

// YOLOX tells places in cells of its grids and sizes as logarithms.
void grids() {
    cuda::DetectJob job{};
    job.value_stride = 1;
    job.grid_width = 40, job.grid_height = 24;
    const float raw[] = {0.25f, 0.5f, std::log(2.0f), 0.0f};
    const auto centre = [&](int anchor) {
        const cuda::Box box = cuda::box_of(job, raw, anchor);
        return std::vector<float>{std::round((box.x1 + box.x2) / 2), std::round((box.y1 + box.y2) / 2),
                                  std::round(box.x2 - box.x1), std::round(box.y2 - box.y1)};
    };
    CHECK((centre(0) == std::vector<float>{2, 4, 16, 8}) && (centre(7) == std::vector<float>{18, 12, 16, 8}));
    CHECK((centre(15) == std::vector<float>{4, 8, 32, 16}) && (centre(20) == std::vector<float>{36, 24, 32, 16}));
    CHECK((centre(21) == std::vector<float>{8, 16, 64, 32}) && (centre(22) == std::vector<float>{40, 16, 64, 32}));
}

}  // namespace

int main(int count, char** arguments) {
    const int rounds = count > 1 ? std::atoi(arguments[1]) : 600;
    std::mt19937 random(9);
    constexpr float kThresholds[] = {-0.5f, 0.0f, 0.25f, 0.3f, 0.5f, 0.875f};
    for (int round = 0; round < rounds; ++round) {
        order_threads(round % 2 == 1);
        const auto pick = [&](int most) { return static_cast<int>(random() % most); };
        finds_the_same({1 + pick(3), 1 + pick(round % 10 == 0 ? 2000 : 120), 1 + pick(round % 5 == 0 ? 90 : 4),
                        pick(2) == 0 ? 0 : 1 + pick(34), 1 + pick(round % 3 == 0 ? 5 : 300), pick(2) == 0, pick(2) == 0,
                        pick(2) == 0, pick(3) == 0, kThresholds[pick(6)], kThresholds[1 + pick(5)],
                        pick(2) == 0 ? 1.0f : 3.7f},
                       random);
    }
    grids();
    std::printf("the detection kernels find what the processor finds\n");
    return 0;
}
