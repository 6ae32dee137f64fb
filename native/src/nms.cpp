// Candidates and non-maximum suppression over float32 boxes.
#include "mpipeline/nms.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mpipeline::boxes {

namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();
constexpr std::ptrdiff_t kBlock = 1024;  // anchors whose running best fits the first-level cache

// The best class of `count` anchors from `begin`. Which loop is the inner one follows the memory: class scores of an
// anchor beside each other (YOLOX, YOLOv5), or the anchors of one class (YOLOv8 and later).
void best_classes(const ScoreTable& t, std::ptrdiff_t begin, std::ptrdiff_t count, float* best,
                  std::int32_t* class_id) {
    std::fill(best, best + count, kLowest);
    std::fill(class_id, class_id + count, 0);
    const float* first = t.scores + begin * t.anchor_stride;
    if (std::abs(t.class_stride) < std::abs(t.anchor_stride)) {
        for (std::ptrdiff_t a = 0; a < count; ++a) {
            const float* row = first + a * t.anchor_stride;
            for (std::ptrdiff_t c = 0; c < t.classes; ++c) {
                const float score = row[c * t.class_stride];
                if (score > best[a]) best[a] = score, class_id[a] = static_cast<std::int32_t>(c);
            }
        }
        return;
    }
    for (std::ptrdiff_t c = 0; c < t.classes; ++c) {
        const float* column = first + c * t.class_stride;
        const auto id = static_cast<std::int32_t>(c);
        if (t.anchor_stride == 1) {  // written without branches so that it is vectorised
            for (std::ptrdiff_t a = 0; a < count; ++a) {
                const bool better = column[a] > best[a];
                best[a] = better ? column[a] : best[a];
                class_id[a] = better ? id : class_id[a];
            }
        } else {
            for (std::ptrdiff_t a = 0; a < count; ++a) {
                const float score = column[a * t.anchor_stride];
                if (score > best[a]) best[a] = score, class_id[a] = id;
            }
        }
    }
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
    std::int32_t class_id[kBlock];
    for (std::ptrdiff_t begin = 0; begin < table.anchors; begin += kBlock) {
        const std::ptrdiff_t count = std::min(kBlock, table.anchors - begin);
        best_classes(table, begin, count, best, class_id);
        for (std::ptrdiff_t a = 0; a < count; ++a) {
            float score = best[a];
            if (score == kLowest) continue;  // no class has won; a negative objectness must not make it infinite
            if (table.objectness) score *= table.objectness[(begin + a) * table.objectness_stride];
            if (score > threshold) {
                found.anchor.push_back(begin + a);
                found.class_id.push_back(class_id[a]);
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
