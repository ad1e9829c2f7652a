// The Python face of the core: values in, values out. Nothing here computes.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "dispatch.hpp"

namespace nb = nanobind;
using penstock::InstructionSet;

NB_MODULE(_core, m) {
    nb::class_<InstructionSet>(m, "InstructionSet")
        .def_prop_ro("name", [](const InstructionSet& s) { return s.name; })
        .def_prop_ro("compiled", [](const InstructionSet& s) { return s.kernels != nullptr; })
        .def_prop_ro("supported", [](const InstructionSet& s) { return s.supported; })
        .def_prop_ro("needs", [](const InstructionSet& s) { return s.needs; })
        .def_prop_ro("float_lanes", [](const InstructionSet& s) { return s.kernels ? s.kernels->float_lanes : 0; })
        .def_prop_ro("fused_multiply_add",
                     [](const InstructionSet& s) { return s.kernels && s.kernels->fused_multiply_add; });
    m.def("instruction_sets", &penstock::instruction_sets);
    m.def("choose", &penstock::choose, nb::arg("name"), nb::rv_policy::reference);
#if defined(__clang__)
    m.attr("compiler") = __VERSION__;  // names itself
#else
    m.attr("compiler") = "GCC " __VERSION__;
#endif
}
