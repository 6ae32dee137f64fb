// Colour conversion, bilinear resize, placement and normalisation in one pass, row by row of the target.
//
// For each target pixel the four source samples around it are blended, first vertically to 7 bits below a level, then
// horizontally; the level becomes RGB and is normalised. The plain path blends whole rows of the source vertically, the
// vector path only the bytes that are needed.
#include "mpipeline/preprocess.hpp"

#include <algorithm>
#include <stdexcept>

#include "preprocess_avx2.hpp"
#include "preprocess_rows.hpp"
#include "preprocess_tables.hpp"

namespace mpipeline::pixels {

struct Scratch {
    std::vector<std::int16_t> rows[3];
};

namespace {

constexpr int kPadding = 3;  // bytes of the longest sample
constexpr std::size_t kMostGeometries = 64;

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

Preprocessor::Preprocessor(const Target& target, bool portable)
    : target_(target), fast_(!portable && has_avx2()), scratch_(std::make_unique<Scratch>()) {
    if (target.width < 1 || target.height < 1) throw std::invalid_argument("the target has no pixels");
}

Preprocessor::~Preprocessor() = default;

const ResizeTables& Preprocessor::tables_for(const Picture& picture, const Placement& placement) {
    const Geometry geometry{picture.width, picture.height, placement.width, placement.height,
                            static_cast<int>(picture.format)};
    if (tables_.size() > kMostGeometries) tables_.clear();
    auto& tables = tables_[geometry];
    if (!tables) tables = std::make_unique<ResizeTables>(tables_of(picture, placement));
    return *tables;
}

namespace {

template <Format format, typename Element>
void row(const RowJob& job, int pixels_per_load, Element* const (&out)[3]) {
#ifdef MPIPELINE_AVX2
    if (pixels_per_load != 0) return any_row_avx2<format>(job, pixels_per_load, out);
#endif
    (void)pixels_per_load;
    row_plain<format>(job, out);
}

template <typename Element>
void any_row(Format format, const RowJob& job, int pixels_per_load, Element* const (&out)[3]) {
    switch (format) {
        case Format::i420:
            return row<Format::i420>(job, pixels_per_load, out);
        case Format::nv12:
            return row<Format::nv12>(job, pixels_per_load, out);
        case Format::bgr24:
            return row<Format::bgr24>(job, pixels_per_load, out);
        case Format::gray8:
            return row<Format::gray8>(job, pixels_per_load, out);
    }
}

// The two rows of a plane as one, in `scratch`; one more sample behind it, which has no weight, may be read.
const std::int16_t* blended(const Picture& picture, int plane, const RowJob& job, std::vector<std::int16_t>& scratch) {
    const int size = plane_row_bytes(picture, plane);
    scratch.resize(std::max<std::size_t>(scratch.size(), size + kPadding));
    blend(job.above[plane], job.below[plane], job.weight[plane], size, scratch.data());
    return scratch.data();
}

}  // namespace

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
    const int pixels_per_load = fast_ ? tables.pixels_per_load : 0;
    RowJob job{{}, {}, {}, {}, &tables.columns, &tables.chroma_columns,
               yuv_to_rgb(picture.matrix, picture.full_range), {}, {}, place.width};
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
            job.above[p] = plane.data + rows.first[y] * plane.stride;
            job.below[p] = plane.data + rows.second[y] * plane.stride;
            job.weight[p] = rows.weight[y];
            if (pixels_per_load == 0) job.blended[p] = blended(picture, p, job, scratch_->rows[p]);
        }
        const std::size_t start = static_cast<std::size_t>(place.top + y) * target_.width + place.left;
        Element* const line[3] = {channels[0] + start, channels[1] + start, channels[2] + start};
        any_row(picture.format, job, pixels_per_load, line);
    }
}

void Preprocessor::run(const Picture& picture, const Placement& placement, float* out) {
    run_as(picture, placement, out);
}

void Preprocessor::run_half(const Picture& picture, const Placement& placement, std::uint16_t* out) {
    run_as(picture, placement, out);
}

}  // namespace mpipeline::pixels
