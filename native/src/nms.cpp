// Candidates and non-maximum suppression over float32 boxes.
#include "mpipeline/nms.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace mpipeline::boxes {

namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();
constexpr std::ptrdiff_t kBlock = 1024;  // anchors whose running best fits the first-level cache

using Four = float __attribute__((vector_size(16)));

template <typename Number>
Number better(Number score, Number best) {
    return score > best ? score : best;
}

// The best of scores beside each other, four at a time: compilers keep to the order of a single chain of comparisons.
float best_of(const float* scores, std::ptrdiff_t count) {
    Four four = {kLowest, kLowest, kLowest, kLowest};
    std::ptrdiff_t i = 0;
    for (; i + 4 <= count; i += 4) {
        Four next;
        std::memcpy(&next, scores + i, sizeof next);
        four = better(next, four);
    }
    float best = better(better(four[0], four[1]), better(four[2], four[3]));
    for (; i < count; ++i) best = better(scores[i], best);
    return best;
}

// The best score of `count` anchors from `begin`. Which loop is the inner one follows the memory: class scores of an
// anchor beside each other (YOLOX, YOLOv5), or the anchors of one class (YOLOv8 and later).
void best_scores(const ScoreTable& t, std::ptrdiff_t begin, std::ptrdiff_t count, float* best) {
    const float* first = t.scores + begin * t.anchor_stride;
    if (t.class_stride == 1) {
        for (std::ptrdiff_t a = 0; a < count; ++a) best[a] = best_of(first + a * t.anchor_stride, t.classes);
        return;
    }
    std::fill(best, best + count, kLowest);
    for (std::ptrdiff_t c = 0; c < t.classes; ++c) {
        const float* column = first + c * t.class_stride;
        if (t.anchor_stride == 1) {  // a loop of its own: without strides it is vectorised
            for (std::ptrdiff_t a = 0; a < count; ++a) best[a] = better(column[a], best[a]);
        } else {
            for (std::ptrdiff_t a = 0; a < count; ++a) best[a] = better(column[a * t.anchor_stride], best[a]);
        }
    }
}

// The first class of an anchor that has this score, which is one of its scores.
std::int32_t class_with(const ScoreTable& t, std::ptrdiff_t anchor, float score) {
    const float* scores = t.scores + anchor * t.anchor_stride;
    std::ptrdiff_t c = 0;
    while (scores[c * t.class_stride] != score) ++c;
    return static_cast<std::int32_t>(c);
}

struct Kept {
    float x1, y1, x2, y2, area;
    std::int32_t class_id;
};

float area_of(const float* box) { return std::max(box[2] - box[0], 0.0f) * std::max(box[3] - box[1], 0.0f); }

bool overlaps(const Kept& a, const Kept& b, float threshold) {
    const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
    const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
    if (!(width > 0.0f && height > 0.0f)) return false;
    const float intersection = width * height;
    return intersection > threshold * (a.area + b.area - intersection);
}

}  // namespace

Candidates select_candidates(const ScoreTable& table, float threshold) {
    Candidates found;
    float best[kBlock];
    for (std::ptrdiff_t begin = 0; begin < table.anchors; begin += kBlock) {
        const std::ptrdiff_t count = std::min(kBlock, table.anchors - begin);
        best_scores(table, begin, count, best);
        for (std::ptrdiff_t a = 0; a < count; ++a) {
            float score = best[a];
            if (score == kLowest) continue;  // no class has won; a negative objectness must not make it infinite
            if (table.objectness) score *= table.objectness[(begin + a) * table.objectness_stride];
            if (score > threshold) {
                found.anchor.push_back(begin + a);
                found.class_id.push_back(class_with(table, begin + a, best[a]));
                found.score.push_back(score);
            }
        }
    }
    return found;
}

std::vector<std::int64_t> non_maximum_suppression(const float* xyxy, const float* score, const std::int32_t* class_id,
                                                  std::size_t count, float threshold, std::size_t max_detections) {
    std::vector<std::int64_t> order;
    for (std::size_t i = 0; i < count; ++i) {
        if (!std::isnan(score[i])) order.push_back(static_cast<std::int64_t>(i));
    }
    std::stable_sort(order.begin(), order.end(), [score](auto a, auto b) { return score[a] > score[b]; });
    std::vector<Kept> kept;
    std::vector<std::int64_t> result;
    for (const std::int64_t i : order) {
        if (result.size() >= max_detections) break;
        const float* box = xyxy + 4 * i;
        const Kept candidate{box[0], box[1], box[2], box[3], area_of(box), class_id ? class_id[i] : 0};
        const bool suppressed = std::any_of(kept.begin(), kept.end(), [&](const Kept& other) {
            return other.class_id == candidate.class_id && overlaps(other, candidate, threshold);
        });
        if (suppressed) continue;
        kept.push_back(candidate);
        result.push_back(i);
    }
    return result;
}

}  // namespace mpipeline::boxes
