// Colour conversion, bilinear resize, placement and normalisation in one pass, row by row of the target.
//
// For each target row: the two source rows around it are blended into a scratch row of 16-bit values (vertical step,
// all planes), then each target pixel takes its two neighbours there (horizontal step), becomes RGB and is normalised.
// The scratch rows are ours and padded, so that a 32-bit gather of two neighbours stays inside them.
#include "mpipeline/preprocess.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "preprocess_rows.hpp"

namespace mpipeline::pixels {

// For each target row the source rows `first` and `second` and the weight of the second in 1/32768.
struct VerticalTable {
    std::vector<int> first, second;
    std::vector<std::int16_t> weight;
};
struct ResizeTables {
    VerticalTable rows, chroma_rows;
    HorizontalTable columns, chroma_columns;
};
struct Scratch {
    std::vector<std::int16_t> rows[3];
};

namespace {

constexpr std::size_t kPadding = 8;  // elements behind a scratch row that a gather may touch
constexpr std::size_t kMostGeometries = 64;

struct Tap {
    int first;
    double weight;  // of the neighbour first + 1; 0 at the last sample
};

Tap tap(int source, int target, int index) {
    const double centre = (index + 0.5) * (static_cast<double>(source) / target) - 0.5;
    const int first = static_cast<int>(std::max(centre, 0.0));
    if (first >= source - 1) return {source - 1, 0.0};
    return {first, std::max(centre, 0.0) - first};
}

// Chroma follows the luma taps instead of having its own: the result is then the resize of a picture in which each
// chroma sample has been repeated for its 2 x 2 pixels, as colour converters do. Two taps on one sample need no second
// weight.
Tap halved(Tap luma) {
    const int first = luma.first / 2;
    const bool crosses = (luma.first + 1) / 2 != first;
    return {first, crosses ? luma.weight : 0.0};
}

VerticalTable vertical(int source, int target, bool chroma) {
    VerticalTable table;
    for (int i = 0; i < target; ++i) {
        const Tap t = chroma ? halved(tap(source, target, i)) : tap(source, target, i);
        const auto weight = std::min<long>(std::lrint(t.weight * kVerticalOne), kVerticalOne - 1);
        table.first.push_back(t.first);
        table.second.push_back(weight > 0 ? t.first + 1 : t.first);
        table.weight.push_back(static_cast<std::int16_t>(weight));
    }
    return table;
}

HorizontalTable horizontal(int source, int target, bool chroma) {
    HorizontalTable table;
    for (int i = 0; i < target; ++i) {
        const Tap t = chroma ? halved(tap(source, target, i)) : tap(source, target, i);
        const auto weight = static_cast<std::uint32_t>(std::lrint(t.weight * kHorizontalOne));
        table.first.push_back(t.first);
        table.weights.push_back((weight << 16) | (kHorizontalOne - weight));
    }
    return table;
}

// Everything of one channel that the picture does not cover.
template <typename Element>
void fill_around(const Target& target, const Placement& placement, float value, Element* out) {
    Element element;
    put(value, &element);
    const std::size_t width = target.width;
    std::fill(out, out + placement.top * width, element);
    for (int y = placement.top; y < placement.top + placement.height; ++y) {
        Element* line = out + y * width;
        std::fill(line, line + placement.left, element);
        std::fill(line + placement.left + placement.width, line + width, element);
    }
    std::fill(out + (placement.top + placement.height) * width, out + target.height * width, element);
}

}  // namespace

std::uint16_t to_half(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const std::uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);  // not a number
    if (magnitude >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
    if (magnitude < 0x38800000u) {  // subnormal: adding 0.5 lets the processor round at the right bit
        float shifted;
        std::memcpy(&shifted, &magnitude, sizeof shifted);
        shifted += 0.5f;
        std::uint32_t rounded;
        std::memcpy(&rounded, &shifted, sizeof rounded);
        return static_cast<std::uint16_t>(sign | (rounded - 0x3f000000u));
    }
    const std::uint32_t odd = (magnitude >> 13) & 1u;
    return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

Preprocessor::Preprocessor(const Target& target, bool portable)
    : target_(target), fast_(!portable && has_avx2()), scratch_(std::make_unique<Scratch>()) {
    if (target.width < 1 || target.height < 1) throw std::invalid_argument("the target has no pixels");
}

Preprocessor::~Preprocessor() = default;

const ResizeTables& Preprocessor::tables_for(const Picture& picture, const Placement& placement) {
    const bool chroma = is_420(picture.format);
    const Geometry geometry{picture.width, picture.height, placement.width, placement.height, chroma};
    auto& tables = tables_[geometry];
    if (!tables) {
        if (tables_.size() > kMostGeometries) {
            tables_.clear();
            return tables_for(picture, placement);
        }
        tables = std::make_unique<ResizeTables>();
        tables->rows = vertical(picture.height, placement.height, false);
        tables->columns = horizontal(picture.width, placement.width, false);
        if (chroma) {
            tables->chroma_rows = vertical(picture.height, placement.height, true);
            tables->chroma_columns = horizontal(picture.width, placement.width, true);
        }
    }
    return *tables;
}

template <typename Element>
void Preprocessor::run_as(const Picture& picture, const Placement& place, Element* out) {
    if (picture.width < 1 || picture.height < 1) throw std::invalid_argument("the picture has no pixels");
    if (place.width < 1 || place.height < 1 || place.left < 0 || place.top < 0 ||
        place.width > target_.width - place.left || place.height > target_.height - place.top) {
        throw std::invalid_argument("the placement is not inside the target");
    }
    const std::lock_guard lock(mutex_);
    const ResizeTables& tables = tables_for(picture, place);
    const int planes = plane_count(picture.format);
    RowJob job{{}, &tables.columns, &tables.chroma_columns, yuv_to_rgb(picture.matrix, picture.full_range), {},
               {}, place.width};
    for (int p = 0; p < planes; ++p) {
        scratch_->rows[p].resize(std::max(scratch_->rows[p].size(), plane_row_bytes(picture, p) + kPadding));
        job.rows[p] = scratch_->rows[p].data();
    }
    const std::size_t area = static_cast<std::size_t>(target_.width) * target_.height;
    Element* channels[3];  // where R, G, B go
    for (int c = 0; c < 3; ++c) {
        const int position = target_.bgr ? 2 - c : c;
        channels[c] = out + position * area;
        job.scale[c] = target_.scale[position];
        job.bias[c] = target_.bias[position];
        fill_around(target_, place, target_.pad * job.scale[c] + job.bias[c], channels[c]);
    }
    for (int y = 0; y < place.height; ++y) {
        for (int p = 0; p < planes; ++p) {
            const VerticalTable& rows = p == 0 ? tables.rows : tables.chroma_rows;
            const PlaneView& plane = picture.planes[p];
            const std::uint8_t* a = plane.data + rows.first[y] * plane.stride;
            const std::uint8_t* b = plane.data + rows.second[y] * plane.stride;
            blend(a, b, rows.weight[y], plane_row_bytes(picture, p), fast_, scratch_->rows[p].data());
        }
        const std::size_t start = static_cast<std::size_t>(place.top + y) * target_.width + place.left;
        Element* const line[3] = {channels[0] + start, channels[1] + start, channels[2] + start};
        any_row(picture.format, job, fast_, line);
    }
}

void Preprocessor::run(const Picture& picture, const Placement& placement, float* out) {
    run_as(picture, placement, out);
}

void Preprocessor::run_half(const Picture& picture, const Placement& placement, std::uint16_t* out) {
    run_as(picture, placement, out);
}

}  // namespace mpipeline::pixels
