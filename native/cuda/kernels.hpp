// The kernels as plain C++, for tests on machines without a GPU: by their names, with a grid of blocks.
#pragma once

#include "detect_kernel.hpp"
#include "preprocess_kernel.hpp"
#include "smooth_kernel.hpp"

extern "C" {

struct Grid {
    int x, y, z;
};

void preprocess_f32(Grid grid, const mpipeline::cuda::PreprocessJob* job);
void preprocess_f16(Grid grid, const mpipeline::cuda::PreprocessJob* job);
void preprocess_u8(Grid grid, const mpipeline::cuda::PreprocessJob* job);
void preprocess_smooth_f32(Grid grid, const mpipeline::cuda::PreprocessJob* job);
void preprocess_smooth_f16(Grid grid, const mpipeline::cuda::PreprocessJob* job);
void preprocess_smooth_u8(Grid grid, const mpipeline::cuda::PreprocessJob* job);
void detect_candidates_f32(Grid grid, const mpipeline::cuda::DetectJob* job, const float* output);
void detect_candidates_f16(Grid grid, const mpipeline::cuda::DetectJob* job, const mpipeline::cuda::Half* output);
void detect_suppress(Grid grid, const mpipeline::cuda::DetectJob* job);
void detect_gather_f32(Grid grid, const mpipeline::cuda::DetectJob* job, const float* output);
void detect_gather_f16(Grid grid, const mpipeline::cuda::DetectJob* job, const mpipeline::cuda::Half* output);

// From now on the threads of a block come in falling order, or in rising order again.
void order_threads(bool falling);

}  // extern "C"
