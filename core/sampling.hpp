// Drawing a token from logits, in float64: passes over all of them, and no sorting but of a few.
//
// What is kept of `top_k` and `top_p` are the largest, of equal ones the first. Tokens are told apart by how far their
// logit is below the largest one, in buckets of so many to a nat; the one bucket in which the limit falls is looked at
// closely.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "activations.hpp"
#include "gru.hpp"
#include "sequences.hpp"

namespace penstock {
namespace {

class Drawing {
public:
    Drawing(int64_t V, Arena& arena)
        : V(V), whole(round_up(V, block)), far_(arena.take<double>(whole)), p_(arena.take<double>(whole)),
          sums_(arena.take<double>(whole / block)), near_(arena.take<double>(V)),
          buckets(V < 1024 ? 64 : 4096), counts_(arena.take<int64_t>(buckets)),
          masses_(arena.take<double>(buckets)) {}

    // `random` in 0 … 1, without 1.
    int64_t run(const float* logits, const Sampling& how, double random) {
        for (int64_t k = 0; k < V; ++k) {
            const double logit = double(logits[k]);
            far_[k] = logit == logit ? logit : -infinite;
        }
        std::fill(far_ + V, far_ + whole, -infinite);
        if (how.never >= 0) far_[how.never] = -infinite;
        const double largest = largest_of_all();
        if (how.temperature == 0 || !std::isfinite(largest)) return first_at(largest);
        per_nat_ = 1 / how.temperature;
        for (int64_t k = 0; k < whole; k += lanes<double>) store(far_ + k, broadcast(largest) - load(far_ + k));
        if (how.top_k < V) keep(how.top_k, infinite);
        double total = weigh();
        if (how.top_p < 1) {
            keep(V, how.top_p * total);
            total = weigh();
        }
        const double drawn = random * total;
        double sum = 0;
        int64_t at = 0;
        for (; at + 1 < whole / block && !(sum + sums_[at] > drawn); ++at) sum += sums_[at];
        for (int64_t k = at * block; k < V; ++k)
            if ((sum += p_[k]) > drawn) return k;
        return first_at(0);  // the product was rounded up to the sum
    }

private:
    static constexpr double infinite = std::numeric_limits<double>::infinity();
    static constexpr int64_t block = 16, side_by_side = 8, nats = 32;  // that the buckets span

    double largest_of_all() const {
        constexpr int vectors = int(side_by_side) / lanes<double>;
        Vec<double> most[vectors];
        for (int v = 0; v < vectors; ++v) most[v] = load(far_ + v * lanes<double>);
        for (int64_t k = side_by_side; k < whole; k += side_by_side)
            for (int v = 0; v < vectors; ++v) {
                const Vec<double> here = load(far_ + k + v * lanes<double>);
                most[v] = here > most[v] ? here : most[v];
            }
        double each[side_by_side];
        std::memcpy(each, most, sizeof each);
        return *std::max_element(each, each + side_by_side);
    }

    // The first token that is as far.
    int64_t first_at(double far) const { return std::min<int64_t>(std::find(far_, far_ + V, far) - far_, V - 1); }

    // e^(−far / temperature), 0 of what is infinitely far; the sum of each block, in the same order on every instruction
    // set, and of all.
    double weigh() {
        constexpr int vectors = int(side_by_side) / lanes<double>;
        const Vec<double> scale = broadcast(-per_nat_), limit = broadcast(-Format<double>::limit);
        double total = 0;
        for (int64_t begin = 0; begin < whole; begin += block) {
            Vec<double> sums[vectors] = {};
            for (int64_t k = begin; k < begin + block; k += side_by_side)
                for (int v = 0; v < vectors; ++v) {
                    const Vec<double> x = load(far_ + k + v * lanes<double>) * scale;
                    Vec<double> power, p;
                    exp_parts<double>(x, power, p);
                    p = x < limit ? Vec<double>{} : fma(power, p, power);
                    store(p_ + k + v * lanes<double>, p);
                    sums[v] += p;
                }
            double each[side_by_side], sum = 0;
            std::memcpy(each, sums, sizeof each);
            for (double one : each) sum += one;
            sums_[begin / block] = sum;
            total += sum;
        }
        return total;
    }

    int64_t bucket_of(double far) const {
        const double at = far * double(buckets / nats);
        return at < double(buckets - 1) ? int64_t(at) : buckets - 1;
    }

    // How many of these, sorted here, are the fewest that weigh so much together; all, if they do not.
    int64_t enough(double* begin, double* end, double mass) const {
        std::sort(begin, end);
        double weight = 0;
        const double* at = begin;
        for (; at < end && weight < mass; ++at) weight += std::exp(-*at * per_nat_);
        return at - begin;
    }

    // Leaves the nearest where they are, at most `count`, and of these the fewest that weigh `mass` together; the others
    // become infinitely far. An infinite mass: only the count.
    void keep(int64_t count, double mass) {
        const bool weighed = std::isfinite(mass);
        std::fill_n(counts_, buckets, 0);
        std::fill_n(masses_, buckets, 0.0);
        for (int64_t k = 0; k < V; ++k) {
            const int64_t at = bucket_of(far_[k]);
            ++counts_[at];
            if (weighed) masses_[at] += p_[k];
        }
        int64_t at = 0, kept = 0;
        double weight = 0;
        for (; at < buckets && kept + counts_[at] < count && !(weighed && weight + masses_[at] >= mass); ++at) {
            kept += counts_[at];
            weight += masses_[at];
        }
        if (at == buckets) return;
        int64_t left = count - kept;  // of this bucket
        double* end = near_;
        for (int64_t k = 0; k < V; ++k)
            if (bucket_of(far_[k]) == at) *end++ = far_[k];
        if (weighed) left = std::min(left, enough(near_, end, mass - weight));
        left = std::min<int64_t>(left, end - near_);
        std::nth_element(near_, near_ + left - 1, end);
        const double farthest = near_[left - 1];
        left -= std::count_if(near_, near_ + left, [farthest](double far) { return far < farthest; });
        for (int64_t k = 0; k < V; ++k)
            if (far_[k] > farthest || (far_[k] == farthest && left-- <= 0))
                far_[k] = infinite;
    }

    const int64_t V, whole;  // in blocks
    double per_nat_ = 1;  // of the distance
    double *far_, *p_, *sums_, *near_;
    const int64_t buckets;
    int64_t* counts_;
    double* masses_;
};

}  // namespace
}  // namespace penstock
