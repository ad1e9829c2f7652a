// The Python face of the core: addresses, shapes and strides in, nothing out. Nothing here computes, and nothing is
// checked: that is the callers' work (penstock.native and penstock.ops).
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>

#include "dispatch.hpp"
#include "team.hpp"

namespace nb = nanobind;
using namespace penstock;

// Where data begins: in Python an int, None for none, or an array, whose own account of it takes NumPy longer than a
// small call computes.
struct Address {
    uintptr_t value;
};

template <>
struct nb::detail::type_caster<Address> {
    NB_TYPE_CASTER(Address, const_name("int | None | Buffer"))

    bool from_python(handle source, uint8_t, cleanup_list*) noexcept {
        value = {0};
        if (source.is_none()) return true;
        if (PyLong_CheckExact(source.ptr())) {
            value = {uintptr_t(PyLong_AsSize_t(source.ptr()))};
        } else {
            Py_buffer buffer;
            if (PyObject_GetBuffer(source.ptr(), &buffer, PyBUF_SIMPLE) == 0) {
                value = {reinterpret_cast<uintptr_t>(buffer.buf)};  // stays there while the caller holds the array
                PyBuffer_Release(&buffer);
            }
        }
        if (!PyErr_Occurred()) return true;
        PyErr_Clear();
        return false;
    }
};

namespace {

using ShapeValues = std::tuple<int64_t, int64_t, bool>;
using SequenceValues = std::tuple<int64_t, int64_t, Address, Address, int64_t, int64_t, bool>;
using Four = std::tuple<Address, Address, Address, Address>;
using StridedValues = std::tuple<Address, int64_t, int64_t>;

template <class T>
T* pointer(Address address) {
    return reinterpret_cast<T*>(address.value);
}

Shape shape_of(const ShapeValues& v) { return {std::get<0>(v), std::get<1>(v), std::get<2>(v)}; }

Sequences sequences_of(const SequenceValues& v) {
    const auto& [L, N, lengths, resets, resets_step, resets_row, reverse] = v;
    return {L, N, pointer<const int64_t>(lengths), pointer<const uint8_t>(resets), resets_step, resets_row, reverse};
}

template <class T, template <class> class Of>
Of<T> four(const Four& v) {
    return {pointer<T>(std::get<0>(v)), pointer<T>(std::get<1>(v)), pointer<T>(std::get<2>(v)),
            pointer<T>(std::get<3>(v))};
}

template <class T>
Strided<T> strided(const StridedValues& v) {
    return {pointer<T>(std::get<0>(v)), std::get<1>(v), std::get<2>(v)};
}

size_t packed_size(const InstructionSet& set, const ShapeValues& shape, int precision) {
    return set.kernels->packed_size(shape_of(shape), Precision(precision));
}

void pack(const InstructionSet& set, const ShapeValues& shape, int precision, const Four& weights, Address to) {
    if (Precision(precision) == Precision::float64)
        set.kernels->pack_double(shape_of(shape), four<const double, Weights>(weights), pointer<void>(to));
    else
        set.kernels->pack_float(shape_of(shape), Precision(precision), four<const float, Weights>(weights),
                                pointer<void>(to));
}

template <class T>
Forward<T> forward_call(const ShapeValues& shape, const SequenceValues& sequences, const Four& weights, Address packed,
                        int precision, const StridedValues& x, Address h_0, const StridedValues& output, Address h_n,
                        const Four& gates) {
    return {shape_of(shape), sequences_of(sequences), four<const T, Weights>(weights), pointer<const void>(packed),
            Precision(precision), strided<const T>(x), pointer<const T>(h_0), strided<T>(output), pointer<T>(h_n),
            four<T, GateArrays>(gates)};
}

void forward(const InstructionSet& set, const ShapeValues& shape, const SequenceValues& sequences, const Four& weights,
             Address packed, int precision, const StridedValues& x, Address h_0, const StridedValues& output,
             Address h_n, const Four& gates, int threads) {
    if (Precision(precision) == Precision::float64)
        set.kernels->forward_double(
            forward_call<double>(shape, sequences, weights, packed, precision, x, h_0, output, h_n, gates), threads);
    else
        set.kernels->forward_float(
            forward_call<float>(shape, sequences, weights, packed, precision, x, h_0, output, h_n, gates), threads);
}

template <class T>
Backward<T> backward_call(const ShapeValues& shape, const SequenceValues& sequences, const Four& weights,
                          const StridedValues& x, Address h_0, const StridedValues& output, const Four& gates,
                          const StridedValues& grad_output, Address grad_h_n, const Four& grad_gates,
                          const StridedValues& grad_x, Address grad_h_0, const Four& grad_weights) {
    return {shape_of(shape), sequences_of(sequences), four<const T, Weights>(weights), strided<const T>(x),
            pointer<const T>(h_0), strided<const T>(output), four<const T, GateArrays>(gates),
            strided<const T>(grad_output), pointer<const T>(grad_h_n), four<const T, GateArrays>(grad_gates),
            strided<T>(grad_x), pointer<T>(grad_h_0), four<T, Weights>(grad_weights)};
}

void backward(const InstructionSet& set, const ShapeValues& shape, const SequenceValues& sequences, const Four& weights,
              int precision, const StridedValues& x, Address h_0, const StridedValues& output, const Four& gates,
              const StridedValues& grad_output, Address grad_h_n, const Four& grad_gates, const StridedValues& grad_x,
              Address grad_h_0, const Four& grad_weights, int threads) {
    if (Precision(precision) == Precision::float64)
        set.kernels->backward_double(backward_call<double>(shape, sequences, weights, x, h_0, output, gates, grad_output,
                                                           grad_h_n, grad_gates, grad_x, grad_h_0, grad_weights),
                                     threads);
    else
        set.kernels->backward_float(backward_call<float>(shape, sequences, weights, x, h_0, output, gates, grad_output,
                                                         grad_h_n, grad_gates, grad_x, grad_h_0, grad_weights),
                                    threads);
}

size_t packed_output_size(const InstructionSet& set, int64_t H, int64_t V) {
    return set.kernels->packed_output_size({H, V});
}

void pack_output(const InstructionSet& set, int64_t H, int64_t V, Address weight, Address bias, Address to) {
    set.kernels->pack_output({H, V}, pointer<const float>(weight), pointer<const float>(bias), pointer<void>(to));
}

void score(const InstructionSet& set, int64_t H, int64_t V, Address packed, int64_t rows, Address hidden,
           Address tokens, Address nats, int threads) {
    set.kernels->score({{H, V}, pointer<const void>(packed), rows, pointer<const float>(hidden),
                        pointer<const int64_t>(tokens), pointer<double>(nats)},
                       threads);
}

double peak(const InstructionSet& set, int precision, int threads) {
    return Precision(precision) == Precision::float64 ? set.kernels->peak_double(threads)
                                                      : set.kernels->peak_float(threads);
}

double read_bandwidth(const InstructionSet& set, int threads, size_t bytes) {
    return set.kernels->read_bandwidth(threads, bytes);
}

double barrier_wait(const InstructionSet& set, int threads) { return set.kernels->barrier_wait(threads); }

}  // namespace

NB_MODULE(_core, m) {
    const auto without_gil = nb::call_guard<nb::gil_scoped_release>();
    nb::class_<InstructionSet>(m, "InstructionSet")
        .def_prop_ro("name", [](const InstructionSet& s) { return s.name; })
        .def_prop_ro("compiled", [](const InstructionSet& s) { return s.kernels != nullptr; })
        .def_prop_ro("supported", [](const InstructionSet& s) { return s.supported; })
        .def_prop_ro("needs", [](const InstructionSet& s) { return s.needs; })
        .def_prop_ro("float_lanes", [](const InstructionSet& s) { return s.kernels ? s.kernels->float_lanes : 0; })
        .def("packed_size", &packed_size)
        .def("pack", &pack, without_gil)
        .def("packed_output_size", &packed_output_size)
        .def("pack_output", &pack_output, without_gil)
        .def("score", &score, without_gil)
        .def("forward", &forward, without_gil)
        .def("backward", &backward, without_gil)
        .def("peak", &peak, without_gil)
        .def("read_bandwidth", &read_bandwidth, without_gil)
        .def("barrier_wait", &barrier_wait, without_gil);
    m.def("instruction_sets", &instruction_sets);
    m.def("choose", &choose, nb::arg("name"), nb::rv_policy::reference);
    m.def("borrow_threads", [](uintptr_t parallel, uintptr_t thread_num, uintptr_t num_threads) {
        borrow_threads(reinterpret_cast<OmpParallel>(parallel), reinterpret_cast<int (*)()>(thread_num),
                       reinterpret_cast<int (*)()>(num_threads));
    });
    m.def("threads_are_borrowed", &threads_are_borrowed);
#if defined(__clang__)
    m.attr("compiler") = __VERSION__;  // names itself
#else
    m.attr("compiler") = "GCC " __VERSION__;
#endif
}
