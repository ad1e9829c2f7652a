// Threads: a team that runs one piece of work together, and the barrier that its members meet at.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace penstock {

using Work = void (*)(void* data, int member, int members);

// Runs work(data, member, members) on at most `members` threads, the caller being one of them, and returns when all
// are done. `members` as the work sees it may be fewer than asked for; it must compute the same.
void run_together(int members, Work work, void* data);

// Lets the teams be those of an OpenMP runtime that is in this process already: libgomp's GOMP_parallel,
// omp_get_thread_num and omp_get_num_threads. Two sets of spinning threads on the same cores would hold each other up.
using OmpParallel = void (*)(void (*)(void*), void*, unsigned, unsigned);
void borrow_threads(OmpParallel parallel, int (*thread_num)(), int (*num_threads)());
bool threads_are_borrowed();

// Memory of the calling thread that lasts until its next call of this function; 64-byte aligned. Kept and grown, since
// the pages of a fresh allocation cost more than a short call computes. Throws std::bad_alloc.
void* scratch(size_t bytes);

// A spinning barrier: about 0.1 µs between two cores that both spin. Yields its core when the others are long away.
class alignas(64) Barrier {
public:
    void wait(int members) {
        if (members == 1) return;
        const uint32_t phase = phase_.load(std::memory_order_relaxed);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == uint32_t(members)) {
            arrived_.store(0, std::memory_order_relaxed);
            phase_.store(phase + 1, std::memory_order_release);
            return;
        }
        for (int spins = 0; phase_.load(std::memory_order_acquire) == phase; ++spins) spin(spins);
    }

    // Waits a moment; gives the core away after some thousand of them.
    static void spin(int spins);

private:
    std::atomic<uint32_t> arrived_{0};
    alignas(64) std::atomic<uint32_t> phase_{0};
};

}  // namespace penstock
