#include "team.hpp"

#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace penstock {

void Barrier::spin(int spins) {
    constexpr int patience = 1 << 10;
    if (spins >= patience) {
        sched_yield();
        return;
    }
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("isb");
#endif
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
        for (int spins = 0; done_.load(std::memory_order_acquire) != given; ++spins) Barrier::spin(spins);
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
        using Clock = std::chrono::steady_clock;
        const auto until = Clock::now() + std::chrono::microseconds(100);
        for (int spins = 1; given_.load(std::memory_order_acquire) == round; ++spins) {
            Barrier::spin(0);
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
        std::unique_lock lock(busy_, std::try_to_lock);
        if (!lock) return false;
        while (int(workers_.size()) < members - 1) workers_.push_back(std::make_unique<Worker>(workers_.size() + 1));
        for (int k = 1; k < members; ++k) workers_[k - 1]->give(work, data, members);
        work(data, 0, members);
        for (int k = 1; k < members; ++k) workers_[k - 1]->wait_until_done();
        return true;
    }

private:
    std::mutex busy_;
    std::vector<std::unique_ptr<Worker>> workers_;
};

std::atomic<Pool*> the_pool{nullptr};
OmpParallel omp_parallel = nullptr;
int (*omp_thread_num)() = nullptr;
int (*omp_num_threads)() = nullptr;

// A forked child has none of its parent's threads, neither ours nor an OpenMP runtime's: it begins anew.
void forget_threads() {
    the_pool.store(nullptr);
    omp_parallel = nullptr;
}

Pool& pool() {
    static const int registered = pthread_atfork(nullptr, nullptr, forget_threads);
    (void)registered;
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

struct Job {
    Work work;
    void* data;
};

void omp_member(void* data) {
    const Job& job = *static_cast<Job*>(data);
    job.work(job.data, omp_thread_num(), omp_num_threads());
}

}  // namespace

void run_together(int members, Work work, void* data) {
    if (members > 1 && omp_parallel) {
        Job job{work, data};
        omp_parallel(omp_member, &job, unsigned(members), 0);
    } else if (members <= 1 || !pool().run(members, work, data)) {
        work(data, 0, 1);
    }
}

void borrow_threads(OmpParallel parallel, int (*thread_num)(), int (*num_threads)()) {
    pool();  // registers what a fork must do
    omp_thread_num = thread_num;
    omp_num_threads = num_threads;
    omp_parallel = parallel;
}

bool threads_are_borrowed() { return omp_parallel != nullptr; }

void* scratch(size_t bytes) {
    struct Free {
        void operator()(void* p) const { std::free(p); }
    };
    thread_local std::unique_ptr<void, Free> memory;
    thread_local size_t size = 0;
    if (bytes > size) {
        memory.reset();
        size = 0;
        const size_t wanted = (bytes + bytes / 4 + 4095) / 4096 * 4096;
        memory.reset(std::aligned_alloc(64, wanted));
        if (!memory) throw std::bad_alloc();
        size = wanted;
    }
    return memory.get();
}

}  // namespace penstock
