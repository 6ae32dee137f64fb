// The ring for Python: mpipeline._native.Ring and SlotHeader over any writable buffer.
#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

#include "mpipeline/ring.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace mpipeline;

namespace {

using std::chrono::nanoseconds;

// Keeps the memory of a Python buffer mapped for as long as the ring on it lives.
class Buffer {
public:
    explicit Buffer(nb::handle object) {
        if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_WRITABLE) != 0) {
            throw nb::python_error();
        }
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { PyBuffer_Release(&view_); }

    [[nodiscard]] std::span<std::byte> bytes() const {
        return {static_cast<std::byte*>(view_.buf), static_cast<std::size_t>(view_.len)};
    }

private:
    Py_buffer view_{};
};

struct BoundRing {
    explicit BoundRing(nb::handle object) : buffer(object), ring(buffer.bytes()) {}
    BoundRing(nb::handle object, const RingShape& shape) : buffer(object), ring(Ring::create(buffer.bytes(), shape)) {}

    Buffer buffer;  // outlives the ring
    Ring ring;
};

nanoseconds to_nanoseconds(double seconds) {
    constexpr double kLongest = 1e9;  // 30 years; a nanosecond count of it fits 64 bits
    const double bounded = seconds > 0 ? std::min(seconds, kLongest) : 0.0;  // NaN becomes 0
    return nanoseconds(static_cast<std::int64_t>(bounded * 1e9));
}

// Calls `attempt(time)`, which may sleep, without the interpreter's lock and in pieces, so that Ctrl-C is noticed,
// until it returns something or the time is up.
template <class Attempt>
auto wait_in_pieces(double timeout_s, Attempt attempt) -> decltype(attempt(nanoseconds{})) {
    const auto start = std::chrono::steady_clock::now();
    const nanoseconds timeout = to_nanoseconds(timeout_s);
    for (nanoseconds left = timeout;; left = timeout - (std::chrono::steady_clock::now() - start)) {
        const nanoseconds piece = std::clamp<nanoseconds>(left, nanoseconds::zero(), WakeWord::kLongestSleep);
        decltype(attempt(nanoseconds{})) result;
        {
            nb::gil_scoped_release unlocked;
            result = attempt(piece);
        }
        if (result || left <= piece) {
            return result;
        }
        if (PyErr_CheckSignals() != 0) {
            throw nb::python_error();
        }
    }
}

std::optional<std::uint32_t> reserve(BoundRing& self, bool reuse, double timeout_s, ReaderMask counted) {
    const Overflow overflow = reuse ? Overflow::reuse : Overflow::wait;
    if (const auto slot = self.ring.reserve(overflow, nanoseconds::zero(), counted)) {
        return slot;
    }
    return wait_in_pieces(timeout_s, [&](nanoseconds time) { return self.ring.reserve(overflow, time, counted); });
}

std::uint32_t wait_published(BoundRing& self, std::uint32_t seen, double timeout_s) {
    const auto changed = wait_in_pieces(timeout_s, [&](nanoseconds time) -> std::optional<std::uint32_t> {
        const std::uint32_t now = self.ring.wait_published(seen, time);
        return now == seen ? std::nullopt : std::optional(now);
    });
    return changed.value_or(seen);
}

std::vector<std::pair<std::uint32_t, SlotHeader>> pending(BoundRing& self, unsigned bit) {
    std::vector<std::pair<std::uint32_t, SlotHeader>> frames;
    for (const PendingFrame& frame : self.ring.pending(bit)) {
        frames.emplace_back(frame.slot, frame.header);
    }
    return frames;
}

std::tuple<std::uint32_t, unsigned, unsigned> control(const BoundRing& self, std::uint32_t slot) {
    const Control now = self.ring.control(slot);
    return {now.sequence, now.pending, now.held};
}

nb::dict ring_layout() {
    nb::dict ring;
    nb::dict slot;
#define MPIPELINE_FIELD(into, Struct, field) into[#field] = nb::make_tuple(offsetof(Struct, field), sizeof(Struct::field))
    MPIPELINE_FIELD(ring, RingHeader, magic);
    MPIPELINE_FIELD(ring, RingHeader, layout_version);
    MPIPELINE_FIELD(ring, RingHeader, slot_count);
    MPIPELINE_FIELD(ring, RingHeader, payload_bytes);
    MPIPELINE_FIELD(ring, RingHeader, slot_stride);
    MPIPELINE_FIELD(ring, RingHeader, segment_bytes);
    MPIPELINE_FIELD(ring, RingHeader, source_index);
    MPIPELINE_FIELD(ring, RingHeader, owner_pid);
    MPIPELINE_FIELD(ring, RingHeader, masks);
    MPIPELINE_FIELD(ring, RingHeader, publish_word);
    MPIPELINE_FIELD(ring, RingHeader, release_word);
    MPIPELINE_FIELD(ring, RingHeader, sequence);
    MPIPELINE_FIELD(ring, RingHeader, last_frame_id);
    MPIPELINE_FIELD(ring, RingHeader, last_pts);
    MPIPELINE_FIELD(ring, RingHeader, expired);
    MPIPELINE_FIELD(slot, SlotHeader, frame_id);
    MPIPELINE_FIELD(slot, SlotHeader, pts);
    MPIPELINE_FIELD(slot, SlotHeader, captured_ns);
    MPIPELINE_FIELD(slot, SlotHeader, wall_ns);
    MPIPELINE_FIELD(slot, SlotHeader, rate);
    MPIPELINE_FIELD(slot, SlotHeader, width);
    MPIPELINE_FIELD(slot, SlotHeader, height);
    MPIPELINE_FIELD(slot, SlotHeader, shown_width);
    MPIPELINE_FIELD(slot, SlotHeader, shown_height);
    MPIPELINE_FIELD(slot, SlotHeader, pixel_format);
    MPIPELINE_FIELD(slot, SlotHeader, matrix);
    MPIPELINE_FIELD(slot, SlotHeader, flags);
    MPIPELINE_FIELD(slot, SlotHeader, source_index);
    MPIPELINE_FIELD(slot, SlotHeader, strides);
    MPIPELINE_FIELD(slot, SlotHeader, decode_us);
    MPIPELINE_FIELD(slot, SlotHeader, offsets);
    MPIPELINE_FIELD(slot, SlotHeader, payload_length);
    MPIPELINE_FIELD(slot, SlotHeader, sequence);
    MPIPELINE_FIELD(slot, SlotHeader, layout_version);
#undef MPIPELINE_FIELD
    nb::dict layout;
    layout["version"] = kLayoutVersion;
    layout["magic"] = nb::bytes(std::bit_cast<std::array<char, 8>>(kMagic).data(), 8);
    layout["first_slot"] = kPage;
    layout["control"] = kControlOffset;
    layout["header"] = kHeaderOffset;
    layout["payload"] = kPayloadOffset;
    layout["ring_header"] = ring;
    layout["slot_header"] = slot;
    return layout;
}

void bind_slot_header(nb::module_& m) {
    nb::class_<SlotHeader>(m, "SlotHeader")
        .def(nb::init<>())
        .def_rw("frame_id", &SlotHeader::frame_id)
        .def_rw("pts", &SlotHeader::pts)
        .def_rw("captured_ns", &SlotHeader::captured_ns)
        .def_rw("wall_ns", &SlotHeader::wall_ns)
        .def_rw("rate", &SlotHeader::rate)
        .def_rw("width", &SlotHeader::width)
        .def_rw("height", &SlotHeader::height)
        .def_rw("shown_width", &SlotHeader::shown_width)
        .def_rw("shown_height", &SlotHeader::shown_height)
        .def_rw("pixel_format", &SlotHeader::pixel_format)
        .def_rw("matrix", &SlotHeader::matrix)
        .def_rw("flags", &SlotHeader::flags)
        .def_rw("strides", &SlotHeader::strides)
        .def_rw("decode_us", &SlotHeader::decode_us)
        .def_rw("offsets", &SlotHeader::offsets)
        .def_rw("payload_length", &SlotHeader::payload_length)
        .def_ro("source_index", &SlotHeader::source_index)
        .def_ro("sequence", &SlotHeader::sequence);
}

void bind_ring_class(nb::module_& m) {
    nb::class_<BoundRing>(m, "Ring")
        .def(nb::init<nb::handle>(), "buffer"_a)
        .def_static(
            "create",
            [](nb::handle buffer, std::uint32_t slots, std::uint64_t payload_bytes, std::uint32_t source_index,
               std::uint32_t owner_pid, std::uint64_t last_frame_id) {
                return new BoundRing(buffer, {slots, payload_bytes, source_index, owner_pid, last_frame_id});
            },
            "buffer"_a, "slots"_a, "payload_bytes"_a, "source_index"_a = 0, "owner_pid"_a = 0, "last_frame_id"_a = 0,
            nb::rv_policy::take_ownership)
        .def_prop_ro("slots", [](const BoundRing& self) { return self.ring.slots(); })
        .def_prop_ro("payload_bytes", [](const BoundRing& self) { return self.ring.payload_bytes(); })
        .def_prop_ro("source_index", [](const BoundRing& self) { return self.ring.source_index(); })
        .def_prop_ro("owner_pid", [](const BoundRing& self) { return self.ring.owner_pid(); })
        .def_prop_ro("readers", [](const BoundRing& self) { return self.ring.readers(); })
        .def_prop_ro("pinned", [](const BoundRing& self) { return self.ring.pinned(); })
        .def_prop_ro("published", [](const BoundRing& self) { return self.ring.published_count(); })
        .def_prop_ro("expired", [](const BoundRing& self) { return self.ring.expired(); })
        .def_prop_ro("last_frame_id", [](const BoundRing& self) { return self.ring.last_published().frame_id; })
        .def_prop_ro("last_pts", [](const BoundRing& self) { return self.ring.last_published().pts; })
        .def_prop_ro("publish_events", [](const BoundRing& self) { return self.ring.publish_events(); })
        .def("payload_offset", [](const BoundRing& self, std::uint32_t slot) { return self.ring.payload_offset(slot); },
             "slot"_a)
        .def("populate", [](const BoundRing& self) { self.ring.populate(); })
        .def("reserve", &reserve, "reuse"_a, "timeout_s"_a, "counted"_a = kFirstReader)
        .def("publish",
             [](BoundRing& self, std::uint32_t slot, const SlotHeader& header) {
                 return self.ring.publish(slot, header);
             },
             "slot"_a, "header"_a)
        .def("cancel", [](BoundRing& self, std::uint32_t slot) { self.ring.cancel(slot); }, "slot"_a)
        .def("reap_writer", [](BoundRing& self) { return self.ring.reap_writer(); })
        .def("acquire",
             [](BoundRing& self, std::uint32_t slot, std::uint32_t sequence, unsigned bit) {
                 return self.ring.acquire(slot, sequence, bit);
             },
             "slot"_a, "sequence"_a, "bit"_a)
        .def("release",
             [](BoundRing& self, std::uint32_t slot, std::uint32_t sequence, unsigned bit) {
                 return self.ring.release(slot, sequence, bit);
             },
             "slot"_a, "sequence"_a, "bit"_a)
        .def("skip",
             [](BoundRing& self, std::uint32_t slot, std::uint32_t sequence, ReaderMask mask) {
                 return self.ring.skip(slot, sequence, mask);
             },
             "slot"_a, "sequence"_a, "mask"_a)
        .def("recover", [](BoundRing& self, unsigned bit) { return self.ring.recover(bit); }, "bit"_a)
        .def("pending", &pending, "bit"_a)
        .def("header",
             [](BoundRing& self, std::uint32_t slot, std::uint32_t sequence) {
                 return self.ring.header(slot, sequence);
             },
             "slot"_a, "sequence"_a)
        .def("add_reader", [](BoundRing& self, unsigned bit, bool pinned) { self.ring.add_reader(bit, pinned); },
             "bit"_a, "pinned"_a)
        .def("remove_reader", [](BoundRing& self, unsigned bit) { return self.ring.remove_reader(bit); }, "bit"_a)
        .def("reap", [](BoundRing& self, unsigned bit) { return self.ring.reap(bit); }, "bit"_a)
        .def("control", &control, "slot"_a)
        .def("idle", [](const BoundRing& self) { return self.ring.idle(); })
        .def("wait_published", &wait_published, "seen"_a, "timeout_s"_a);
}

}  // namespace

void bind_ring(nb::module_& m) {
    nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
        try {
            std::rethrow_exception(thrown);
        } catch (const RingFault& fault) {
            const nb::object type = nb::module_::import_("mpipeline.errors").attr("RingError");
            PyErr_SetString(type.ptr(), fault.what());
        }
    });
    m.attr("MAX_READERS") = kMaxReaders;
    m.attr("WRITER_BIT") = kWriterBit;
    m.def("segment_bytes", &segment_bytes, "slots"_a, "payload_bytes"_a);
    m.def("ring_layout", &ring_layout);
    bind_slot_header(m);
    bind_ring_class(m);
}
