// Takes numbers out of the bytes that a fuzzer gives: from the front, and zeros when there are no more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace mpipeline::fuzz {

class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : next_(data), left_(size) {}

    [[nodiscard]] bool empty() const { return left_ == 0; }

    template <class Value>
    Value take() {
        Value value{};
        const std::size_t size = sizeof value < left_ ? sizeof value : left_;
        if (size > 0) {
            std::memcpy(&value, next_, size);
            next_ += size;
            left_ -= size;
        }
        return value;
    }

    // A number of `low` to `high`, both included.
    int between(int low, int high) {
        return low + static_cast<int>(take<std::uint16_t>() % static_cast<unsigned>(high - low + 1));
    }

    // Fills `size` bytes, over and over with what is left.
    void fill(void* place, std::size_t size) {
        auto* out = static_cast<std::uint8_t*>(place);
        for (std::size_t i = 0; i < size; ++i) {
            out[i] = left_ > 0 ? next_[i % left_] : static_cast<std::uint8_t>(i * 37);
        }
    }

private:
    const std::uint8_t* next_;
    std::size_t left_;
};

// A promise of the code under test; a fuzzer takes the abort for a finding.
inline void promise(bool kept) {
    if (!kept) {
        std::abort();
    }
}

}  // namespace mpipeline::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
