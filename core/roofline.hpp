// What this machine can do at best: multiply-adds in registers, reads from each level of memory, meeting at a barrier.
// Every figure is the best of many rounds: whatever else runs here can only make one slower.
#pragma once

#include <chrono>
#include <memory>
#include <new>

#include "simd.hpp"
#include "team.hpp"

namespace penstock {
namespace {

struct Fastest {
    double seconds;
    int members;
};

// The fastest round of a team, from when all begin until all are done. `make(meeting, member, members)` makes a
// member's own work, on its own thread so that the memory it touches first lies near it; a round calls it once.
template <class Make>
Fastest fastest_round(int threads, int rounds, Make make) {
    using Clock = std::chrono::steady_clock;
    struct Team {
        Make& make;
        int rounds;
        Fastest fastest;
        Meeting meeting;

        void run(int member, int members) {
            const auto work = make(meeting, member, members);
            Meeting::Seat seat{member, members};
            for (int round = 0; round < rounds; ++round) {
                meeting.wait(seat);
                const auto begin = Clock::now();
                work();
                meeting.wait(seat);
                const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
                if (member == 0 && (round == 0 || seconds < fastest.seconds)) fastest = {seconds, members};
            }
        }
    } team{make, rounds, {}, {}};
    run_together(
        threads, [](void* data, int member, int members) { static_cast<Team*>(data)->run(member, members); }, &team);
    return team.fastest;
}

// The compiler must know nothing of the value, and compute it.
template <class V>
inline void opaque(V& value) {
    asm volatile("" : "+m"(value) : : "memory");
}

template <class T, int n>
inline void use(const Vec<T> (&values)[n]) {
    Vec<T> sum = values[0];
    for (int k = 1; k < n; ++k) sum += values[k];
    opaque(sum);
}

// Floating-point operations a second of all threads together, a multiply-add being two.
template <class T>
double peak(int threads) {
    constexpr int chains = vector_registers == 32 ? 24 : 12;  // enough to hide the latency
    constexpr int steps = 1 << 16;
    const auto work = [] {
        Vec<T> factor = broadcast(T(0.5)), term = broadcast(T(1)), sum[chains] = {};
        opaque(factor);
        opaque(term);
        for (int k = 0; k < steps; ++k)
#pragma GCC unroll 32
            for (int c = 0; c < chains; ++c) sum[c] = fma(sum[c], factor, term);
        use<T>(sum);
    };
    const Fastest fastest = fastest_round(threads, 50, [&](Meeting&, int, int) { return work; });
    return 2.0 * chains * lanes<T> * steps * fastest.members / fastest.seconds;
}

// Bytes a second that all threads together read, each again and again from `bytes` of its own.
double read_bandwidth(int threads, size_t bytes) {
    constexpr int vectors = 8;
    constexpr size_t stride = vectors * lanes<int64_t>, a_round = 32 << 20;
    const size_t size = (bytes / sizeof(int64_t) / stride + 1) * stride, passes = a_round / (bytes + 1) + 1;
    struct Free {
        void operator()(int64_t* p) const { ::operator delete[](p, std::align_val_t(64)); }
    };
    const std::unique_ptr<int64_t[], Free> memory(new (std::align_val_t(64)) int64_t[size * size_t(threads)]);
    const Fastest fastest = fastest_round(threads, 40, [&](Meeting&, int member, int) {
        const int64_t* own = memory.get() + size_t(member) * size;
        for (size_t k = 0; k < size; ++k) memory[size_t(member) * size + k] = int64_t(k);
        return [own, size, passes] {
            Vec<int64_t> sum[vectors] = {};
            for (size_t pass = 0; pass < passes; ++pass) {
                const int64_t* p = own;
                opaque(p);  // read again, not remembered
                for (const int64_t* end = p + size; p != end; p += stride)
#pragma GCC unroll 8
                    for (int v = 0; v < vectors; ++v) sum[v] += load(p + v * lanes<int64_t>);
            }
            use<int64_t>(sum);
        };
    });
    return double(size * sizeof(int64_t)) * double(passes) * fastest.members / fastest.seconds;
}

// Seconds that one wait at the barrier takes threads that come to it together.
double barrier_wait(int threads) {
    constexpr int waits = 4096;
    const Fastest fastest = fastest_round(threads, 20, [](Meeting& meeting, int member, int members) {
        return [&meeting, member, members] {
            Meeting::Seat seat{member, members};
            for (int k = 0; k < waits; ++k) meeting.wait(seat);
        };
    });
    return fastest.seconds / waits;
}

}  // namespace
}  // namespace penstock
