// The tables of one geometry: taps and weights of rows and columns, and the plan by which vectors fetch their bytes.
#include "preprocess_tables.hpp"

#include <algorithm>
#include <cmath>

namespace mpipeline::pixels {

namespace {

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

// The samples of a row, of `step` bytes, and where in it the bytes of a target pixel begin: of its first neighbour, of its
// second, or of the first again where the second has no weight.
struct RowBytes {
    const HorizontalTable& table;
    int bytes, step;

    int first(int pixel) const { return table.first[pixel] * step; }
    int second(int pixel) const { return first(pixel) + (table.weights[pixel] >> 16 ? step : 0); }
    int width() const { return static_cast<int>(table.first.size()); }
};

// The number of target pixels, at most `most`, for which one load is always enough; 0 if vectors cannot be used.
int pixels_per_load(const RowBytes& row, int most) {
    if (row.bytes < kLoad || row.width() < kBlock) return 0;
    for (int block = 0; block < blocks(row.width()); ++block) {
        const int begin = static_cast<int>(block_begin(block, row.width()));
        for (int i = begin; i < begin + kBlock; i += most) {
            if (row.second(i + most - 1) + row.step - row.first(i) > kLoad) return pixels_per_load(row, most / 2);
        }
    }
    return most;
}

Picks picks(const RowBytes& row, int pixels) {
    const int filling = kBlock / registers(row.step);  // pixels of a register
    Picks found;
    found.masks.assign(static_cast<std::size_t>(blocks(row.width())) * (kBlock / pixels) * kLoad, 0x80);  // no byte
    for (int block = 0; block < blocks(row.width()); ++block) {
        const int begin = static_cast<int>(block_begin(block, row.width()));
        for (int i = 0; i < kBlock; i += pixels) {
            const int from = std::min(row.first(begin + i), row.bytes - kLoad);
            std::uint8_t* mask = found.masks.data() + found.from.size() * kLoad;
            for (int k = i; k < i + pixels; ++k) {
                for (int c = 0; c < row.step; ++c) {
                    std::uint8_t* pair = mask + 2 * (c * filling + k % filling);
                    pair[0] = static_cast<std::uint8_t>(row.first(begin + k) + c - from);
                    pair[1] = static_cast<std::uint8_t>(row.second(begin + k) + c - from);
                }
            }
            found.from.push_back(from);
        }
    }
    return found;
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

}  // namespace

ResizeTables tables_of(const Picture& picture, const Placement& placement) {
    const bool chroma = is_420(picture.format);
    ResizeTables tables;
    tables.rows = vertical(picture.height, placement.height, false);
    tables.columns = horizontal(picture.width, placement.width, false);
    const int step = picture.format == Format::bgr24 ? 3 : 1, chroma_step = picture.format == Format::nv12 ? 2 : 1;
    const RowBytes row{tables.columns, plane_row_bytes(picture, 0), step};
    tables.pixels_per_load = pixels_per_load(row, most_per_load(step));
    if (!chroma) {
        if (tables.pixels_per_load != 0) tables.columns.picks = picks(row, tables.pixels_per_load);
        return tables;
    }
    tables.chroma_rows = vertical(picture.height, placement.height, true);
    tables.chroma_columns = horizontal(picture.width, placement.width, true);
    const RowBytes chroma_row{tables.chroma_columns, plane_row_bytes(picture, 1), chroma_step};
    if (tables.pixels_per_load != 0) tables.pixels_per_load = pixels_per_load(chroma_row, tables.pixels_per_load);
    if (tables.pixels_per_load != 0) {
        tables.columns.picks = picks(row, tables.pixels_per_load);
        tables.chroma_columns.picks = picks(chroma_row, tables.pixels_per_load);
    }
    return tables;
}

}  // namespace mpipeline::pixels
