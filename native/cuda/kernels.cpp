// The kernels as plain C++: all blocks of the grid, one after the other.
#include "kernels.hpp"

using namespace mpipeline::cuda;

namespace {

template <typename Body>
void each_block(Grid grid, Body body) {
    for (int z = 0; z < grid.z; ++z) {
        for (int y = 0; y < grid.y; ++y) {
            for (int x = 0; x < grid.x; ++x) body(Block{x, y, z});
        }
    }
}

}  // namespace

void preprocess_f32(Grid grid, const PreprocessJob* job) {
    Tile tile;
    each_block(grid, [&](Block block) { preprocess<float>(*job, block, tile); });
}

void preprocess_f16(Grid grid, const PreprocessJob* job) {
    Tile tile;
    each_block(grid, [&](Block block) { preprocess<Half>(*job, block, tile); });
}

void detect_candidates_f32(Grid grid, const DetectJob* job, const float* output) {
    each_block(grid, [&](Block block) { detect_candidates(*job, output, block); });
}

void detect_candidates_f16(Grid grid, const DetectJob* job, const Half* output) {
    each_block(grid, [&](Block block) { detect_candidates(*job, output, block); });
}

void detect_suppress(Grid grid, const DetectJob* job) {
    Search search;
    each_block(grid, [&](Block block) { mpipeline::cuda::detect_suppress(*job, block, search); });
}

void order_threads(bool falling) { order = falling ? Order{kThreads - 1, -1, -1} : Order{}; }
