// The kernels as a GPU runs them; build_ptx.py makes mpipeline/cuda/kernels.ptx of this file.
#include "detect_kernel.hpp"
#include "preprocess_kernel.hpp"
#include "smooth_kernel.hpp"

using namespace mpipeline::cuda;

namespace {

__device__ Block this_block() {
    return {static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.z)};
}

}  // namespace

extern "C" {

__global__ void __launch_bounds__(kThreads) preprocess_f32(const PreprocessJob* job) {
    __shared__ Tile tile;
    preprocess<float>(*job, this_block(), tile);
}

__global__ void __launch_bounds__(kThreads) preprocess_f16(const PreprocessJob* job) {
    __shared__ Tile tile;
    preprocess<Half>(*job, this_block(), tile);
}

__global__ void __launch_bounds__(kThreads) preprocess_u8(const PreprocessJob* job) {
    __shared__ Tile tile;
    preprocess<std::uint8_t>(*job, this_block(), tile);
}

__global__ void __launch_bounds__(kThreads) preprocess_smooth_f32(const PreprocessJob* job) {
    __shared__ SmoothTile tile;
    preprocess_smooth<float>(*job, this_block(), tile);
}

__global__ void __launch_bounds__(kThreads) preprocess_smooth_f16(const PreprocessJob* job) {
    __shared__ SmoothTile tile;
    preprocess_smooth<Half>(*job, this_block(), tile);
}

__global__ void __launch_bounds__(kThreads) preprocess_smooth_u8(const PreprocessJob* job) {
    __shared__ SmoothTile tile;
    preprocess_smooth<std::uint8_t>(*job, this_block(), tile);
}

__global__ void __launch_bounds__(kThreads) detect_candidates_f32(const DetectJob* job, const float* output) {
    detect_candidates(*job, output, this_block());
}

__global__ void __launch_bounds__(kThreads) detect_candidates_f16(const DetectJob* job, const Half* output) {
    detect_candidates(*job, output, this_block());
}

__global__ void __launch_bounds__(kThreads) detect_suppress(const DetectJob* job) {
    __shared__ Search search;
    detect_suppress(*job, this_block(), search);
}

__global__ void __launch_bounds__(kThreads) detect_gather_f32(const DetectJob* job, const float* output) {
    detect_gather(*job, output, this_block());
}

__global__ void __launch_bounds__(kThreads) detect_gather_f16(const DetectJob* job, const Half* output) {
    detect_gather(*job, output, this_block());
}

}  // extern "C"
