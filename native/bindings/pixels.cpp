// Python's view of pixels, preprocessing, suppression and masks: checks shapes, releases the lock, calls.
#include "mpipeline/pixels.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "mpipeline/masks.hpp"
#include "mpipeline/nms.hpp"
#include "mpipeline/picture_memory.hpp"
#include "mpipeline/preprocess.hpp"
#include "mpipeline/smooth.hpp"

namespace nb = nanobind;
using namespace mpipeline;

namespace {

using PlaneArray = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::device::cpu>;
using OutArray = nb::ndarray<nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Matrix2 = nb::ndarray<const float, nb::ndim<2>, nb::device::cpu>;
using Boxes = nb::ndarray<const float, nb::shape<-1, 4>, nb::c_contig, nb::device::cpu>;
using Scores = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Strided = nb::ndarray<const float, nb::ndim<1>, nb::device::cpu>;
using Ids = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

pixels::Picture picture(int format, int width, int height, int matrix, bool full_range,
                        const std::vector<PlaneArray>& planes) {
    std::vector<pixels::PlaneShape> shapes;
    for (const PlaneArray& plane : planes) {
        shapes.push_back({plane.data(), plane.shape(0), plane.shape(1), plane.stride(0), plane.stride(1)});
    }
    return pixels::checked_picture(format, width, height, matrix, full_range, shapes);
}

template <typename T>
auto owned(std::vector<T> values) {
    auto* storage = new std::vector<T>(std::move(values));
    nb::capsule owner(storage, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return nb::ndarray<nb::numpy, T, nb::ndim<1>>(storage->data(), {storage->size()}, owner);
}

// Never destroyed: arrays may outlive everything else at the end of the process. Used with Python's lock held, both ways:
// thus a fork that Python code makes never finds its mutex taken, which nobody would give back to the child.
PictureMemory& picture_memory() {
    static auto* const memory = new PictureMemory(std::size_t{64} << 20);
    return *memory;
}

void bind_to_bgr(nb::module_& m) {
    m.def(
        "to_bgr",
        [](int format, int width, int height, int matrix, bool full_range, const std::vector<PlaneArray>& planes,
           bool portable) {
            const pixels::Picture source = picture(format, width, height, matrix, full_range, planes);
            const std::size_t w = width, h = height;
            auto piece = std::make_unique<PieceOfMemory>(picture_memory().take(w * h * 3));
            std::uint8_t* bytes = piece->bytes.get();
            nb::capsule owner(piece.get(), [](void* p) noexcept {
                const std::unique_ptr<PieceOfMemory> given(static_cast<PieceOfMemory*>(p));
                picture_memory().give_back(std::move(*given));
            });
            piece.release();  // not before: without memory for the capsule an error is raised
            {
                nb::gil_scoped_release unlocked;
                pixels::to_bgr(source, bytes, static_cast<std::ptrdiff_t>(w) * 3, portable);
            }
            return nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<3>>(bytes, {h, w, 3}, owner);
        },
        nb::arg("pixel_format"), nb::arg("width"), nb::arg("height"), nb::arg("matrix"), nb::arg("full_range"),
        nb::arg("planes").noconvert(), nb::arg("portable") = false,
        "A new (height, width, 3) uint8 array in BGR order, from planes of shape (rows, row bytes).");
    m.def("has_avx2", &pixels::has_avx2, "Whether the fast paths run on this processor.");
}

template <typename Preprocessor>
void run(Preprocessor& self, OutArray out, int format, int width, int height, int matrix, bool full_range,
         const std::vector<PlaneArray>& planes, std::array<int, 4> place) {
    const pixels::Picture source = picture(format, width, height, matrix, full_range, planes);
    const pixels::Target& target = self.target();
    if (out.shape(0) != 3 || out.shape(1) != static_cast<std::size_t>(target.height) ||
        out.shape(2) != static_cast<std::size_t>(target.width)) {
        throw nb::value_error("out must have the shape (3, height, width) of the target");
    }
    const pixels::Placement placement{place[0], place[1], place[2], place[3]};
    const bool single = out.dtype() == nb::dtype<float>();
    const bool half =
        out.dtype().code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float) && out.dtype().bits == 16;
    if (!single && !half) throw nb::value_error("out must be float32 or float16");
    void* data = out.data();
    nb::gil_scoped_release unlocked;
    if (single) {
        self.run(source, placement, static_cast<float*>(data));
    } else {
        self.run_half(source, placement, static_cast<std::uint16_t*>(data));
    }
}

void bind_preprocessor(nb::module_& m) {
    nb::class_<pixels::Preprocessor>(m, "Preprocessor", "Colour, resize, placement and normalisation in one pass.")
        .def(
            "__init__",
            [](pixels::Preprocessor* self, int width, int height, bool bgr, std::array<float, 3> scale,
               std::array<float, 3> bias, float pad,
               bool portable) { new (self) pixels::Preprocessor({width, height, bgr, scale, bias, pad}, portable); },
            nb::arg("width"), nb::arg("height"), nb::arg("bgr"), nb::arg("scale"), nb::arg("bias"), nb::arg("pad"),
            nb::arg("portable") = false)
        .def("run", &run<pixels::Preprocessor>, nb::arg("out").noconvert(), nb::arg("pixel_format"), nb::arg("width"),
             nb::arg("height"), nb::arg("matrix"), nb::arg("full_range"), nb::arg("planes").noconvert(),
             nb::arg("placement"),
             "Writes into `out`, (3, height, width) float32 or float16; placement is (width, height, left, top).");
    nb::class_<pixels::SmoothPreprocessor>(m, "SmoothPreprocessor", "The same with a resize that does not alias.")
        .def(
            "__init__",
            [](pixels::SmoothPreprocessor* self, int width, int height, bool bgr, std::array<float, 3> scale,
               std::array<float, 3> bias, float pad) {
                new (self) pixels::SmoothPreprocessor({width, height, bgr, scale, bias, pad});
            },
            nb::arg("width"), nb::arg("height"), nb::arg("bgr"), nb::arg("scale"), nb::arg("bias"), nb::arg("pad"))
        .def("run", &run<pixels::SmoothPreprocessor>, nb::arg("out").noconvert(), nb::arg("pixel_format"),
             nb::arg("width"), nb::arg("height"), nb::arg("matrix"), nb::arg("full_range"),
             nb::arg("planes").noconvert(), nb::arg("placement"),
             "As Preprocessor.run; the placement may reach beyond the target.");
}

void bind_boxes(nb::module_& m) {
    m.def(
        "select_candidates",
        [](Matrix2 scores, float threshold, std::optional<Strided> objectness) {
            boxes::ScoreTable table{scores.data(), static_cast<std::ptrdiff_t>(scores.shape(0)),
                                    static_cast<std::ptrdiff_t>(scores.shape(1)),
                                    static_cast<std::ptrdiff_t>(scores.stride(0)),
                                    static_cast<std::ptrdiff_t>(scores.stride(1))};
            if (objectness) {
                if (objectness->shape(0) != scores.shape(0))
                    throw nb::value_error("objectness and scores differ in length");
                table.objectness = objectness->data();
                table.objectness_stride = static_cast<std::ptrdiff_t>(objectness->stride(0));
            }
            boxes::Candidates found;
            {
                nb::gil_scoped_release unlocked;
                found = boxes::select_candidates(table, threshold);
            }
            return std::make_tuple(owned(std::move(found.anchor)), owned(std::move(found.class_id)),
                                   owned(std::move(found.score)));
        },
        nb::arg("scores"), nb::arg("threshold"), nb::arg("objectness") = nb::none(),
        "(anchor, class id, score) of every anchor whose best class exceeds the threshold.");
    m.def(
        "non_maximum_suppression",
        [](Boxes xyxy, Scores score, std::optional<Ids> class_id, float threshold, std::size_t max_detections) {
            const std::size_t count = xyxy.shape(0);
            if (score.shape(0) != count || (class_id && class_id->shape(0) != count)) {
                throw nb::value_error("boxes, scores and class ids differ in length");
            }
            std::vector<std::int64_t> kept;
            {
                nb::gil_scoped_release unlocked;
                kept = boxes::non_maximum_suppression(xyxy.data(), score.data(), class_id ? class_id->data() : nullptr,
                                                      count, threshold, max_detections);
            }
            return owned(std::move(kept));
        },
        nb::arg("xyxy"), nb::arg("score"), nb::arg("class_id").none(), nb::arg("threshold"), nb::arg("max_detections"),
        "Indices of the boxes to keep, highest score first; class ids None: class-agnostic.");
}

void bind_masks(nb::module_& m) {
    m.def(
        "enlarged_runs",
        [](Matrix2 patch, std::array<int, 3> across, std::array<int, 3> down) {
            if (patch.shape(0) > pixels::kMostPixels || patch.shape(1) > pixels::kMostPixels) {
                throw nb::value_error("the patch has too many cells");
            }
            const masks::Patch cells{patch.data(), static_cast<int>(patch.shape(0)), static_cast<int>(patch.shape(1)),
                                     static_cast<std::ptrdiff_t>(patch.stride(0)),
                                     static_cast<std::ptrdiff_t>(patch.stride(1))};
            for (const auto& side : {across, down}) {
                if (side[1] > pixels::kMostPixels || side[2] > pixels::kMostPixels) {
                    throw nb::value_error("the grid or the frame is too large");
                }
            }
            masks::Runs runs;
            {
                nb::gil_scoped_release unlocked;
                runs = masks::enlarged(cells, {across[0], across[1], across[2]}, {down[0], down[1], down[2]});
            }
            return std::make_tuple(std::make_tuple(runs.left, runs.top, runs.width, runs.height),
                                   owned(std::move(runs.lengths)));
        },
        nb::arg("patch"), nb::arg("across"), nb::arg("down"),
        "((left, top, width, height), runs) of what is above 0; across and down are (offset, cells, pixels).");
}

}  // namespace

void bind_pixels(nb::module_& m) {
    bind_to_bgr(m);
    bind_preprocessor(m);
    bind_boxes(m);
    bind_masks(m);
}
