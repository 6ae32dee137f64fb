// Candidates and non-maximum suppression over arbitrary floats: not a number, infinite, denormal, reversed, many.
//
// Scores and boxes lie in memory of exactly their size. Results are compared with the plainest way to get them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "input.hpp"
#include "mpipeline/nms.hpp"

using namespace mpipeline::boxes;
using mpipeline::fuzz::Input;
using mpipeline::fuzz::promise;

namespace {

constexpr int kMostAnchors = 2500;  // more than two of the blocks that the search works in
constexpr int kMostBoxes = 120;

float float_from(Input& input) {
    constexpr float kEdges[] = {0.0f,
                                -0.0f,
                                1.0f,
                                -1.0f,
                                0.5f,
                                std::numeric_limits<float>::quiet_NaN(),
                                std::numeric_limits<float>::infinity(),
                                -std::numeric_limits<float>::infinity(),
                                std::numeric_limits<float>::max(),
                                std::numeric_limits<float>::lowest(),
                                std::numeric_limits<float>::denorm_min(),
                                std::numeric_limits<float>::min()};
    const auto kind = input.take<std::uint8_t>();
    if (kind < 64) return kEdges[kind % std::size(kEdges)];
    if (kind < 96) return input.take<float>();
    return static_cast<float>(kind) / 8.0f;
}

// Every float of a few at first, then the same ones again, so that short inputs make large tables.
std::vector<float> floats_from(Input& input, std::size_t count) {
    const std::size_t own = std::min<std::size_t>(count, static_cast<std::size_t>(input.between(1, 64)));
    std::vector<float> values;
    values.reserve(count + 1);  // an empty table has an address too
    values.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = i < own ? float_from(input) : values[i - own];
    }
    return values;
}

struct Best {
    float score = -std::numeric_limits<float>::infinity();
    std::int32_t class_id = 0;
};

void candidates(Input& input) {
    const auto anchors = static_cast<std::ptrdiff_t>(
        input.take<std::uint8_t>() % 8 == 0 ? input.between(0, kMostAnchors) : input.between(0, 40));
    const auto classes = static_cast<std::ptrdiff_t>(input.between(0, 9));
    const std::vector<float> scores = floats_from(input, static_cast<std::size_t>(anchors * classes));
    const std::vector<float> objectness = floats_from(input, static_cast<std::size_t>(anchors));
    const auto layout = input.take<std::uint8_t>();
    ScoreTable table{scores.data(), anchors, classes, layout % 2 == 0 ? classes : 1, layout % 2 == 0 ? 1 : anchors};
    if (layout % 4 >= 2 && anchors > 0) {  // seen from the last anchor
        table.scores += (anchors - 1) * table.anchor_stride;
        table.anchor_stride = -table.anchor_stride;
    }
    if (layout % 8 >= 4) {
        table.objectness = objectness.data();
        table.objectness_stride = 1;
    }
    const float threshold = float_from(input);
    const Candidates found = select_candidates(table, threshold);
    std::size_t next = 0;
    for (std::ptrdiff_t a = 0; a < anchors; ++a) {
        Best best;
        for (std::ptrdiff_t c = 0; c < classes; ++c) {
            const float score = table.scores[a * table.anchor_stride + c * table.class_stride];
            if (score > best.score) best = {score, static_cast<std::int32_t>(c)};
        }
        const float score = table.objectness ? best.score * objectness[static_cast<std::size_t>(a)] : best.score;
        if (std::isinf(best.score) && best.score < 0) continue;  // no class has a score that is a number above that
        if (!(score > threshold)) continue;
        promise(next < found.anchor.size() && found.anchor[next] == a);
        promise(found.class_id[next] == best.class_id && found.score[next] == score);
        ++next;
    }
    promise(next == found.anchor.size() && next == found.class_id.size() && next == found.score.size());
}

void suppression(Input& input) {
    const auto count = static_cast<std::size_t>(input.between(0, kMostBoxes));
    const std::vector<float> xyxy = floats_from(input, 4 * count);
    const std::vector<float> score = floats_from(input, count);
    std::vector<std::int32_t> class_id(count);
    for (std::int32_t& id : class_id) id = input.take<std::uint8_t>() % 3 - 1;
    const bool by_class = input.take<std::uint8_t>() % 2 == 0;
    const float threshold = float_from(input);
    const std::size_t most =
        input.take<std::uint8_t>() % 4 == 0 ? input.take<std::uint64_t>() : input.take<std::uint8_t>();
    const std::vector<std::int64_t> kept = non_maximum_suppression(
        xyxy.data(), score.data(), by_class ? class_id.data() : nullptr, count, threshold, most);
    promise(kept.size() <= std::min(most, count));
    std::vector<bool> seen(count);
    for (std::size_t i = 0; i < kept.size(); ++i) {
        promise(kept[i] >= 0 && static_cast<std::size_t>(kept[i]) < count);
        const auto box = static_cast<std::size_t>(kept[i]);
        promise(!seen[box] && !std::isnan(score[box]));
        seen[box] = true;
        if (i > 0) {
            const auto before = static_cast<std::size_t>(kept[i - 1]);
            promise(score[before] > score[box] || (score[before] == score[box] && before < box));
        }
    }
    if (most > 0) {
        promise(kept.empty() == std::all_of(score.begin(), score.end(), [](float s) { return std::isnan(s); }));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input(data, size);
    if (input.take<std::uint8_t>() % 2 == 0) {
        candidates(input);
    } else {
        suppression(input);
    }
    return 0;
}
