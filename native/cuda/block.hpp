// A block of threads: on a GPU the hardware's, in plain C++ a loop, so that a kernel's body is one source for both.
//
// A body is a sequence of steps. EACH_THREAD(t) does the statement behind it once for each thread of the block, and ends
// when all have done it; what a step leaves in shared memory, the next one may read. Between the steps every thread of a
// GPU does the same with the same numbers, and the plain loop does it once.
#pragma once

#include <cstdint>

#ifndef __CUDACC__
#include <atomic>
#include <barrier>
#include <bit>
#include <cmath>

#include "mpipeline/half.hpp"
#endif

namespace mpipeline::cuda {

#ifdef MPIPELINE_REAL_THREADS
constexpr int kThreads = 64;
#else
constexpr int kThreads = 256;
#endif

struct Block {  // its place in the grid
    int x, y, z;
};

struct Half {
    std::uint16_t bits;
};

#ifdef __CUDACC__

#define KERNEL_BODY __device__ __forceinline__
#define KERNEL_TABLE __constant__
#define EACH_THREAD(t) for (int t = threadIdx.x, more_ = 1; more_ != 0; more_ = 0, __syncthreads())

// Bytes that nobody writes while the kernel runs.
KERNEL_BODY int level_at(const std::uint8_t* from) { return __ldg(from); }
KERNEL_BODY int to_nearest(double value) { return __double2int_rn(value); }
KERNEL_BODY int to_nearest(float value) { return __float2int_rn(value); }
KERNEL_BODY float exponential(float value) { return expf(value); }
KERNEL_BODY unsigned bits_of(float value) { return __float_as_uint(value); }
KERNEL_BODY float float_of(unsigned bits) { return __uint_as_float(bits); }
KERNEL_BODY int count_one(int* counter) { return atomicAdd(counter, 1); }  // what it was before

KERNEL_BODY float get(const float* from) { return *from; }
KERNEL_BODY float get(const Half* from) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(from->bits));
    return value;
}
KERNEL_BODY void put(float value, float* out) { *out = value; }
KERNEL_BODY void put(float value, Half* out) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out->bits) : "f"(value)); }

#else

#define KERNEL_BODY inline
#define KERNEL_TABLE constexpr
#ifdef MPIPELINE_REAL_THREADS

// Threads of the machine, so that ThreadSanitizer sees what a GPU would stumble over: a step that does not wait.
inline thread_local int this_thread;
inline std::barrier<>* step_is_done;
#define EACH_THREAD(t) for (int t = this_thread, more_ = 1; more_ != 0; more_ = 0, step_is_done->arrive_and_wait())

#else

// A result that depends on which thread of a block comes first is an error; tests let them come both ways.
struct Order {
    int first = 0, end = kThreads, step = 1;
};
inline Order order;
#define EACH_THREAD(t) for (int t = order.first; t != order.end; t += order.step)

#endif

KERNEL_BODY int level_at(const std::uint8_t* from) { return *from; }
KERNEL_BODY int to_nearest(double value) { return static_cast<int>(std::lrint(value)); }
KERNEL_BODY int to_nearest(float value) { return static_cast<int>(std::lrint(value)); }
KERNEL_BODY float exponential(float value) { return std::exp(value); }
KERNEL_BODY unsigned bits_of(float value) { return std::bit_cast<unsigned>(value); }
KERNEL_BODY float float_of(unsigned bits) { return std::bit_cast<float>(bits); }
KERNEL_BODY int count_one(int* counter) { return std::atomic_ref(*counter).fetch_add(1, std::memory_order_relaxed); }

KERNEL_BODY float get(const float* from) { return *from; }
KERNEL_BODY float get(const Half* from) { return pixels::from_half(from->bits); }
KERNEL_BODY void put(float value, float* out) { *out = value; }
KERNEL_BODY void put(float value, Half* out) { out->bits = pixels::to_half(value); }

#endif

// As NumPy's rint of what clip leaves.
KERNEL_BODY void put(float value, std::uint8_t* out) {
    *out = static_cast<std::uint8_t>(to_nearest(value < 0.0f ? 0.0f : value > 255.0f ? 255.0f : value));
}

}  // namespace mpipeline::cuda
