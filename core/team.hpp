// Threads: a team that runs one piece of work together, and how its members meet.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace penstock {

using Work = void (*)(void* data, int member, int members);

// Runs work(data, member, members) on at most `members` threads, the caller being one of them, and returns when all
// are done. `members` as the work sees it may be fewer than asked for; it must compute the same. Where threads of ours
// were late in the last calls, since the cores had other work, fewer are taken for a while.
void run_together(int members, Work work, void* data);

// Lets the teams be those of an OpenMP runtime that is in this process already: libgomp's GOMP_parallel,
// omp_get_thread_num and omp_get_num_threads. Two sets of spinning threads on the same cores would hold each other up.
using OmpParallel = void (*)(void (*)(void*), void*, unsigned, unsigned);
void borrow_threads(OmpParallel parallel, int (*thread_num)(), int (*num_threads)());
bool threads_are_borrowed();

// Cores that this process may run on.
int cores();

// Bytes of a core's second-level cache.
int64_t second_level_cache();

// Memory on a cache line's boundary, or null; and its end.
void* allocate(size_t bytes);
void release(void* memory);

// Memory of the calling thread for one call, 64-byte aligned. Up to some megabytes are kept for the next call, since
// the pages of a fresh allocation cost more than a short call computes; the rest goes back. Throws std::bad_alloc.
class Scratch {
public:
    explicit Scratch(size_t bytes);
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    void* memory() const { return memory_; }

private:
    void* memory_;
};

// Where the members of a team meet, step by step: a barrier that spins, about 0.1 µs between two cores that both do.
// When the system has taken a member's core away, the others would wait for it for milliseconds at every step. So the
// one for whom they had to wait long is left out as soon as it is back, and the rest share its work from there on.
class alignas(64) Meeting {
public:
    // A member's place among those who are there.
    struct Seat {
        int member, members;
    };

    // Starts the clock by which a member is late; without it, nobody is.
    void begin() { begun_ = Clock::now(); }

    // Waits until all are there. False: this member was late and has to go; it must not come again. Others may find
    // another seat, and fewer members. Nobody is sent away where `others_can` is false.
    bool wait(Seat& seat, bool others_can = false);

private:
    using Clock = std::chrono::steady_clock;
    void await(uint32_t phase, int others);

    Clock::time_point begun_{};
    std::atomic<int64_t> waited_{0};  // of the time since then, in long waits; the mean of those who waited
    std::atomic<uint32_t> arrived_{0};
    std::atomic<bool> waited_long_{false};
    int left_ = -1;  // the seat that became empty at the last meeting
    alignas(64) std::atomic<uint32_t> phase_{0};
    std::atomic<int> asleep_{0};
};

}  // namespace penstock
