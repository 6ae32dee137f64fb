// One pass from a decoded picture to a model's input: colour conversion, bilinear resize, placement, normalisation.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "mpipeline/half.hpp"
#include "mpipeline/pixels.hpp"

namespace mpipeline::pixels {

// The tensor to write: planar, channels first. value = level * scale[c] + bias[c], level 0..255, c in output order.
struct Target {
    int width;
    int height;
    bool bgr;  // channel order: B, G, R instead of R, G, B
    std::array<float, 3> scale;
    std::array<float, 3> bias;
    float pad;  // the level that fills what the picture does not cover
};

// Where the resized picture lies inside the target.
struct Placement {
    int width;
    int height;
    int left;
    int top;
};

struct ResizeTables;
struct Scratch;

// Resizing is cv2.resize INTER_LINEAR (half-pixel centres, edge replicated, no antialiasing) of the picture as `to_bgr`
// would convert it, without rounding to bytes in between. Nothing outside the planes' rows is ever read. Tables are
// kept for each geometry seen. May be called from several threads, which then take turns. The plain C++ path
// (`portable`, and processors without AVX2) gives bit-equal results.
class Preprocessor {
public:
    explicit Preprocessor(const Target& target, bool portable = false);
    ~Preprocessor();
    Preprocessor(const Preprocessor&) = delete;
    Preprocessor& operator=(const Preprocessor&) = delete;

    const Target& target() const { return target_; }

    // `out` has 3 * height * width elements; placement lies inside the target and is at least 1 x 1.
    void run(const Picture& picture, const Placement& placement, float* out);
    void run_half(const Picture& picture, const Placement& placement, std::uint16_t* out);  // IEEE binary16

private:
    template <typename Element>
    void run_as(const Picture& picture, const Placement& placement, Element* out);
    const ResizeTables& tables_for(const Picture& picture, const Placement& placement);

    using Geometry = std::array<int, 5>;
    Target target_;
    bool fast_;
    std::mutex mutex_;
    std::map<Geometry, std::unique_ptr<ResizeTables>> tables_;
    std::unique_ptr<Scratch> scratch_;
};

}  // namespace mpipeline::pixels
