// The control word: packing, order of sequences, transitions.
#include "mpipeline/control.hpp"

#include "check.hpp"

using namespace mpipeline;

int main() {
    const Control full{0xFEDC'BA98, 0x7654, 0x3210};
    CHECK(full.pack() == 0xFEDC'BA98'7654'3210);
    CHECK(Control::unpack(full.pack()) == full);
    CHECK(Control{}.is_free());
    CHECK((!Control{1, 1, 0}.is_free()));
    CHECK((Control{1, 0, kWriterBit}.is_written()));
    CHECK((!Control{1, 0, kAllReaders}.is_written()));

    CHECK(is_older(1, 2));
    CHECK(!is_older(2, 2));
    CHECK(is_older(0xFFFF'FFFF, 1));  // across the wrap
    CHECK(!is_older(1, 0xFFFF'FFFF));

    std::uint64_t word = Control{7, 1, 0}.pack();
    const auto refused = transition(word, [](Control) -> std::optional<Control> { return std::nullopt; });
    CHECK(!refused);
    CHECK(word == (Control{7, 1, 0}.pack()));
    const auto done = transition(word, [](Control now) -> std::optional<Control> {
        return Control{now.sequence, 0, now.pending};
    });
    CHECK(done);
    CHECK((done->before == Control{7, 1, 0}));
    CHECK((done->after == Control{7, 0, 1}));
    CHECK(word == done->after.pack());
    return 0;
}
