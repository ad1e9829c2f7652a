#include "team.hpp"

#if !defined(_WIN32)
#include <pthread.h>
#include <unistd.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace penstock {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// What a member that is merely a little behind may take; below it nobody is late. Even an idle machine takes a core
// away for some tenths of a millisecond, several times a second.
constexpr auto patience = microseconds(500);
// After that long a waiting thread sleeps.
constexpr auto attention = milliseconds(1);

// Spins that take some 20 to 60 µs.
constexpr int many_spins = 1 << 10;

void pause() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("isb");
#endif
}

// How many members of a team come in time. After a call in which somebody was late, fewer are taken for a while, twice
// as long each time that more turn out to be too many again.
class Crowd {
public:
    int most(int asked) const {
        return now() < until_.load(std::memory_order_relaxed) ? std::min(asked, most_.load(std::memory_order_relaxed))
                                                              : asked;
    }

    void was_late(int in_time) {
        const int64_t away = std::min(2 * away_.load(std::memory_order_relaxed), longest);
        away_.store(away, std::memory_order_relaxed);
        most_.store(std::max(in_time, 1), std::memory_order_relaxed);
        late_.store(now(), std::memory_order_relaxed);
        until_.store(now() + away, std::memory_order_relaxed);
    }

    // At the end of a call: unless somebody was late in its midst.
    void all_came(Clock::time_point begin) {
        if (late_.load(std::memory_order_relaxed) >= begin.time_since_epoch().count()) return;
        const int64_t away = away_.load(std::memory_order_relaxed);
        if (away > shortest) away_.store(std::max(away / 2, shortest), std::memory_order_relaxed);
    }

private:
    static constexpr int64_t shortest = nanoseconds(milliseconds(5)).count(),
                             longest = nanoseconds(milliseconds(640)).count();
    static int64_t now() { return Clock::now().time_since_epoch().count(); }

    std::atomic<int64_t> until_{0}, late_{0}, away_{shortest};
    std::atomic<int> most_{1};
} crowd;

}  // namespace

void Meeting::await(uint32_t phase, int others) {
    for (int spins = 0; spins < many_spins; ++spins) {
        if (phase_.load(std::memory_order_acquire) != phase) return;
        pause();
    }
    // A member costs more than it brings once the others have waited half as long as they have worked.
    const auto since = Clock::now();
    const auto waits = nanoseconds(waited_.load(std::memory_order_relaxed));
    const auto late = std::max<Clock::duration>(patience, (since - begun_ - waits) / 2) - waits;
    while (phase_.load(std::memory_order_acquire) == phase) {
        const auto waited = Clock::now() - since;
        if (waited > late) waited_long_.store(true, std::memory_order_relaxed);
        if (waited < attention) {
            std::this_thread::yield();
            continue;
        }
        asleep_.fetch_add(1, std::memory_order_seq_cst);
        phase_.wait(phase, std::memory_order_seq_cst);
        asleep_.fetch_sub(1, std::memory_order_seq_cst);
    }
    waited_.fetch_add(nanoseconds(Clock::now() - since).count() / others, std::memory_order_relaxed);
}

bool Meeting::wait(Seat& seat, bool others_can) {
    if (seat.members == 1) return true;
    const uint32_t phase = phase_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == uint32_t(seat.members)) {
        const bool goes = others_can && waited_long_.exchange(false, std::memory_order_relaxed);
        left_ = goes ? seat.member : -1;
        arrived_.store(0, std::memory_order_relaxed);
        phase_.store(phase + 1, std::memory_order_seq_cst);
        if (asleep_.load(std::memory_order_seq_cst)) phase_.notify_all();
        if (goes) crowd.was_late(seat.members - 1);
        return !goes;
    }
    await(phase, seat.members - 1);
    if (left_ >= 0) {
        if (seat.member == seat.members - 1) seat.member = left_;
        --seat.members;
    }
    return true;
}

namespace {

// Waits for work: spinning for a while, as the next call often follows at once, then asleep.
class Worker {
public:
    explicit Worker(int member) : member_(member) {
        std::thread([this] { serve(); }).detach();
    }

    void give(Work work, void* data, int members) {
        work_ = work;
        data_ = data;
        members_ = members;
        given_.fetch_add(1, std::memory_order_seq_cst);
        if (asleep_.load(std::memory_order_seq_cst)) given_.notify_one();
    }

    void wait_until_done() const {
        const uint32_t given = given_.load(std::memory_order_relaxed);
        for (int spins = 0; done_.load(std::memory_order_acquire) != given; ++spins) {
            if (spins < many_spins)
                pause();
            else
                std::this_thread::yield();
        }
    }

private:
    [[noreturn]] void serve() {
        for (uint32_t round = 0;; done_.store(round, std::memory_order_release)) {
            await(round++);
            work_(data_, member_, members_);
        }
    }

    // Until more than `round` pieces of work were given.
    void await(uint32_t round) {
        const auto until = Clock::now() + microseconds(100);
        for (int spins = 1; given_.load(std::memory_order_acquire) == round; ++spins) {
            pause();
            if (spins % 64 == 0 && Clock::now() > until) {
                asleep_.store(true, std::memory_order_seq_cst);
                given_.wait(round, std::memory_order_seq_cst);
                asleep_.store(false, std::memory_order_seq_cst);
            }
        }
    }

    const int member_;
    Work work_ = nullptr;
    void* data_ = nullptr;
    int members_ = 0;
    alignas(64) std::atomic<uint32_t> given_{0};
    std::atomic<bool> asleep_{false};
    alignas(64) std::atomic<uint32_t> done_{0};
};

class Pool {
public:
    // False if another thread has the pool.
    bool run(int members, Work work, void* data) {
        if (busy_.test_and_set(std::memory_order_acquire)) return false;
        members = std::min(members, hire(members - 1) + 1);
        for (int k = 1; k < members; ++k) workers_[k - 1]->give(work, data, members);
        work(data, 0, members);
        for (int k = 1; k < members; ++k) workers_[k - 1]->wait_until_done();
        busy_.clear(std::memory_order_release);
        return true;
    }

private:
    // How many workers there are, at best as many as wanted: the system may have no more threads, or no memory for
    // them.
    int hire(int wanted) {
        try {
            while (int(workers_.size()) < wanted) {
                workers_.reserve(workers_.size() + 1);
                workers_.push_back(std::make_unique<Worker>(int(workers_.size()) + 1));
            }
        } catch (const std::system_error&) {
        } catch (const std::bad_alloc&) {
        }
        return int(workers_.size());
    }

    std::atomic_flag busy_;
    std::vector<std::unique_ptr<Worker>> workers_;
};

std::atomic<Pool*> the_pool{nullptr};
OmpParallel omp_parallel = nullptr;
int (*omp_thread_num)() = nullptr;
int (*omp_num_threads)() = nullptr;

#if !defined(_WIN32)
// A forked child has none of its parent's threads, neither ours nor an OpenMP runtime's: it begins anew.
void forget_threads() {
    the_pool.store(nullptr);
    omp_parallel = nullptr;
}
#endif

Pool& pool() {
#if !defined(_WIN32)
    static const int registered = pthread_atfork(nullptr, nullptr, forget_threads);
    (void)registered;
#endif
    Pool* pool = the_pool.load();
    if (!pool) {
        auto* fresh = new Pool;  // never deleted: its workers outlive every destructor
        if (the_pool.compare_exchange_strong(pool, fresh))
            pool = fresh;
        else
            delete fresh;
    }
    return *pool;
}

// A piece of work, and when the caller's own part of it was done.
struct Job {
    Work work;
    void* data;
    int members = 1;
    Clock::time_point done = {};

    void run(int member, int of) {
        work(data, member, of);
        if (member != 0) return;
        members = of;
        done = Clock::now();
    }
};

void omp_member(void* job) { static_cast<Job*>(job)->run(omp_thread_num(), omp_num_threads()); }
void own_member(void* job, int member, int members) { static_cast<Job*>(job)->run(member, members); }

}  // namespace

void run_together(int members, Work work, void* data) {
    if (members > 1) members = crowd.most(members);
    if (members <= 1) return work(data, 0, 1);
    Job job{work, data};
    const auto begin = Clock::now();
    if (omp_parallel)
        omp_parallel(omp_member, &job, unsigned(members), 0);
    else if (!pool().run(members, own_member, &job))
        return work(data, 0, 1);
    if (job.members == 1) return;
    const auto end = Clock::now();
    if (end - job.done > std::max<Clock::duration>(patience, (end - begin) / 3))
        crowd.was_late(job.members - 1);
    else
        crowd.all_came(begin);
}

void borrow_threads(OmpParallel parallel, int (*thread_num)(), int (*num_threads)()) {
    pool();  // registers what a fork must do
    omp_thread_num = thread_num;
    omp_num_threads = num_threads;
    omp_parallel = parallel;
}

bool threads_are_borrowed() { return omp_parallel != nullptr; }

int cores() {
    static const int found = [] {
#if defined(__linux__)
        cpu_set_t set;
        if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(CPU_COUNT(&set), 1);
#endif
        return std::max(int(std::thread::hardware_concurrency()), 1);
    }();
    return found;
}

int64_t second_level_cache() {
    static const int64_t found = [] {
        constexpr int64_t usual = 512 << 10;
#if defined(_SC_LEVEL2_CACHE_SIZE)
        return std::max<int64_t>(sysconf(_SC_LEVEL2_CACHE_SIZE), usual);
#else
        return usual;
#endif
    }();
    return found;
}

void* allocate(size_t bytes) { return ::operator new(bytes, std::align_val_t(64), std::nothrow); }
void release(void* memory) { ::operator delete(memory, std::align_val_t(64)); }

namespace {

struct Kept {
    void* memory = nullptr;
    size_t size = 0;

    ~Kept() { release(memory); }
};

thread_local Kept kept;
constexpr size_t worth_keeping = 32 << 20;

}  // namespace

Scratch::Scratch(size_t bytes) {
    if (bytes > kept.size) {
        release(kept.memory);
        kept = {};
        const size_t wanted = (bytes + bytes / 4 + 4095) / 4096 * 4096;
        kept.memory = allocate(wanted);
        if (!kept.memory) throw std::bad_alloc();
        kept.size = wanted;
    }
    memory_ = kept.memory;
}

Scratch::~Scratch() {
    if (kept.size <= worth_keeping) return;
    release(kept.memory);
    kept = {};
}

}  // namespace penstock
