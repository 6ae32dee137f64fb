// The extension module mpipeline._native; each part of it is bound in a file of its own.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

void bind_ring(nb::module_& m);
void bind_pixels(nb::module_& m);

NB_MODULE(_native, m) {
    m.doc() = "Slots in shared memory, pixels to tensors, and non-maximum suppression.";
    bind_ring(m);
    bind_pixels(m);
}
