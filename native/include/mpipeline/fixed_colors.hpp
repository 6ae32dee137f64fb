// The colours of a picture in bytes, in 16-bit fixed point: one pixel, on the processor as on a GPU.
#pragma once

#include <cstdint>

#include "mpipeline/pixels.hpp"

namespace mpipeline::pixels {

// Colours in 1/64 of a level. Luma is multiplied as unsigned 8.8 and its offset taken off afterwards, together with the
// rounding of the final shift; chroma as signed 8.8 with a rounding high multiply. Sums saturate, far outside 0..255.
struct Fixed {
    std::uint16_t y_gain;
    std::int16_t y_bias, red_v, green_u, green_v, blue_u;
};

constexpr int nearest(float value) {  // ties to even, as std::lrint, which is no constant
    const int towards_zero = static_cast<int>(value);
    const int below = towards_zero - (value < static_cast<float>(towards_zero) ? 1 : 0);
    const float over = value - static_cast<float>(below);
    return below + (over > 0.5f || (over == 0.5f && below % 2 != 0) ? 1 : 0);
}

constexpr Fixed fixed(const YuvToRgb& c) {
    const auto q13 = [](float v) { return static_cast<std::int16_t>(nearest(v * 8192.0f)); };
    return {static_cast<std::uint16_t>(nearest(c.y_gain * 16384.0f)),
            static_cast<std::int16_t>(nearest(32.5f - 64.0f * c.y_offset * c.y_gain)),
            q13(c.red_v),
            q13(c.green_u),
            q13(c.green_v),
            q13(c.blue_u)};
}

struct Bgr {
    std::uint8_t blue, green, red;
};

constexpr int multiply(std::int16_t coefficient, int level) {
    return (coefficient * ((level - 128) * 256) + 0x4000) >> 15;
}

constexpr int within(int value, int least, int most) { return value < least ? least : value > most ? most : value; }

constexpr int saturate(int value) { return within(value, -32768, 32767); }

constexpr std::uint8_t level(int value) { return static_cast<std::uint8_t>(within(value >> 6, 0, 255)); }

constexpr Bgr bgr_of(const Fixed& f, int luma, int u, int v) {
    const int y = static_cast<int>((luma * 256u * f.y_gain) >> 16) + f.y_bias;
    const int green = saturate(multiply(f.green_u, u) + multiply(f.green_v, v));
    return {level(saturate(y + multiply(f.blue_u, u))), level(saturate(y + green)),
            level(saturate(y + multiply(f.red_v, v)))};
}

}  // namespace mpipeline::pixels
