// IEEE binary16, as models with half precision take and give it.
#pragma once

#include <bit>
#include <cstdint>

namespace mpipeline::pixels {

// Rounds to the nearest binary16, ties to even; too large becomes infinity.
inline std::uint16_t to_half(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);  // not a number
    if (magnitude >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
    if (magnitude < 0x38800000u) {  // subnormal: adding 0.5 lets the processor round at the right bit
        const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
        return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
    }
    const std::uint32_t odd = (magnitude >> 13) & 1u;
    return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

inline float from_half(std::uint16_t half) {
    const std::uint32_t sign = (half & 0x8000u) << 16, exponent = (half >> 10) & 0x1fu, fraction = half & 0x3ffu;
    if (exponent == 0) {  // subnormal: so many 2^-24
        const float magnitude = static_cast<float>(fraction) * (1.0f / (1 << 24));
        return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
    }
    const std::uint32_t shifted = exponent == 0x1f ? 0xffu : exponent + 112u;  // infinity, or another bias
    return std::bit_cast<float>(sign | shifted << 23 | fraction << 13);
}

}  // namespace mpipeline::pixels
