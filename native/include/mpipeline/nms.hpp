// From raw scores to kept boxes: candidates above a threshold, and non-maximum suppression.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mpipeline::boxes {

// Scores of anchors x classes with any strides, counted in elements; `objectness` (may be null) multiplies them.
struct ScoreTable {
    const float* scores;
    std::ptrdiff_t anchors, classes;
    std::ptrdiff_t anchor_stride, class_stride;
    const float* objectness = nullptr;
    std::ptrdiff_t objectness_stride = 0;
};

struct Candidates {
    std::vector<std::int64_t> anchor;
    std::vector<std::int32_t> class_id;
    std::vector<float> score;
};

// The best class of each anchor (the first of equals) where its score, times objectness, is greater than `threshold`;
// in the order of the anchors. A score that is not a number never wins.
Candidates select_candidates(const ScoreTable& table, float threshold);

// Indices of the boxes to keep, highest score first, equal scores in their given order, at most `max_detections`.
// `xyxy` is count x 4. A box goes when a kept one (of the same class, unless `class_id` is null) covers it with an
// intersection over union greater than `threshold`. Boxes whose score is not a number are dropped.
std::vector<std::int64_t> non_maximum_suppression(const float* xyxy, const float* score, const std::int32_t* class_id,
                                                  std::size_t count, float threshold, std::size_t max_detections);

}  // namespace mpipeline::boxes
