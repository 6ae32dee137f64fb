#include <nanobind/nanobind.h>

void bind_pixels(nanobind::module_&) {}
