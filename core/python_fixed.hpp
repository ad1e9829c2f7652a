// Networks in whole numbers as Python objects. Their constants come as bytes, their sizes are checked here.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <string>

#include "fixed.hpp"
#include "python_arrays.hpp"
#include "team.hpp"

namespace penstock {

class PythonFixed {
public:
    static void add_to(nanobind::module_& m) {
        namespace nb = nanobind;
        nb::class_<PythonFixed>(m, "Fixed")
            .def(nb::init<const std::string&, int64_t, bool, bool>())
            .def_prop_ro("layout", [](const PythonFixed& self) { return self.network_.kernels->layout; })
            .def("add_layer", &PythonFixed::add_layer)
            .def("set_output", &PythonFixed::set_output)
            .def("network", &PythonFixed::network, nb::arg("output").none(), nb::arg("embedding").none(),
                 nb::arg("log_probabilities"))
            .def("step", &PythonFixed::step, nb::arg(), nb::arg(), nb::arg(), nb::arg("memory").none(),
                 nb::arg("row").none())
            .def("read", &PythonFixed::read, nb::arg(), nb::arg(), nb::arg(), nb::arg("lengths").none(),
                 nb::arg("decay").none(), nb::arg("out"), nb::arg("threads"))
            .def("answer", &PythonFixed::answer);
    }

    PythonFixed(const std::string& set, int64_t H, bool after, bool residual) {
        expect(H > 0, "H: expected 1 or more");
        network_ = {&fixed_kernels(set.c_str()), H, after, residual, {}, {}};
    }

    void add_layer(int64_t D, float per, nanobind::bytes ih, nanobind::bytes hh, nanobind::bytes m_ih,
                   nanobind::bytes m_hh, nanobind::bytes b) {
        expect(D > 0 && (network_.layers.empty() || D == network_.H), "D: expected 1 or more, of later layers H");
        const int64_t blocks = (network_.H + 15) / 16, rows = 16 * blocks;
        FixedLayer layer{D, per, {}, {}, {}, {}, {}};
        copy("ih", ih, 3 * blocks * network_.kernels->block_words(D), layer.ih);
        copy("hh", hh, 3 * blocks * network_.kernels->block_words(network_.H), layer.hh);
        copy("m_ih", m_ih, 3 * rows, layer.m_ih);
        copy("m_hh", m_hh, 3 * rows, layer.m_hh);
        copy("b", b, 4 * rows, layer.b);
        network_.layers.push_back(std::make_shared<const FixedLayer>(std::move(layer)));
    }

    void set_output(int64_t V, int64_t reads, float per, nanobind::bytes weights, nanobind::bytes m, nanobind::bytes b) {
        expect(V > 0 && reads > 0, "V: expected 1 or more, and as many that are read");
        FixedOutput output{V, reads, per, {}, {}, {}};
        const int64_t blocks = (V + 15) / 16;
        copy("weights", weights, blocks * network_.kernels->block_words(reads), output.weights);
        copy("m", m, 16 * blocks, output.m);
        copy("b", b, 16 * blocks, output.b);
        network_.output = std::make_shared<const FixedOutput>(std::move(output));
    }

    // These layers, before the output layer of another and behind an embedding (V, D), or without; what it answers.
    PythonFixed network(const PythonFixed* other, nanobind::object embedding, bool log_probabilities) const {
        PythonFixed made = *this;
        if (other) {
            expect(other->network_.output && other->network_.output->reads == network_.H &&
                       other->network_.kernels == network_.kernels,
                   "output: expected a layer that reads H");
            made.network_.output = other->network_.output;
        }
        made.embedding_ = std::move(embedding);
        made.log_probabilities_ = log_probabilities;
        return made;
    }

    // A step of N streams: x (N, D), or tokens (N,) of an embedding (V, D); of one stream also without that axis, and then
    // `row` is returned. State (K, N, H) becomes the next one.
    nanobind::object step(nanobind::handle x, nanobind::handle state, nanobind::handle out, nanobind::handle,
                          nanobind::handle row) const {
        Arguments<4> arguments;
        penstock_array of_x = {}, of_state = {}, of_out = {}, of_embedding = {};
        const int64_t K = int64_t(network_.layers.size()), H = network_.H;
        expect(K > 0, "layers: expected 1 or more, got 0");
        const int64_t D = network_.layers[0]->D, V = network_.answers();
        const bool reads_tokens = !embedding_.is_none();
        int64_t token = 0;
        if (reads_tokens && PyLong_Check(x.ptr())) {
            token = PyLong_AsLongLong(x.ptr());
            PyErr_Clear();  // one that is too large is -1, which is none either
            of_x = {&token, PENSTOCK_INT64, 0, {}, {}};
        } else {
            describe(arguments, "x", x, of_x, false);
        }
        describe(arguments, "state", state, of_state, true);
        describe(arguments, "out", out, of_out, true);
        const bool single = of_x.ndim == (reads_tokens ? 0 : 1);
        const int64_t N = single ? 1 : of_x.shape[0];
        if (reads_tokens && single)
            expect_plain("x", of_x, PENSTOCK_INT64, {});
        else if (reads_tokens)
            expect_plain("x", of_x, PENSTOCK_INT64, {N});
        else if (single)
            expect_plain("x", of_x, PENSTOCK_FLOAT32, {D});
        else
            expect_plain("x", of_x, PENSTOCK_FLOAT32, {N, D});
        if (single && of_state.ndim == 2)
            expect_plain("state", of_state, PENSTOCK_FLOAT32, {K, H});
        else
            expect_plain("state", of_state, PENSTOCK_FLOAT32, {K, N, H});
        if (single && of_out.ndim == 1)
            expect_plain("out", of_out, PENSTOCK_FLOAT32, {V});
        else
            expect_plain("out", of_out, PENSTOCK_FLOAT32, {N, V});
        const auto* const tokens = static_cast<const int64_t*>(of_x.data);
        if (reads_tokens) {
            describe(arguments, "embedding", embedding_, of_embedding, false);
            const int64_t rows = of_embedding.shape[0];
            expect_plain("embedding", of_embedding, PENSTOCK_FLOAT32, {rows, D});
            for (int64_t n = 0; n < N; ++n)
                if (tokens[n] < 0 || tokens[n] >= rows)
                    throw nanobind::value_error(("token: expected 0 … V − 1=" + std::to_string(rows - 1) + ", got " +
                                                 std::to_string(tokens[n])).c_str());
        }
        const Scratch scratch(network_.kernels->memory(network_));
        for (int64_t n = 0; n < N; ++n) {
            const float* from = reads_tokens ? static_cast<const float*>(of_embedding.data) + tokens[n] * D
                                             : static_cast<const float*>(of_x.data) + n * D;
            network_.kernels->step(network_, from, static_cast<float*>(of_state.data) + n * H, N * H,
                                   log_probabilities_, static_cast<float*>(of_out.data) + n * V, scratch.memory());
        }
        return nanobind::borrow(single ? row : out);
    }

    // A layer over x (L, N, D) from state (N, H), which becomes the last one; out (L, N, H).
    void read(int64_t which, nanobind::handle x, nanobind::handle state, nanobind::handle lengths, nanobind::handle decay,
              nanobind::handle out, int threads) const {
        Arguments<5> arguments;
        penstock_array of_x = {}, of_state = {}, of_lengths = {}, of_decay = {}, of_out = {};
        expect(which >= 0 && which < int64_t(network_.layers.size()), "layer: there is none");
        const int64_t D = network_.layers[size_t(which)]->D, H = network_.H;
        describe(arguments, "x", x, of_x, false);
        expect(of_x.ndim == 3, "x: expected (L, N, D)");
        const int64_t L = of_x.shape[0], N = of_x.shape[1];
        expect_plain("x", of_x, PENSTOCK_FLOAT32, {L, N, D});
        describe(arguments, "state", state, of_state, true);
        expect_plain("state", of_state, PENSTOCK_FLOAT32, {N, H});
        describe(arguments, "out", out, of_out, true);
        expect_plain("out", of_out, PENSTOCK_FLOAT32, {L, N, H});
        FixedSequences of = {L, N, 0, N, static_cast<const float*>(of_x.data), nullptr, nullptr,
                             static_cast<float*>(of_state.data), static_cast<float*>(of_out.data)};
        if (!decay.is_none()) {
            describe(arguments, "decay", decay, of_decay, false);
            expect_plain("decay", of_decay, PENSTOCK_FLOAT32, {L, N, H});
            of.decay = static_cast<const float*>(of_decay.data);
        }
        if (!lengths.is_none()) {
            describe(arguments, "lengths", lengths, of_lengths, false);
            expect_plain("lengths", of_lengths, PENSTOCK_INT64, {N});
            of.lengths = static_cast<const int64_t*>(of_lengths.data);
            for (int64_t n = 0; n < N; ++n) expect(of.lengths[n] >= 0 && of.lengths[n] <= L, "lengths: expected 0 … L");
        }
        together(N, 3.0 * double(L) * double(H) * double(D + H), threads, [&](int64_t first, int64_t last, void* memory) {
            FixedSequences part = of;
            part.first = first;
            part.last = last;
            network_.kernels->read(network_, which, part, memory);
        });
    }

    // The output layer's answers (rows, V), or their log-probabilities, to what it reads, (rows, reads).
    void answer(nanobind::handle x, bool log_probabilities, nanobind::handle out, int threads) const {
        Arguments<2> arguments;
        penstock_array of_x = {}, of_out = {};
        expect(network_.output != nullptr, "output: there is none");
        describe(arguments, "x", x, of_x, false);
        describe(arguments, "out", out, of_out, true);
        const FixedOutput& output = *network_.output;
        const int64_t rows = of_x.ndim ? of_x.shape[0] : 0;
        expect_plain("x", of_x, PENSTOCK_FLOAT32, {rows, output.reads});
        expect_plain("out", of_out, PENSTOCK_FLOAT32, {rows, output.V});
        together(rows, double(output.V) * double(output.reads), threads, [&](int64_t first, int64_t last, void* memory) {
            for (int64_t n = first; n < last; ++n)
                network_.kernels->answer(network_, static_cast<const float*>(of_x.data) + n * output.reads,
                                         log_probabilities, static_cast<float*>(of_out.data) + n * output.V, memory);
        });
    }

private:
    FixedNetwork network_;
    nanobind::object embedding_ = nanobind::none();
    bool log_probabilities_ = false;

    // Runs work(first, last, memory) on shares of the rows, each of which has so many multiply-adds.
    template <class Share>
    void together(int64_t rows, double multiply_adds, int threads, Share share) const {
        constexpr double worth_a_thread = 1 << 20;
        struct Job {
            Share& share;
            int64_t rows;
            char* memory;
            size_t each;
        };
        const double worth = std::min(double(rows) * multiply_adds / worth_a_thread, double(rows));
        const int members = int(std::max(1.0, std::min(worth, double(threads))));
        const size_t each = network_.kernels->memory(network_);
        const Scratch scratch(each * size_t(members));
        Job job{share, rows, static_cast<char*>(scratch.memory()), each};
        nanobind::gil_scoped_release release;
        run_together(
            members,
            [](void* data, int member, int members) {
                const Job& job = *static_cast<const Job*>(data);
                job.share(job.rows * member / members, job.rows * (member + 1) / members,
                          job.memory + size_t(member) * job.each);
            },
            &job);
    }

    static void expect(bool holds, const char* otherwise) {
        if (!holds) throw nanobind::value_error(otherwise);
    }

    template <int most>
    static void describe(Arguments<most>& arguments, const char* name, nanobind::handle object, penstock_array& array,
                         bool written) {
        if (!arguments.describe(name, object.ptr(), array, written)) throw nanobind::python_error();
    }

    // Raises unless it is contiguous, of this type and these sizes.
    static void expect_plain(const char* name, const penstock_array& array, int dtype,
                             std::initializer_list<int64_t> shape) {
        bool same = array.ndim == int(shape.size());
        int64_t stride = 1;
        for (int k = array.ndim - 1; same && k >= 0; --k) {
            same = array.shape[k] == shape.begin()[k] && (array.shape[k] <= 1 || array.strides[k] == stride);
            stride *= array.shape[k];
        }
        if (array.dtype != dtype) {
            const std::string type = dtype == PENSTOCK_INT64 ? "int64" : "float32";
            throw nanobind::type_error((name + (": expected " + type)).c_str());
        }
        if (same) return;
        std::string got, expected;
        for (int k = 0; k < std::min(array.ndim, 3); ++k) got += (k ? ", " : "") + std::to_string(array.shape[k]);
        for (int64_t size : shape) expected += (expected.empty() ? "" : ", ") + std::to_string(size);
        throw nanobind::value_error((std::string(name) + ": expected a contiguous array of (" + expected + "), got (" +
                                     got + ")").c_str());
    }

    template <class T>
    static void copy(const char* name, const nanobind::bytes& from, int64_t count, std::vector<T>& to) {
        if (int64_t(from.size()) != count * int64_t(sizeof(T)))
            throw nanobind::value_error((std::string(name) + ": expected " + std::to_string(count) + " numbers").c_str());
        to.resize(size_t(count));
        std::memcpy(to.data(), from.c_str(), from.size());
    }
};

}  // namespace penstock
