// From what a detector gave to the boxes that are kept, as kernels: candidates, their suppression, and the numbers beside
// those that are kept.
//
// The rules, the order and the arithmetic are those of the processor (native/src/nms.cpp and mpipeline/models): of each
// anchor the best class, the first of equals; highest score first, equal scores in the order of the anchors. Nothing is
// left out: there is room for every anchor as a candidate.
#pragma once

#include <cstddef>
#include <cstdint>

#include "block.hpp"

namespace mpipeline::cuda {

struct Box {
    float x1, y1, x2, y2;
};

struct Found {
    Box box;  // in pixels of the model's input
    float score;
    std::int32_t class_id, anchor;
};

struct Tally {
    std::int32_t found, candidates;  // of one frame
};

// A model's output and what is wanted of it. Strides are elements; of each anchor the first four values are the box, then
// comes the objectness, if there is one, then the scores of the classes, then what else belongs to it.
struct DetectJob {
    std::uint64_t* keys;  // frames x anchors
    Box* boxes;  // frames x anchors
    std::int32_t* classes;  // frames x anchors
    std::int32_t* candidates;  // frames, 0 before the first kernel
    const std::uint32_t* wanted;  // a bit for each class that is reported; null: all are
    Tally* tallies;  // frames
    Found* found;  // frames x most
    float* more;  // frames x most x more_count
    std::int64_t frame_stride, anchor_stride, value_stride;
    std::int32_t anchors, class_count, more_count;
    std::int32_t objectness;  // whether there is one
    std::int32_t grid_width, grid_height;  // of the input, where boxes are relative to YOLOX's grids; else 0
    std::int32_t most;
    std::int32_t agnostic;  // a box suppresses those of other classes too
    float confidence, iou_threshold;
};

static_assert(sizeof(Found) == 28 && sizeof(Tally) == 8);
static_assert(sizeof(DetectJob) == 128 && offsetof(DetectJob, frame_stride) == 64 && offsetof(DetectJob, most) == 112);

// Orders candidates: a smaller key has a greater score, or the same and a smaller anchor.
KERNEL_BODY std::uint64_t key_of(float score, int anchor) {
    const unsigned bits = bits_of(score + 0.0f);  // 0 and -0 are equal
    const unsigned rising = bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
    return static_cast<std::uint64_t>(~rising) << 32 | static_cast<unsigned>(anchor);
}

constexpr std::uint64_t kNone = ~std::uint64_t{0};

KERNEL_BODY int anchor_of(std::uint64_t key) { return static_cast<int>(key & 0xffffffffu); }

// YOLOX: the cells of strides 8, 16, 32 one after the other, each grid row by row.
KERNEL_BODY Box out_of_grid(const DetectJob& job, int anchor, const float (&raw)[4]) {
    int stride = 8, place = anchor, columns = (job.grid_width + 7) / 8, rows = (job.grid_height + 7) / 8;
    while (stride < 32 && place >= columns * rows) {
        place -= columns * rows;
        stride *= 2;
        columns = (job.grid_width + stride - 1) / stride;
        rows = (job.grid_height + stride - 1) / stride;
    }
    const float size = static_cast<float>(stride);
    return {(raw[0] + static_cast<float>(place % columns)) * size, (raw[1] + static_cast<float>(place / columns)) * size,
            exponential(raw[2]) * size, exponential(raw[3]) * size};
}

// Left, top, right, bottom.
template <typename Element>
KERNEL_BODY Box box_of(const DetectJob& job, const Element* values, int anchor) {
    float raw[4];
    for (int i = 0; i < 4; ++i) raw[i] = get(values + i * job.value_stride);
    Box centred{raw[0], raw[1], raw[2], raw[3]};
    if (job.grid_width != 0) centred = out_of_grid(job, anchor, raw);
    const float half_width = centred.x2 / 2.0f, half_height = centred.y2 / 2.0f;
    return {centred.x1 - half_width, centred.y1 - half_height, centred.x1 + half_width, centred.y1 + half_height};
}

KERNEL_BODY bool is_wanted(const DetectJob& job, int class_id) {
    return job.wanted == nullptr || (job.wanted[class_id / 32] >> (class_id % 32) & 1u) != 0;
}

KERNEL_BODY int first_score(const DetectJob& job) { return job.objectness != 0 ? 5 : 4; }

template <typename Element>
KERNEL_BODY void candidate(const DetectJob& job, const Element* output, int frame, int anchor) {
    const Element* values = output + frame * job.frame_stride + anchor * job.anchor_stride;
    const Element* scores = values + first_score(job) * job.value_stride;
    float best = 0.0f;
    int class_id = -1;
    for (int c = 0; c < job.class_count; ++c) {
        const float score = get(scores + c * job.value_stride);
        const bool better = class_id < 0 ? score > -INFINITY : score > best;
        if (better) best = score, class_id = c;
    }
    if (class_id < 0) return;
    const float score = job.objectness != 0 ? best * get(values + 4 * job.value_stride) : best;
    if (!(score > job.confidence) || !is_wanted(job, class_id)) return;
    const std::int64_t row = static_cast<std::int64_t>(frame) * job.anchors;
    job.boxes[row + anchor] = box_of(job, values, anchor);
    job.classes[row + anchor] = class_id;
    job.keys[row + count_one(job.candidates + frame)] = key_of(score, anchor);
}

// The grid has kThreads anchors a block, and its second side is the frames.
template <typename Element>
KERNEL_BODY void detect_candidates(const DetectJob& job, const Element* output, Block block) {
    EACH_THREAD(t) {
        const int anchor = block.x * kThreads + t;
        if (anchor < job.anchors) candidate(job, output, block.y, anchor);
    }
}

// As std::min and std::max, also where a number is none.
KERNEL_BODY float lesser(float a, float b) { return b < a ? b : a; }
KERNEL_BODY float greater(float a, float b) { return a < b ? b : a; }

KERNEL_BODY float area_of(const Box& box) { return greater(box.x2 - box.x1, 0.0f) * greater(box.y2 - box.y1, 0.0f); }

KERNEL_BODY bool overlaps(const Box& kept, const Box& other, float threshold) {
    const float width = lesser(kept.x2, other.x2) - greater(kept.x1, other.x1);
    const float height = lesser(kept.y2, other.y2) - greater(kept.y1, other.y1);
    if (!(width > 0.0f && height > 0.0f)) return false;
    const float intersection = width * height;
    return intersection > threshold * (area_of(kept) + area_of(other) - intersection);
}

KERNEL_BODY float score_of(std::uint64_t key) {
    const unsigned rising = ~static_cast<unsigned>(key >> 32);
    return float_of(rising >> 31 != 0 ? rising & 0x7fffffffu : ~rising);
}

constexpr int kGroup = 16;  // threads whose best is found together

struct Search {
    std::uint64_t best[kThreads], group[kThreads / kGroup];
};

// The best of each thread's numbers becomes the best of all.
KERNEL_BODY std::uint64_t best_of_block(Search& search) {
    EACH_THREAD(t) {
        if (t < kThreads / kGroup) {
            std::uint64_t best = kNone;
            for (int i = t * kGroup; i < (t + 1) * kGroup; ++i) best = search.best[i] < best ? search.best[i] : best;
            search.group[t] = best;
        }
    }
    std::uint64_t best = kNone;
    for (const std::uint64_t key : search.group) best = key < best ? key : best;
    return best;
}

// A block for each frame. Again and again the best candidate that is left is kept, and those that it covers go: in one
// look at all of them, which also finds the next.
KERNEL_BODY void detect_suppress(const DetectJob& job, Block block, Search& search) {
    const std::int64_t row = static_cast<std::int64_t>(block.x) * job.anchors;
    std::uint64_t* keys = job.keys + row;
    const Box* boxes = job.boxes + row;
    const std::int32_t* classes = job.classes + row;
    const int count = job.candidates[block.x];
    Found* found = job.found + static_cast<std::int64_t>(block.x) * job.most;
    std::uint64_t last = kNone;
    int kept = 0;
    for (;; ++kept) {
        const int anchor = kept != 0 ? anchor_of(last) : 0;
        const Box box = kept != 0 ? boxes[anchor] : Box{};
        const int class_id = kept != 0 ? classes[anchor] : -1;
        EACH_THREAD(t) {
            if (t == 0 && kept != 0) found[kept - 1] = {box, score_of(last), class_id, anchor};
            std::uint64_t best = kNone;
            for (int i = t; i < count; i += kThreads) {
                const std::uint64_t key = keys[i];
                if (key == kNone) continue;
                const int other = anchor_of(key);
                const bool rival = kept != 0 && (job.agnostic != 0 || classes[other] == class_id);
                if (key == last || (rival && overlaps(box, boxes[other], job.iou_threshold))) {
                    keys[i] = kNone;
                } else if (key < best) {
                    best = key;
                }
            }
            search.best[t] = best;
        }
        last = kept < job.most ? best_of_block(search) : kNone;
        if (last == kNone) break;
    }
    EACH_THREAD(t) {
        if (t == 0) job.tallies[block.x] = {kept, count};
    }
}

// What stands behind the scores of the boxes that were kept. The grid has kThreads of these numbers a block, with room for
// those of `most` boxes, and its second side is the frames.
template <typename Element>
KERNEL_BODY void detect_gather(const DetectJob& job, const Element* output, Block block) {
    const std::int64_t row = static_cast<std::int64_t>(block.y) * job.most;
    const int count = job.tallies[block.y].found * job.more_count;
    const int first = first_score(job) + job.class_count;
    EACH_THREAD(t) {
        const int place = block.x * kThreads + t;
        if (place < count) {
            const int anchor = job.found[row + place / job.more_count].anchor;
            const Element* values = output + block.y * job.frame_stride + anchor * job.anchor_stride;
            job.more[row * job.more_count + place] = get(values + (first + place % job.more_count) * job.value_stride);
        }
    }
}

}  // namespace mpipeline::cuda
