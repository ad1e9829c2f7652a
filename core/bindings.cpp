// The Python face of the core: arrays in, nothing out but errors. Nothing here computes, and nothing but what Python's
// own objects are is checked: that is penstock.h's.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <stdexcept>
#include <utility>

#include "penstock.h"
#include "python_fixed.hpp"
#include "python_network.hpp"

namespace nb = nanobind;
using penstock::Arguments;

namespace {

// Raises what a status says, with the core's words.
void raise(penstock_status status) {
    if (status == PENSTOCK_OK) return;
    penstock::raised(status);
    throw nb::python_error();
}

// An instruction set, or weights packed for one, as a Python object.
struct Set {
    const penstock_set* row;
};
struct Packed {
    std::unique_ptr<penstock_packed, void (*)(penstock_packed*)> handle{nullptr, penstock_free};
};
struct PackedOutput {
    std::unique_ptr<penstock_output, void (*)(penstock_output*)> handle{nullptr, penstock_free_output};
};

// Describes arrays, each with its name, until one cannot be.
template <int most>
struct Describing : Arguments<most> {
    void read(const char* name, nb::handle object, penstock_array& array) { take(name, object, array, false); }
    void write(const char* name, nb::handle object, penstock_array& array) { take(name, object, array, true); }

    void read(nb::handle ih, nb::handle hh, nb::handle bias_ih, nb::handle bias_hh, penstock_weights& weights) {
        read("weight_ih", ih, weights.ih);
        read("weight_hh", hh, weights.hh);
        read("bias_ih", bias_ih, weights.bias_ih);
        read("bias_hh", bias_hh, weights.bias_hh);
    }

private:
    void take(const char* name, nb::handle object, penstock_array& array, bool written) {
        if (!this->describe(name, object.ptr(), array, written)) throw nb::python_error();
    }
};

penstock_status unlocked(auto call) {
    nb::gil_scoped_release release;
    return call();
}

penstock_form form_of(bool after) { return after ? PENSTOCK_RESET_AFTER : PENSTOCK_RESET_BEFORE; }

void forward(const Set& set, bool after, bool reverse, int threads, nb::handle x, nb::handle h_0, nb::handle weight_ih,
             nb::handle weight_hh, nb::handle bias_ih, nb::handle bias_hh, nb::handle lengths, nb::handle resets,
             nb::handle decay, const Packed* packed, nb::handle output, nb::handle h_n, nb::handle reset,
             nb::handle update, nb::handle candidate, nb::handle recurrent) {
    Describing<15> arrays;
    penstock_call call = {};
    call.set = set.row;
    call.form = form_of(after);
    call.reverse = reverse;
    call.threads = threads;
    call.packed = packed ? packed->handle.get() : nullptr;
    arrays.read("x", x, call.x);
    arrays.read("h_0", h_0, call.h_0);
    arrays.read(weight_ih, weight_hh, bias_ih, bias_hh, call.weights);
    arrays.read("lengths", lengths, call.lengths);
    arrays.read("resets", resets, call.resets);
    arrays.read("decay", decay, call.decay);
    arrays.write("output", output, call.output);
    arrays.write("h_n", h_n, call.h_n);
    arrays.write("reset", reset, call.reset);
    arrays.write("update", update, call.update);
    arrays.write("candidate", candidate, call.candidate);
    arrays.write("recurrent", recurrent, call.recurrent);
    raise(unlocked([&] { return penstock_forward(&call); }));
}

void backward(const Set& set, bool after, bool reverse, int threads, nb::handle x, nb::handle h_0, nb::handle weight_ih,
              nb::handle weight_hh, nb::handle bias_ih, nb::handle bias_hh, nb::handle lengths, nb::handle resets,
              nb::handle decay, nb::handle output, nb::handle reset, nb::handle update, nb::handle candidate,
              nb::handle recurrent, nb::handle grad_output, nb::handle grad_h_n, nb::handle grad_reset,
              nb::handle grad_update, nb::handle grad_candidate, nb::handle grad_x, nb::handle grad_h_0,
              nb::handle grad_weight_ih, nb::handle grad_weight_hh, nb::handle grad_bias_ih, nb::handle grad_bias_hh,
              nb::handle grad_decay) {
    Describing<26> arrays;
    penstock_call call = {};
    penstock_gradients gradients = {};
    call.set = set.row;
    call.form = form_of(after);
    call.reverse = reverse;
    call.threads = threads;
    arrays.read("x", x, call.x);
    arrays.read("h_0", h_0, call.h_0);
    arrays.read(weight_ih, weight_hh, bias_ih, bias_hh, call.weights);
    arrays.read("lengths", lengths, call.lengths);
    arrays.read("resets", resets, call.resets);
    arrays.read("decay", decay, call.decay);
    arrays.read("output", output, call.output);
    arrays.read("reset", reset, call.reset);
    arrays.read("update", update, call.update);
    arrays.read("candidate", candidate, call.candidate);
    arrays.read("recurrent", recurrent, call.recurrent);
    arrays.read("grad_output", grad_output, gradients.output);
    arrays.read("grad_h_n", grad_h_n, gradients.h_n);
    arrays.read("grad_reset", grad_reset, gradients.reset);
    arrays.read("grad_update", grad_update, gradients.update);
    arrays.read("grad_candidate", grad_candidate, gradients.candidate);
    arrays.write("grad_x", grad_x, gradients.x);
    arrays.write("grad_h_0", grad_h_0, gradients.h_0);
    arrays.write("grad_weight_ih", grad_weight_ih, gradients.weights.ih);
    arrays.write("grad_weight_hh", grad_weight_hh, gradients.weights.hh);
    arrays.write("grad_bias_ih", grad_bias_ih, gradients.weights.bias_ih);
    arrays.write("grad_bias_hh", grad_bias_hh, gradients.weights.bias_hh);
    arrays.write("grad_decay", grad_decay, gradients.decay);
    raise(unlocked([&] { return penstock_backward(&call, &gradients); }));
}

Packed pack(const Set& set, bool after, int precision, nb::handle weight_ih, nb::handle weight_hh, nb::handle bias_ih,
            nb::handle bias_hh) {
    Describing<4> arrays;
    penstock_weights weights = {};
    arrays.read(weight_ih, weight_hh, bias_ih, bias_hh, weights);
    penstock_packed* packed = nullptr;
    raise(
        unlocked([&] { return penstock_pack(set.row, form_of(after), precision, &weights, &packed); }));
    Packed made;
    made.handle.reset(packed);
    return made;
}

void step(const Packed& packed, nb::handle x, nb::handle h, nb::handle out, int threads) {
    Describing<3> arrays;
    penstock_array of_x = {}, of_h = {}, of_out = {};
    arrays.read("x", x, of_x);
    arrays.read("h", h, of_h);
    arrays.write("out", out, of_out);
    raise(unlocked([&] { return penstock_step(packed.handle.get(), &of_x, &of_h, &of_out, threads); }));
}

PackedOutput pack_output(const Set& set, nb::handle weight, nb::handle bias) {
    Describing<2> arrays;
    penstock_array of_weight = {}, of_bias = {};
    arrays.read("weight", weight, of_weight);
    arrays.read("bias", bias, of_bias);
    penstock_output* output = nullptr;
    raise(unlocked([&] { return penstock_pack_output(set.row, &of_weight, &of_bias, &output); }));
    PackedOutput made;
    made.handle.reset(output);
    return made;
}

void score(const PackedOutput& output, nb::handle hidden, nb::handle tokens, nb::handle nats, int threads) {
    Describing<3> arrays;
    penstock_array of_hidden = {}, of_tokens = {}, of_nats = {};
    arrays.read("hidden", hidden, of_hidden);
    arrays.read("tokens", tokens, of_tokens);
    arrays.write("nats", nats, of_nats);
    raise(unlocked([&] { return penstock_score(output.handle.get(), &of_hidden, &of_tokens, &of_nats, threads); }));
}

template <bool normalized>
void of_tokens(const PackedOutput& output, nb::handle hidden, nb::handle out, int threads) {
    constexpr auto compute = normalized ? penstock_log_probabilities : penstock_logits;
    Describing<2> arrays;
    penstock_array of_hidden = {}, of_out = {};
    arrays.read("hidden", hidden, of_hidden);
    arrays.write(normalized ? "log_probabilities" : "logits", out, of_out);
    raise(unlocked([&] { return compute(output.handle.get(), &of_hidden, &of_out, threads); }));
}

// Layers, an output layer or None, and an embedding or None: what penstock_parts says.
nb::object network(const Set&, nb::handle layers, bool residual, int answer, nb::handle embedding, nb::handle output,
                   double multiply_adds, int threads) {
    std::vector<const penstock_packed*> packed;
    for (nb::handle layer : layers) packed.push_back(nb::cast<const Packed&>(layer).handle.get());
    penstock_parts parts = {};
    parts.layers = packed.data();
    parts.count = int64_t(packed.size());
    parts.residual = residual;
    parts.answer = answer;
    if (!output.is_none()) parts.output = nb::cast<const PackedOutput&>(output).handle.get();
    const nb::object kept = nb::make_tuple(nb::tuple(layers), output, embedding);
    PyObject* const made = penstock::PythonNetwork::made(parts, kept.ptr(), embedding.ptr(), multiply_adds, threads);
    if (!made) throw nb::python_error();
    return nb::steal(made);
}

// A token (rows,) of each row of logits (rows, V).
void sample(const Set& set, nb::handle logits, nb::handle random, double temperature, int64_t top_k, double top_p,
            int64_t never, nb::handle tokens) {
    Describing<3> arrays;
    penstock_array of_logits = {}, of_random = {}, of_tokens = {};
    arrays.read("logits", logits, of_logits);
    arrays.read("random", random, of_random);
    arrays.write("tokens", tokens, of_tokens);
    const penstock_sampling sampling = {temperature, top_k, top_p, never};
    raise(unlocked([&] { return penstock_sample(set.row, &of_logits, &sampling, &of_random, &of_tokens); }));
}

// Defines a method whose arguments may be None.
template <class Class, class Result, class Self, class... Rest>
void define(Class& of, const char* name, Result (*function)(Self, Rest...)) {
    of.def(name, function, (static_cast<void>(sizeof(Rest)), nb::arg().none())...);
}

}  // namespace

NB_MODULE(_core, m) {
    if (!penstock::PythonNetwork::add_type(m.ptr())) throw nb::python_error();
    penstock::PythonFixed::add_to(m);
    const auto without_gil = nb::call_guard<nb::gil_scoped_release>();
    nb::class_<Packed> packed(m, "Packed");
    define(packed, "step", &step);
    nb::class_<PackedOutput> output(m, "PackedOutput");
    define(output, "score", &score);
    define(output, "logits", &of_tokens<false>);
    define(output, "log_probabilities", &of_tokens<true>);
    nb::class_<Set> set(m, "InstructionSet");
    define(set, "pack", &pack);
    define(set, "forward", &forward);
    define(set, "backward", &backward);
    define(set, "pack_output", &pack_output);
    define(set, "network", &network);
    define(set, "sample", &sample);
    set.def_prop_ro("name", [](const Set& s) { return s.row->name; })
        .def_prop_ro("compiled", [](const Set& s) { return s.row->compiled != 0; })
        .def_prop_ro("supported", [](const Set& s) { return s.row->supported != 0; })
        .def_prop_ro("needs", [](const Set& s) { return s.row->needs; })
        .def_prop_ro("float_lanes", [](const Set& s) { return s.row->float_lanes; })
        .def(
            "peak",
            [](const Set& s, int dtype, int threads) { return penstock_peak(s.row, dtype, threads); },
            without_gil)
        .def(
            "read_bandwidth",
            [](const Set& s, int threads, size_t bytes) { return penstock_read_bandwidth(s.row, threads, bytes); },
            without_gil)
        .def(
            "barrier_wait", [](const Set& s, int threads) { return penstock_barrier_wait(s.row, threads); },
            without_gil);
    m.def("instruction_sets", [] {
        std::vector<Set> sets;
        for (int k = 0; const penstock_set* row = penstock_set_at(k); ++k) sets.push_back({row});
        return sets;
    });
    m.def("choose", [](const std::string& name) {
        const penstock_set* row = penstock_choose(name.c_str());
        if (!row) throw std::invalid_argument(penstock_message());
        return Set{row};
    });
    m.def("set_grain", &penstock_set_grain);
    m.def("borrow_threads", [](uintptr_t parallel, uintptr_t thread_num, uintptr_t num_threads) {
        penstock_borrow_threads(reinterpret_cast<penstock_omp_parallel>(parallel),
                                reinterpret_cast<int (*)()>(thread_num), reinterpret_cast<int (*)()>(num_threads));
    });
    m.def("threads_are_borrowed", [] { return penstock_threads_are_borrowed() != 0; });
    m.attr("header_version") = penstock_header_version();
#if defined(__clang__)
    m.attr("compiler") = __VERSION__;  // names itself
#else
    m.attr("compiler") = "GCC " __VERSION__;
#endif
}
