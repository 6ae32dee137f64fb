// The kernels as plain C++: all blocks of the grid, one after the other.
#include "kernels.hpp"

#ifdef MPIPELINE_REAL_THREADS
#include <thread>
#include <vector>
#endif

using namespace mpipeline::cuda;

namespace {

template <typename Body>
void each_block(Grid grid, const Body& body) {
    for (int z = 0; z < grid.z; ++z) {
        for (int y = 0; y < grid.y; ++y) {
            for (int x = 0; x < grid.x; ++x) body(Block{x, y, z});
        }
    }
}

#ifdef MPIPELINE_REAL_THREADS

template <typename Body>
void run(Grid grid, const Body& body) {
    std::barrier<> barrier(kThreads);
    step_is_done = &barrier;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            this_thread = t;
            each_block(grid, body);
        });
    }
    for (std::thread& thread : threads) thread.join();
}

#else

template <typename Body>
void run(Grid grid, const Body& body) {
    each_block(grid, body);
}

#endif

}  // namespace

void preprocess_f32(Grid grid, const PreprocessJob* job) {
    Tile tile;
    run(grid, [&](Block block) { preprocess<float>(*job, block, tile); });
}

void preprocess_f16(Grid grid, const PreprocessJob* job) {
    Tile tile;
    run(grid, [&](Block block) { preprocess<Half>(*job, block, tile); });
}

void preprocess_u8(Grid grid, const PreprocessJob* job) {
    Tile tile;
    run(grid, [&](Block block) { preprocess<std::uint8_t>(*job, block, tile); });
}

void preprocess_smooth_f32(Grid grid, const PreprocessJob* job) {
    SmoothTile tile;
    run(grid, [&](Block block) { preprocess_smooth<float>(*job, block, tile); });
}

void preprocess_smooth_f16(Grid grid, const PreprocessJob* job) {
    SmoothTile tile;
    run(grid, [&](Block block) { preprocess_smooth<Half>(*job, block, tile); });
}

void preprocess_smooth_u8(Grid grid, const PreprocessJob* job) {
    SmoothTile tile;
    run(grid, [&](Block block) { preprocess_smooth<std::uint8_t>(*job, block, tile); });
}

void detect_candidates_f32(Grid grid, const DetectJob* job, const float* output) {
    run(grid, [&](Block block) { detect_candidates(*job, output, block); });
}

void detect_candidates_f16(Grid grid, const DetectJob* job, const Half* output) {
    run(grid, [&](Block block) { detect_candidates(*job, output, block); });
}

void detect_suppress(Grid grid, const DetectJob* job) {
    Search search;
    run(grid, [&](Block block) { mpipeline::cuda::detect_suppress(*job, block, search); });
}

void detect_gather_f32(Grid grid, const DetectJob* job, const float* output) {
    run(grid, [&](Block block) { detect_gather(*job, output, block); });
}

void detect_gather_f16(Grid grid, const DetectJob* job, const Half* output) {
    run(grid, [&](Block block) { detect_gather(*job, output, block); });
}

void order_threads([[maybe_unused]] bool falling) {
#ifndef MPIPELINE_REAL_THREADS
    order = falling ? Order{kThreads - 1, -1, -1} : Order{};
#endif
}
