// Behind penstock.h: what comes in is checked, and made into what the kernels take. No exception leaves.
#include "penstock.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "door.hpp"

using namespace penstock;

namespace {

thread_local std::string message;
std::atomic<int64_t> grain{1 << 20};

int checked_threads(int threads) {
    if (threads < 0) refuse(PENSTOCK_BAD_VALUE, "threads: expected 0 or more, got " + std::to_string(threads));
    return threads ? std::min(threads, 1024) : cores();
}

}  // namespace

namespace penstock {

Memory aligned(size_t bytes) {
    Memory memory(allocate(bytes));
    if (!memory) throw std::bad_alloc();
    return memory;
}

penstock_status refused(penstock_status status, std::string words) noexcept {
    message = std::move(words);
    return status;
}

const InstructionSet& usable(const penstock_set* set) {
    if (!set) return best_set();
    for (int k = 0; const InstructionSet* row = instruction_set(k); ++k)
        if (row == set) {
            if (!row->usable()) refuse(PENSTOCK_BAD_VALUE, std::string("set: ") + row->name + " cannot run here");
            return *row;
        }
    refuse(PENSTOCK_BAD_VALUE, "set: expected one of penstock_set_at's");
}

int threads_for(double multiply_adds, int threads) {
    return int(
        std::min<double>(checked_threads(threads), multiply_adds / double(grain.load(std::memory_order_relaxed)) + 1));
}

void expect_plain(const char* name, const penstock_array& array, std::initializer_list<Axis> axes, int32_t dtype,
                  const char* as) {
    expect_shape(name, array, axes);
    expect_dtype(name, array, dtype, as);
    expect_addressable(name, array);
    expect_contiguous(name, array);
}

void expect_own_places(std::initializer_list<Extent> written, std::initializer_list<Extent> read) {
    const auto overlap = [](const Extent& a, const Extent& b) { return a.first < b.last && b.first < a.last; };
    for (const Extent* a = written.begin(); a != written.end(); ++a) {
        for (const Extent* b = a + 1; b != written.end(); ++b)
            if (overlap(*a, *b)) refuse(PENSTOCK_BAD_VALUE, std::string(a->name) + ": overlaps with " + b->name);
        for (const Extent& b : read)
            if (overlap(*a, b)) refuse(PENSTOCK_BAD_VALUE, std::string(a->name) + ": overlaps with " + b.name);
    }
}

}  // namespace penstock

namespace {

bool checked_form(int32_t form) {
    if (form != PENSTOCK_RESET_BEFORE && form != PENSTOCK_RESET_AFTER)
        refuse(PENSTOCK_BAD_VALUE,
               "form: expected PENSTOCK_RESET_BEFORE or PENSTOCK_RESET_AFTER, got " + std::to_string(form));
    return form == PENSTOCK_RESET_AFTER;
}

bool floating(int32_t dtype) { return dtype == PENSTOCK_FLOAT32 || dtype == PENSTOCK_FLOAT64; }

// The sizes that weights have, each of which is checked; `prefix` stands before their names.
Shape shape_of(const penstock_weights& weights, bool after, const char* none = nullptr) {
    if (none && !given(weights.hh)) refuse(PENSTOCK_BAD_VALUE, none);
    expect_shape("weight_hh", weights.hh, {{"3H", -1}, {"H", -1}});
    if (!floating(weights.hh.dtype))
        refuse(PENSTOCK_BAD_TYPE,
               std::string("weight_hh: expected float32 or float64, got ") + name_of(weights.hh.dtype));
    const int64_t H = weights.hh.shape[1];
    if (H < 1 || H > (int64_t(1) << 30))
        refuse(PENSTOCK_BAD_VALUE, "weight_hh: expected H of 1 or more, got " + std::to_string(H));
    const int32_t dtype = weights.hh.dtype;
    expect_plain("weight_hh", weights.hh, {{"3H", 3 * H}, {"H", H}}, dtype);
    expect_plain("weight_ih", weights.ih, {{"3H", 3 * H}, {"D", -1}}, dtype, "weight_hh is");
    const int64_t D = weights.ih.shape[1];
    if (D > (int64_t(1) << 40))
        refuse(PENSTOCK_BAD_VALUE, "weight_ih: expected D of 2^40 or less, got " + std::to_string(D));
    for (const auto& [name, bias] : {std::pair("bias_ih", &weights.bias_ih), std::pair("bias_hh", &weights.bias_hh)})
        if (given(*bias)) expect_plain(name, *bias, {{"3H", 3 * H}}, dtype, "weight_hh is");
    return {D, H, after};
}

template <class T>
Weights<T> weights_of(const penstock_weights& weights) {
    return {data<T>(weights.ih), data<T>(weights.hh), data<T>(weights.bias_ih), data<T>(weights.bias_hh)};
}

template <class T>
Strided<T> strided(const penstock_array& array) {
    return {data<T>(array), array.strides[0], array.strides[1]};
}

// A call whose arrays are all as they should be.
struct Checked {
    const InstructionSet& set;
    Shape shape;
    int64_t L, N;
    int32_t dtype;
    Precision precision;
    int threads;
};

void check_lengths(const penstock_array& lengths, int64_t L, int64_t N) {
    if (!given(lengths)) return;
    expect_plain("lengths", lengths, {{"N", N}}, PENSTOCK_INT64);
    for (int64_t n = 0; n < N; ++n)
        if (const int64_t length = data<const int64_t>(lengths)[n]; length < 0 || length > L)
            refuse(PENSTOCK_BAD_VALUE,
                   "lengths: expected 0 … L=" + std::to_string(L) + ", got " + std::to_string(length));
}

bool same_place(const penstock_array& a, const penstock_array& b) { return a.data == b.data; }

// What forward and backward are given alike, but h_n.
Checked check_call(const penstock_call& call) {
    const bool after = checked_form(call.form);
    const InstructionSet& set = usable(call.set);
    Shape shape;
    Precision precision;
    if (call.packed) {
        const penstock_weights& none = call.weights;
        if (given(none.ih) || given(none.hh) || given(none.bias_ih) || given(none.bias_hh))
            refuse(PENSTOCK_BAD_VALUE, "packed: expected packed weights or weights, got both");
        shape = call.packed->shape;
        precision = call.packed->precision;
        if (shape.after != after)
            refuse(PENSTOCK_BAD_VALUE, "packed: expected weights packed for this form, got the other's");
        if (&call.packed->set != &set)
            refuse(PENSTOCK_BAD_VALUE, std::string("packed: expected weights packed for ") + set.name + ", got " +
                                           call.packed->set.name + "'s");
    } else {
        shape = shape_of(call.weights, after);
        precision = Precision(call.weights.hh.dtype);
    }
    const int32_t dtype = precision == Precision::float64 ? PENSTOCK_FLOAT64 : PENSTOCK_FLOAT32;
    const int64_t D = shape.D, H = shape.H;
    expect_shape("x", call.x, {{"L", -1}, {"N", -1}, {"D", D}});
    const int64_t L = call.x.shape[0], N = call.x.shape[1];
    expect_dtype("x", call.x, dtype, as_weights);
    expect_addressable("x", call.x);
    expect_last_contiguous("x", call.x);
    expect_plain("h_0", call.h_0, {{"N", N}, {"H", H}}, dtype, as_weights);
    // what is made for a call is some rows of each of these, and stays countable
    if (double(N + 2048) * double(H + D + 256) * 256 > 0x1p60 || L > (int64_t(1) << 58))
        refuse(PENSTOCK_BAD_VALUE, "x: (" + std::to_string(L) + ", " + std::to_string(N) + ", " + std::to_string(D) +
                                       ") is larger than memory can be");
    if (given(call.resets)) {
        expect_shape("resets", call.resets, {{"L", L}, {"N", N}});
        expect_dtype("resets", call.resets, PENSTOCK_BOOL);
        expect_addressable("resets", call.resets);
    }
    if (given(call.decay)) {
        if (call.decay.ndim == 3 && call.decay.shape[2] == 1)
            expect_shape("decay", call.decay, {{"L", L}, {"N", N}, {"1", 1}});
        else
            expect_shape("decay", call.decay, {{"L", L}, {"N", N}, {"H", H}});
        expect_dtype("decay", call.decay, dtype, as_weights);
        expect_addressable("decay", call.decay);
    }
    check_lengths(call.lengths, L, N);
    expect_shape("output", call.output, {{"L", L}, {"N", N}, {"H", H}});
    expect_dtype("output", call.output, dtype, as_weights);
    expect_addressable("output", call.output);
    expect_last_contiguous("output", call.output);
    for (const auto& [name, gate] : {std::pair("reset", &call.reset), std::pair("update", &call.update),
                                     std::pair("candidate", &call.candidate), std::pair("recurrent", &call.recurrent)})
        if (given(*gate)) expect_plain(name, *gate, {{"L", L}, {"N", N}, {"H", H}}, dtype, as_weights);
    return {set,
            shape,
            L,
            N,
            dtype,
            precision,
            threads_for(double(L) * double(N) * 3 * double(H) * double(D + H), call.threads)};
}

Sequences sequences_of(const penstock_call& call, const Checked& checked) {
    const bool resets = given(call.resets);
    return {checked.L,
            checked.N,
            data<const int64_t>(call.lengths),
            data<const uint8_t>(call.resets),
            resets ? call.resets.strides[0] : 0,
            resets ? call.resets.strides[1] : 0,
            call.reverse != 0};
}

template <class T>
Decay<T> decay_of(const penstock_call& call) {
    if (!given(call.decay)) return {};
    const auto& [step, row, unit] = call.decay.strides;
    return {data<const T>(call.decay), step, row, call.decay.shape[2] == 1 ? 0 : unit};
}

template <class T>
GateArrays<T> gates_of(const penstock_call& call) {
    return {data<T>(call.reset), data<T>(call.update), data<T>(call.candidate), data<T>(call.recurrent)};
}

template <class T>
Forward<T> forward_of(const penstock_call& call, const Checked& checked) {
    return {checked.shape,
            sequences_of(call, checked),
            decay_of<T>(call),
            call.packed ? Weights<const T>{} : weights_of<const T>(call.weights),
            call.packed ? call.packed->memory.get() : nullptr,
            checked.precision,
            strided<const T>(call.x),
            data<const T>(call.h_0),
            strided<T>(call.output),
            data<T>(call.h_n),
            gates_of<T>(call)};
}

template <class T>
Backward<T> backward_of(const penstock_call& call, const penstock_gradients& gradients, const Checked& checked) {
    return {
        checked.shape,
        sequences_of(call, checked),
        decay_of<T>(call),
        weights_of<const T>(call.weights),
        strided<const T>(call.x),
        data<const T>(call.h_0),
        strided<const T>(call.output),
        gates_of<const T>(call),
        strided<const T>(gradients.output),
        data<const T>(gradients.h_n),
        {data<const T>(gradients.reset), data<const T>(gradients.update), data<const T>(gradients.candidate), nullptr},
        strided<T>(gradients.x),
        data<T>(gradients.h_0),
        weights_of<T>(gradients.weights),
        data<T>(gradients.decay)};
}

void check_gradients(const penstock_call& call, const penstock_gradients& gradients, const Checked& checked) {
    const auto [D, H, after] = checked.shape;
    const Axis L{"L", checked.L}, N{"N", checked.N}, of_D{"D", D}, of_H{"H", H}, of_3H{"3H", 3 * H};
    const auto strided_one = [&](const char* name, const penstock_array& array, const Axis& last) {
        if (!given(array)) return;
        expect_shape(name, array, {L, N, last});
        expect_dtype(name, array, checked.dtype, as_weights);
        expect_addressable(name, array);
        expect_last_contiguous(name, array);
    };
    const auto plain = [&](const char* name, const penstock_array& array, std::initializer_list<Axis> axes) {
        if (given(array)) expect_plain(name, array, axes, checked.dtype, as_weights);
    };
    strided_one("grad_output", gradients.output, of_H);
    plain("grad_h_n", gradients.h_n, {N, of_H});
    plain("grad_reset", gradients.reset, {L, N, of_H});
    plain("grad_update", gradients.update, {L, N, of_H});
    plain("grad_candidate", gradients.candidate, {L, N, of_H});
    strided_one("grad_x", gradients.x, of_D);
    if (given(gradients.x)) expect_apart("grad_x", gradients.x);
    plain("grad_h_0", gradients.h_0, {N, of_H});
    plain("grad_weight_ih", gradients.weights.ih, {of_3H, of_D});
    plain("grad_weight_hh", gradients.weights.hh, {of_3H, of_H});
    plain("grad_bias_ih", gradients.weights.bias_ih, {of_3H});
    plain("grad_bias_hh", gradients.weights.bias_hh, {of_3H});
    plain("grad_decay", gradients.decay, {L, N, of_H});
    if (given(gradients.decay) && !given(call.decay))
        refuse(PENSTOCK_BAD_VALUE, "grad_decay: expected none, as there is no decay");
    expect_own_places(
        {extent_of("grad_x", gradients.x), extent_of("grad_h_0", gradients.h_0),
         extent_of("grad_weight_ih", gradients.weights.ih), extent_of("grad_weight_hh", gradients.weights.hh),
         extent_of("grad_bias_ih", gradients.weights.bias_ih), extent_of("grad_bias_hh", gradients.weights.bias_hh),
         extent_of("grad_decay", gradients.decay)},
        {extent_of("x", call.x), extent_of("h_0", call.h_0), extent_of("weight_ih", call.weights.ih),
         extent_of("weight_hh", call.weights.hh), extent_of("bias_ih", call.weights.bias_ih),
         extent_of("bias_hh", call.weights.bias_hh), extent_of("lengths", call.lengths),
         extent_of("resets", call.resets), extent_of("decay", call.decay), extent_of("output", call.output),
         extent_of("reset", call.reset), extent_of("update", call.update), extent_of("candidate", call.candidate),
         extent_of("recurrent", call.recurrent), extent_of("grad_output", gradients.output),
         extent_of("grad_h_n", gradients.h_n), extent_of("grad_reset", gradients.reset),
         extent_of("grad_update", gradients.update), extent_of("grad_candidate", gradients.candidate)});
}

template <class T>
void expect_finite(const char* name, const penstock_array& array) {
    if (!given(array)) return;
    const T* values = data<const T>(array);
    const int64_t count = array.shape[0] * (array.ndim > 1 ? array.shape[1] : 1);
    for (int64_t k = 0; k < count; ++k)
        if (!std::isfinite(values[k]))
            refuse(PENSTOCK_BAD_VALUE, std::string(name) + ": expected finite numbers for int8, got " +
                                           (std::isnan(values[k]) ? "nan"
                                            : values[k] > 0       ? "inf"
                                                                  : "-inf"));
}

}  // namespace

int penstock_header_version() { return PENSTOCK_HEADER_VERSION; }

const char* penstock_message() { return message.c_str(); }

const penstock_set* penstock_set_at(int k) { return instruction_set(k); }

const penstock_set* penstock_choose(const char* name) {
    const penstock_set* chosen = nullptr;
    guarded([&] {
        std::string names;
        for (int k = 0; const InstructionSet* row = instruction_set(k); ++k) {
            if (!row->usable()) continue;
            if (!chosen && (!name || !*name || !std::strcmp(name, row->name))) chosen = row;
            names += (names.empty() ? "" : ", ") + std::string(row->name);
        }
        if (!chosen) refuse(PENSTOCK_BAD_VALUE, "expected one of " + names + ", got " + name);
    });
    return chosen;
}

penstock_status penstock_pack(const penstock_set* set, int32_t form, int32_t dtype,
                              const penstock_weights* weights, penstock_packed** packed) {
    return guarded([&] {
        if (!weights || !packed) refuse(PENSTOCK_BAD_VALUE, "weights, packed: expected pointers, got null");
        const InstructionSet& chosen = usable(set);
        const Shape shape = shape_of(*weights, checked_form(form));
        const bool wide = weights->hh.dtype == PENSTOCK_FLOAT64;
        if (dtype < PENSTOCK_FLOAT32 || dtype > PENSTOCK_INT8)
            refuse(PENSTOCK_BAD_TYPE, "dtype: expected float32, float64, bfloat16 or int8");
        if (wide != (dtype == PENSTOCK_FLOAT64))
            refuse(PENSTOCK_BAD_TYPE, std::string("weights: expected ") + (wide ? "float32" : "float64") +
                                          " to pack as " + name_of(dtype) + ", got " + name_of(weights->hh.dtype));
        if (dtype == PENSTOCK_INT8) {
            expect_finite<float>("weight_ih", weights->ih);
            expect_finite<float>("weight_hh", weights->hh);
        }
        const auto precision = Precision(dtype);
        auto made = std::unique_ptr<penstock_packed>(
            new penstock_packed{chosen, shape, precision, aligned(chosen.kernels->packed_size(shape, precision))});
        if (wide)
            chosen.kernels->pack_double(shape, precision, weights_of<const double>(*weights), made->memory.get());
        else
            chosen.kernels->pack_float(shape, precision, weights_of<const float>(*weights), made->memory.get());
        *packed = made.release();
    });
}

void penstock_free(penstock_packed* packed) { delete packed; }

penstock_status penstock_forward(const penstock_call* call) {
    return guarded([&] {
        if (!call) refuse(PENSTOCK_BAD_VALUE, "call: expected a pointer, got null");
        const Checked checked = check_call(*call);
        expect_plain("h_n", call->h_n, {{"N", checked.N}, {"H", checked.shape.H}}, checked.dtype, as_weights);
        expect_apart("output", call->output);
        const Extent h_n = extent_of("h_n", call->h_n), h_0 = extent_of("h_0", call->h_0),
                     output = extent_of("output", call->output);
        const bool in_place = same_place(call->h_n, call->h_0);
        const bool one_step = checked.L == 1 && !given(call->lengths) && same_place(call->h_n, call->output) &&
                              (checked.N <= 1 || call->output.strides[1] == checked.shape.H);
        const Extent none{"h_n", 0, 0};
        expect_own_places(
            {output, one_step ? none : h_n, extent_of("reset", call->reset), extent_of("update", call->update),
             extent_of("candidate", call->candidate), extent_of("recurrent", call->recurrent)},
            {extent_of("x", call->x), extent_of("weight_ih", call->weights.ih),
             extent_of("weight_hh", call->weights.hh), extent_of("bias_ih", call->weights.bias_ih),
             extent_of("bias_hh", call->weights.bias_hh), extent_of("lengths", call->lengths),
             extent_of("resets", call->resets), extent_of("decay", call->decay), in_place ? none : h_0});
        if (checked.dtype == PENSTOCK_FLOAT64)
            checked.set.kernels->forward_double(forward_of<double>(*call, checked), checked.threads);
        else
            checked.set.kernels->forward_float(forward_of<float>(*call, checked), checked.threads);
    });
}

penstock_status penstock_backward(const penstock_call* call, const penstock_gradients* gradients) {
    return guarded([&] {
        if (!call || !gradients) refuse(PENSTOCK_BAD_VALUE, "call, gradients: expected pointers, got null");
        if (call->packed) refuse(PENSTOCK_BAD_VALUE, "packed: backward takes weights, got packed ones");
        const Checked checked = check_call(*call);
        if (given(call->reset)) {
            const Axis axes[] = {{"L", checked.L}, {"N", checked.N}, {"H", checked.shape.H}};
            for (const auto& [name, gate] :
                 {std::pair("update", &call->update), std::pair("candidate", &call->candidate)})
                expect_shape(name, *gate, {axes[0], axes[1], axes[2]});
            if (checked.shape.after) expect_shape("recurrent", call->recurrent, {axes[0], axes[1], axes[2]});
        }
        check_gradients(*call, *gradients, checked);
        if (checked.dtype == PENSTOCK_FLOAT64)
            checked.set.kernels->backward_double(backward_of<double>(*call, *gradients, checked), checked.threads);
        else
            checked.set.kernels->backward_float(backward_of<float>(*call, *gradients, checked), checked.threads);
    });
}

penstock_status penstock_step(const penstock_packed* packed, const penstock_array* x, const penstock_array* h,
                              const penstock_array* out, int threads) {
    penstock_call call = {};
    const penstock_status status = guarded([&] {
        if (!packed || !x || !h || !out) refuse(PENSTOCK_BAD_VALUE, "packed, x, h, out: expected pointers, got null");
        const int32_t dtype = packed->precision == Precision::float64 ? PENSTOCK_FLOAT64 : PENSTOCK_FLOAT32;
        expect_plain("x", *x, {{"N", -1}, {"D", packed->shape.D}}, dtype, as_weights);
        const Axis N{"N", x->shape[0]}, H{"H", packed->shape.H};
        expect_plain("h", *h, {N, H}, dtype, as_weights);
        expect_plain("out", *out, {N, H}, dtype, as_weights);
        const auto one_step = [](const penstock_array& rows) {
            return penstock_array{
                rows.data, rows.dtype, 3, {1, rows.shape[0], rows.shape[1]}, {0, rows.strides[0], rows.strides[1]}};
        };
        call.set = &packed->set;
        call.form = packed->shape.after ? PENSTOCK_RESET_AFTER : PENSTOCK_RESET_BEFORE;
        call.threads = threads;
        call.packed = packed;
        call.x = one_step(*x);
        call.h_0 = *h;
        call.output = one_step(*out);
        call.h_n = *out;
    });
    return status == PENSTOCK_OK ? penstock_forward(&call) : status;
}

penstock_status penstock_pack_output(const penstock_set* set, const penstock_array* weight, const penstock_array* bias,
                                     penstock_output** output) {
    return guarded([&] {
        if (!weight || !bias || !output)
            refuse(PENSTOCK_BAD_VALUE, "weight, bias, output: expected pointers, got null");
        const InstructionSet& chosen = usable(set);
        expect_plain("weight", *weight, {{"V", -1}, {"H", -1}}, PENSTOCK_FLOAT32);
        const OutputShape shape = {weight->shape[1], weight->shape[0]};
        if (shape.V < 1 || shape.H < 1 || shape.V > (int64_t(1) << 40) || shape.H > (int64_t(1) << 30))
            expect_shape("weight", penstock_array{nullptr, 0, 2, {shape.V, shape.H}, {}}, {{"V", 1}, {"H", 1}});
        expect_plain("bias", *bias, {{"V", shape.V}}, PENSTOCK_FLOAT32);
        auto made = std::unique_ptr<penstock_output>(
            new penstock_output{chosen, shape, aligned(chosen.kernels->packed_output_size(shape))});
        chosen.kernels->pack_output(shape, data<const float>(*weight), data<const float>(*bias), made->memory.get());
        *output = made.release();
    });
}

void penstock_free_output(penstock_output* output) { delete output; }

namespace {

void score(const penstock_output& output, const penstock_array& hidden, int threads, Scoring call) {
    call.shape = output.shape;
    call.packed = output.memory.get();
    call.rows = hidden.shape[0];
    call.hidden = data<const float>(hidden);
    output.set.kernels->score(
        call, threads_for(double(call.rows) * double(output.shape.H) * double(output.shape.V), threads));
}

}  // namespace

penstock_status penstock_score(const penstock_output* output, const penstock_array* hidden,
                               const penstock_array* tokens, const penstock_array* nats, int threads) {
    return guarded([&] {
        if (!output || !hidden || !tokens || !nats)
            refuse(PENSTOCK_BAD_VALUE, "output, hidden, tokens, nats: expected pointers, got null");
        const auto [H, V] = output->shape;
        expect_plain("hidden", *hidden, {{"rows", -1}, {"H", H}}, PENSTOCK_FLOAT32);
        const int64_t rows = hidden->shape[0];
        expect_plain("tokens", *tokens, {{"rows", rows}}, PENSTOCK_INT64);
        expect_plain("nats", *nats, {{"rows", rows}}, PENSTOCK_FLOAT64);
        for (int64_t row = 0; row < rows; ++row)
            if (const int64_t token = data<const int64_t>(*tokens)[row]; token < 0 || token >= V)
                refuse(PENSTOCK_BAD_VALUE,
                       "tokens: expected 0 … V − 1=" + std::to_string(V - 1) + ", got " + std::to_string(token));
        expect_own_places({extent_of("nats", *nats)}, {extent_of("hidden", *hidden), extent_of("tokens", *tokens)});
        score(*output, *hidden, threads,
              {{}, nullptr, 0, nullptr, data<const int64_t>(*tokens), data<double>(*nats), nullptr, nullptr});
    });
}

namespace {

// Of each row a number for each token, in the field of the call that is named.
penstock_status of_tokens(const char* name, float* Scoring::*field, const penstock_output* output,
                          const penstock_array* hidden, const penstock_array* to, int threads) {
    return guarded([&] {
        if (!output || !hidden || !to)
            refuse(PENSTOCK_BAD_VALUE, std::string("output, hidden, ") + name + ": expected pointers, got null");
        expect_plain("hidden", *hidden, {{"rows", -1}, {"H", output->shape.H}}, PENSTOCK_FLOAT32);
        expect_plain(name, *to, {{"rows", hidden->shape[0]}, {"V", output->shape.V}}, PENSTOCK_FLOAT32);
        expect_own_places({extent_of(name, *to)}, {extent_of("hidden", *hidden)});
        Scoring call = {};
        call.*field = data<float>(*to);
        score(*output, *hidden, threads, call);
    });
}

}  // namespace

penstock_status penstock_logits(const penstock_output* output, const penstock_array* hidden,
                                const penstock_array* logits, int threads) {
    return of_tokens("logits", &Scoring::logits, output, hidden, logits, threads);
}

penstock_status penstock_log_probabilities(const penstock_output* output, const penstock_array* hidden,
                                           const penstock_array* log_probabilities, int threads) {
    return of_tokens("log_probabilities", &Scoring::log_probabilities, output, hidden, log_probabilities, threads);
}

void penstock_borrow_threads(penstock_omp_parallel parallel, int (*thread_num)(), int (*num_threads)()) {
    borrow_threads(parallel, thread_num, num_threads);
}

int penstock_threads_are_borrowed() { return threads_are_borrowed(); }

int64_t penstock_set_grain(int64_t multiply_adds) { return grain.exchange(std::max<int64_t>(multiply_adds, 1)); }

double penstock_peak(const penstock_set* set, int32_t dtype, int threads) {
    double rate = 0;
    guarded([&] {
        const Kernels& kernels = *usable(set).kernels;
        rate = dtype == PENSTOCK_FLOAT64 ? kernels.peak_double(checked_threads(threads))
                                         : kernels.peak_float(checked_threads(threads));
    });
    return rate;
}

double penstock_read_bandwidth(const penstock_set* set, int threads, size_t bytes) {
    double rate = 0;
    guarded([&] { rate = usable(set).kernels->read_bandwidth(checked_threads(threads), bytes); });
    return rate;
}

double penstock_barrier_wait(const penstock_set* set, int threads) {
    double seconds = 0;
    guarded([&] { seconds = usable(set).kernels->barrier_wait(checked_threads(threads)); });
    return seconds;
}
