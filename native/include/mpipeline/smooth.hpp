// Preprocessing with a resize that does not alias, for models that were trained on pictures shrunk in that way.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "mpipeline/preprocess.hpp"

namespace mpipeline::pixels {

// As Preprocessor, but every target pixel is the mean of all source pixels around its place, weighted by a triangle
// that is as wide as the picture shrinks (Pillow's BILINEAR; torchvision's with antialias). Where a picture grows it is
// the usual bilinear resize. The placement may reach beyond the target: what lies outside is cut off.
// May be called from several threads, which then take turns.
class SmoothPreprocessor {
public:
    explicit SmoothPreprocessor(const Target& target);

    const Target& target() const { return target_; }

    // `out` has 3 * height * width elements; width and height of the placement are at least 1.
    void run(const Picture& picture, const Placement& placement, float* out);
    void run_half(const Picture& picture, const Placement& placement, std::uint16_t* out);  // IEEE binary16

private:
    template <typename Element>
    void run_as(const Picture& picture, const Placement& placement, Element* out);

    Target target_;
    std::mutex mutex_;
    std::vector<std::uint8_t> bgr_;
    std::vector<float> line_;
};

}  // namespace mpipeline::pixels
