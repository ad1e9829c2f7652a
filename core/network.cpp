// Behind penstock.h: steps of whole networks, and drawing tokens.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "door.hpp"

using namespace penstock;

struct penstock_network {
    const InstructionSet& set;
    std::vector<NetworkLayer> layers;
    bool residual;
    penstock_answer answer;
    const float* embedding;  // null: none
    int64_t tokens;          // that have a row of it
    int32_t dtype;           // of the layers
    const penstock_output* output;
    double multiply_adds;    // of one stream's step
    int64_t step_bytes = 0;  // that the kernels take for it; for N streams N times as many are enough
    int64_t drawing_bytes = 0;

    int64_t D() const { return layers.front().shape.D; }
    int64_t H() const { return layers.front().shape.H; }
};

namespace {

// Streams that one thread takes through a step at once; more go layer by layer, as sequences of one step.
constexpr int64_t few = 16;

constexpr double coldest = 1e-200;  // a lower temperature draws as this one does, and here nothing overflows

// Some pieces of memory one after the other, each where a cache line begins.
class Pieces {
public:
    explicit Pieces(void* memory = nullptr) : begin_(static_cast<char*>(memory)) {}

    void* take(int64_t bytes) {
        char* const at = begin_ ? begin_ + used_ : nullptr;
        used_ += (bytes + 63) / 64 * 64;
        return at;
    }

    int64_t used() const { return used_; }

private:
    char* begin_;
    int64_t used_ = 0;
};

// A step, and where it works.
struct StepWork {
    int64_t N;
    const penstock_network& of;
    void *x = nullptr, *top = nullptr, *step = nullptr;  // rows of an embedding; what the last layer hands on
    void *logits = nullptr, *drawing = nullptr;          // for a token to be drawn

    StepWork(const penstock_network& network, int64_t rows, Pieces& pieces) : N(rows), of(network) {
        const int64_t item = int64_t(size_of(network.dtype));
        x = network.embedding && N > 1 ? pieces.take(N * network.D() * item) : nullptr;
        top = pieces.take(N * network.H() * item);
        step = N <= few ? pieces.take(N * network.step_bytes) : nullptr;
        logits = network.output ? pieces.take(N * network.output->shape.V * item) : nullptr;
        drawing = network.output ? pieces.take(network.drawing_bytes) : nullptr;
    }

    template <class T>
    NetworkStep<T> bare() const {
        NetworkStep<T> call = {};
        call.layers = of.layers.data();
        call.K = int64_t(of.layers.size());
        call.residual = of.residual;
        call.N = N;
        call.top = static_cast<T*>(top);
        call.memory = step;
        if (of.output) {
            call.output = of.output->shape;
            call.packed_output = of.output->memory.get();
        }
        return call;
    }
};

// Whether an array is what it should be, without a word: nearly all are. N rows are no more than memory has.
template <size_t axes>
bool fits(const penstock_array& array, int32_t dtype, const int64_t (&sizes)[axes]) {
    int64_t stride = 1;
    for (int k = int(axes) - 1; k >= 0; --k) {
        if (array.shape[k] != sizes[k] || (sizes[k] != 1 && array.strides[k] != stride)) return false;
        stride *= sizes[k];
    }
    return array.dtype == dtype && array.ndim == int32_t(axes) && array.data && stride > 0 &&
           reinterpret_cast<uintptr_t>(array.data) % size_of(dtype) == 0;
}

template <size_t axes>
void expect(const char* name, const penstock_array& array, const char* const (&letters)[axes],
            const int64_t (&sizes)[axes], int32_t dtype, const char* as = nullptr) {
    if (fits(array, dtype, sizes)) return;
    if constexpr (axes == 1)
        expect_plain(name, array, {{letters[0], sizes[0]}}, dtype, as);
    else if constexpr (axes == 2)
        expect_plain(name, array, {{letters[0], sizes[0]}, {letters[1], sizes[1]}}, dtype, as);
    else
        expect_plain(name, array, {{letters[0], sizes[0]}, {letters[1], sizes[1]}, {letters[2], sizes[2]}}, dtype, as);
}

// How many streams a step has, by its x. The product of sizes stays countable.
int64_t checked_rows(const penstock_network& network, const penstock_array& x) {
    const int64_t N = x.ndim > 0 ? x.shape[0] : 0;
    if (N < 0 || double(N) * double(network.H() + network.D() + 256) * double(network.layers.size()) > 0x1p50 ||
        (network.output && double(N) * double(network.output->shape.V) > 0x1p50))
        refuse(PENSTOCK_BAD_VALUE, "x: " + std::to_string(N) + " rows are more than memory can hold");
    if (!network.embedding) {
        expect("x", x, {"N", "D"}, {N, network.D()}, network.dtype, as_weights);
        return N;
    }
    expect("x", x, {"N"}, {N}, PENSTOCK_INT64);
    for (int64_t n = 0; n < N; ++n)
        if (const int64_t token = data<const int64_t>(x)[n]; token < 0 || token >= network.tokens)
            refuse(PENSTOCK_BAD_VALUE,
                   "token: expected 0 … V − 1=" + std::to_string(network.tokens - 1) + ", got " + std::to_string(token));
    return N;
}

void check_state(const penstock_network& network, const penstock_array& state, int64_t N) {
    expect("state", state, {"K", "N", "H"}, {int64_t(network.layers.size()), N, network.H()}, network.dtype,
           as_weights);
}

// Rows of x as the layers read them.
template <class T>
const T* read(const StepWork& work, const penstock_array& x) {
    const penstock_network& network = work.of;
    if (!network.embedding) return data<const T>(x);
    if constexpr (std::is_same_v<T, float>) {
        const int64_t* tokens = data<const int64_t>(x);
        const int64_t D = network.D();
        if (work.N == 1) return network.embedding + *tokens * D;
        float* const rows = static_cast<float*>(work.x);
        for (int64_t n = 0; n < work.N; ++n)
            std::copy_n(network.embedding + tokens[n] * D, D, rows + n * D);
        return rows;
    }
    return nullptr;
}

// Many streams, or many threads: layer by layer, as sequences of one step.
template <class T>
void step_widely(const StepWork& work, const NetworkStep<T>& call, int threads) {
    const penstock_network& network = work.of;
    const int64_t N = work.N, H = network.H(), rows = N * H;
    const T* x = call.x;
    for (int64_t k = 0; k < call.K; ++k) {
        const NetworkLayer& layer = call.layers[k];
        T* const state = call.state + k * rows;
        Forward<T> forward = {};
        forward.shape = layer.shape;
        forward.sequences = {1, N, nullptr, nullptr, 0, 0, false};
        forward.packed = layer.packed;
        forward.precision = layer.precision;
        forward.x = {x, 0, layer.shape.D};
        forward.h_0 = forward.h_n = state;
        forward.output = {state, 0, H};
        if constexpr (std::is_same_v<T, double>)
            network.set.kernels->forward_double(forward, threads);
        else
            network.set.kernels->forward_float(forward, threads);
        if (k > 0 && call.residual) {
            for (int64_t j = 0; j < rows; ++j) call.top[j] = x[j] + state[j];
            x = call.top;
        } else {
            x = state;
        }
    }
    if (x != call.top) std::copy_n(x, rows, call.top);
    if constexpr (std::is_same_v<T, float>)
        if (call.packed_output)
            network.set.kernels->score({call.output, call.packed_output, N, call.top, nullptr, nullptr, call.logits,
                                        call.log_probabilities},
                                       threads);
}

// How many threads take a step layer by layer; 0: one takes all of it at once.
int team(const penstock_network& network, int64_t N, int threads) {
    const int members = threads_for(double(N) * network.multiply_adds, threads);
    return members > 1 || N > few ? members : 0;
}

template <class T>
void run(const StepWork& work, const penstock_array& x, const penstock_array& state, NetworkStep<T> call, int threads) {
    // Every other step begins with the weights that the one before has left in the caches.
    static thread_local bool backwards = false;
    if (work.N == 0) return;
    call.x = read<T>(work, x);
    call.state = data<T>(state);
    if (const int members = team(work.of, work.N, threads)) return step_widely(work, call, members);
    backwards = !backwards;
    if constexpr (std::is_same_v<T, double>)
        work.of.set.steps->step_double(call, backwards);
    else
        work.of.set.steps->step_float(call, backwards);
}

// Calls f with a step's work in the caller's memory, or in the calling thread's own, unless the kernels take that.
template <class F>
void with_work(const penstock_network& network, int64_t N, void* memory, size_t bytes, int threads, F f) {
    if (!memory) {
        Pieces counted;
        const StepWork counting(network, N, counted);
        if (team(network, N, threads)) {
            const Memory own = aligned(size_t(counted.used()));
            Pieces pieces(own.get());
            return f(StepWork(network, N, pieces));
        }
        const Scratch scratch(size_t(counted.used()));
        Pieces pieces(scratch.memory());
        return f(StepWork(network, N, pieces));
    }
    const auto at = reinterpret_cast<uintptr_t>(memory), begin = (at + 63) / 64 * 64;
    Pieces pieces(reinterpret_cast<void*>(begin));
    const StepWork work(network, N, pieces);
    if (begin - at + uintptr_t(pieces.used()) > bytes)
        refuse(PENSTOCK_BAD_VALUE, "memory: expected " + std::to_string(pieces.used() + 63) +
                                       " bytes, as penstock_step_memory says, got " + std::to_string(bytes));
    f(work);
}

Extent extent_of_memory(void* memory, size_t bytes) {
    const auto at = reinterpret_cast<uintptr_t>(memory);
    return {"memory", at, memory ? at + bytes : at};
}

Sampling checked_sampling(const penstock_sampling& sampling, int64_t V) {
    const auto expected = [](const char* name, const char* what, double got) {
        refuse(PENSTOCK_BAD_VALUE, std::string(name) + ": expected " + what + ", got " + std::to_string(got));
    };
    if (!(sampling.temperature >= 0) || !std::isfinite(sampling.temperature))
        expected("temperature", "0 or more", sampling.temperature);
    if (sampling.top_k < 1) expected("top_k", "1 or more", double(sampling.top_k));
    if (!(sampling.top_p > 0)) expected("top_p", "more than 0 and at most 1", sampling.top_p);
    if (sampling.never < -1 || sampling.never >= V) expected("never", "-1 or a token", double(sampling.never));
    const double temperature = sampling.temperature;
    return {temperature == 0 ? 0 : std::max(temperature, coldest), sampling.top_k, sampling.top_p, sampling.never};
}

void check_drawn(const penstock_array& random, const penstock_array& tokens, int64_t rows) {
    expect("random", random, {"rows"}, {rows}, PENSTOCK_FLOAT64);
    for (int64_t n = 0; n < rows; ++n)
        if (const double one = data<const double>(random)[n]; !(one >= 0 && one < 1))
            refuse(PENSTOCK_BAD_VALUE, "random: expected 0 … 1, without 1, got " + std::to_string(one));
    expect("tokens", tokens, {"rows"}, {rows}, PENSTOCK_INT64);
}

}  // namespace

penstock_status penstock_sample(const penstock_set* set, const penstock_array* logits, const penstock_sampling* sampling,
                                const penstock_array* random, const penstock_array* tokens) {
    return guarded([&] {
        if (!logits || !sampling || !random || !tokens)
            refuse(PENSTOCK_BAD_VALUE, "logits, sampling, random, tokens: expected pointers, got null");
        const StepKernels& steps = *usable(set).steps;
        expect_plain("logits", *logits, {{"rows", -1}, {"V", -1}}, PENSTOCK_FLOAT32);
        const int64_t rows = logits->shape[0], V = logits->shape[1];
        if (V < 1) refuse(PENSTOCK_BAD_VALUE, "logits: expected V of 1 or more, got 0");
        const Sampling how = checked_sampling(*sampling, V);
        check_drawn(*random, *tokens, rows);
        expect_own_places({extent_of("tokens", *tokens)}, {extent_of("logits", *logits), extent_of("random", *random)});
        const Scratch scratch(steps.sampling_memory(V));
        for (int64_t n = 0; n < rows; ++n)
            data<int64_t>(*tokens)[n] = steps.sample(data<const float>(*logits) + n * V, V, how,
                                                     data<const double>(*random)[n], scratch.memory());
    });
}

penstock_status penstock_make_network(const penstock_parts* parts, penstock_network** network) {
    return guarded([&] {
        if (!parts || !network) refuse(PENSTOCK_BAD_VALUE, "parts, network: expected pointers, got null");
        if (parts->count < 1 || !parts->layers)
            refuse(PENSTOCK_BAD_VALUE, "layers: expected 1 or more, got " + std::to_string(parts->count));
        for (int64_t k = 0; k < parts->count; ++k)
            if (!parts->layers[k]) refuse(PENSTOCK_BAD_VALUE, "layers: expected pointers, got null");
        const penstock_packed& first = *parts->layers[0];
        const auto dtype_of = [](const penstock_packed& layer) {
            return layer.precision == Precision::float64 ? PENSTOCK_FLOAT64 : PENSTOCK_FLOAT32;
        };
        const int64_t H = first.shape.H;
        const auto answer = penstock_answer(parts->answer);
        auto made = std::unique_ptr<penstock_network>(new penstock_network{
            first.set, {}, parts->residual != 0, answer, nullptr, 0, dtype_of(first), parts->output, 0});
        const auto expect_set = [&](const char* name, const InstructionSet& set) {
            if (&set != &first.set)
                refuse(PENSTOCK_BAD_VALUE, std::string(name) + ": expected weights packed for " + first.set.name +
                                               ", as the first layer's are, got " + set.name + "'s");
        };
        for (int64_t k = 0; k < parts->count; ++k) {
            const penstock_packed& layer = *parts->layers[k];
            const std::string name = "layers[" + std::to_string(k) + "]";
            expect_set(name.c_str(), layer.set);
            const auto [D, of_H, after] = layer.shape;
            if (of_H != H || (k > 0 && D != H))
                refuse(PENSTOCK_BAD_VALUE, name + ": expected D=H=" + std::to_string(H) + ", as the first layer has H, got D=" +
                                               std::to_string(D) + ", H=" + std::to_string(of_H));
            if (dtype_of(layer) != made->dtype)
                refuse(PENSTOCK_BAD_TYPE, name + ": expected weights of " + name_of(made->dtype) +
                                              ", as the first layer's are, got " + name_of(dtype_of(layer)));
            made->layers.push_back({layer.shape, layer.precision, layer.memory.get()});
            made->multiply_adds += 3 * double(H) * double(D + H);
        }
        if (given(parts->embedding)) {
            expect_plain("embedding", parts->embedding, {{"V", -1}, {"D", first.shape.D}}, PENSTOCK_FLOAT32);
            if (made->dtype != PENSTOCK_FLOAT32 || parts->embedding.shape[0] < 1 || first.shape.D < 1)
                refuse(PENSTOCK_BAD_VALUE, "embedding: expected rows of float32 for layers of float32");
            made->embedding = data<const float>(parts->embedding);
            made->tokens = parts->embedding.shape[0];
        }
        if (answer < PENSTOCK_STATES || answer > PENSTOCK_LOG_PROBABILITIES ||
            (answer == PENSTOCK_STATES) != (parts->output == nullptr))
            refuse(PENSTOCK_BAD_VALUE, "answer: expected states, or with an output layer logits or log-probabilities, got " +
                                           std::to_string(parts->answer));
        if (const penstock_output* output = parts->output) {
            expect_set("output", output->set);
            if (output->shape.H != H || made->dtype != PENSTOCK_FLOAT32)
                refuse(PENSTOCK_BAD_VALUE, "output: expected one of H=" + std::to_string(H) +
                                               " hidden units of float32, got H=" + std::to_string(output->shape.H));
            made->multiply_adds += double(H) * double(output->shape.V);
        }
        Pieces none;
        const StepWork one(*made, 1, none);
        const StepKernels& steps = *first.set.steps;
        made->step_bytes = int64_t(made->dtype == PENSTOCK_FLOAT64 ? steps.memory_double(one.bare<double>())
                                                                   : steps.memory_float(one.bare<float>()));
        if (parts->output) made->drawing_bytes = int64_t(steps.sampling_memory(parts->output->shape.V));
        *network = made.release();
    });
}

void penstock_free_network(penstock_network* network) { delete network; }

int64_t penstock_step_memory(const penstock_network* network, int64_t N) {
    if (!network || N < 0) return 0;
    Pieces counted;
    const StepWork counting(*network, N, counted);
    return counted.used() + 63;
}

penstock_status penstock_network_step(const penstock_network* network, const penstock_array* x,
                                      const penstock_array* state, const penstock_array* out, void* memory, size_t bytes,
                                      int threads) {
    return guarded([&] {
        if (!network || !x || !state || !out)
            refuse(PENSTOCK_BAD_VALUE, "network, x, state, out: expected pointers, got null");
        const int64_t N = checked_rows(*network, *x);
        check_state(*network, *state, N);
        const bool states = network->answer == PENSTOCK_STATES;
        expect("out", *out, {"N", states ? "H" : "V"}, {N, states ? network->H() : network->output->shape.V},
               network->dtype, as_weights);
        expect_own_places(
            {extent_of("out", *out), extent_of("state", *state), extent_of_memory(memory, bytes)},
            {extent_of("x", *x)});
        with_work(*network, N, memory, bytes, threads, [&](const StepWork& work) {
            const auto with = [&]<class T>(T) {
                NetworkStep<T> call = work.bare<T>();
                if (states) call.top = data<T>(*out);
                if (network->answer == PENSTOCK_LOGITS) call.logits = data<float>(*out);
                if (network->answer == PENSTOCK_LOG_PROBABILITIES) call.log_probabilities = data<float>(*out);
                run(work, *x, *state, call, threads);
            };
            network->dtype == PENSTOCK_FLOAT64 ? with(double()) : with(float());
        });
    });
}

penstock_status penstock_network_sample(const penstock_network* network, const penstock_array* x,
                                        const penstock_array* state, const penstock_sampling* sampling,
                                        const penstock_array* random, const penstock_array* tokens, void* memory,
                                        size_t bytes, int threads) {
    return guarded([&] {
        if (!network || !x || !state || !sampling || !random || !tokens)
            refuse(PENSTOCK_BAD_VALUE, "network, x, state, sampling, random, tokens: expected pointers, got null");
        if (!network->output) refuse(PENSTOCK_BAD_VALUE, "network: expected one with an output layer");
        const int64_t N = checked_rows(*network, *x), V = network->output->shape.V;
        check_state(*network, *state, N);
        const Sampling how = checked_sampling(*sampling, V);
        check_drawn(*random, *tokens, N);
        expect_own_places(
            {extent_of("tokens", *tokens), extent_of("state", *state), extent_of_memory(memory, bytes)},
            {extent_of("x", *x), extent_of("random", *random)});
        with_work(*network, N, memory, bytes, threads, [&](const StepWork& work) {
            NetworkStep<float> call = work.bare<float>();
            call.logits = static_cast<float*>(work.logits);
            run(work, *x, *state, call, threads);
            for (int64_t n = 0; n < N; ++n)
                data<int64_t>(*tokens)[n] = network->set.steps->sample(
                    call.logits + n * V, V, how, data<const double>(*random)[n], work.drawing);
        });
    });
}
