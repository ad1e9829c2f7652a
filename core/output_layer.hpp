// The output layer: of each row of hidden units its logits, how probable each token is that makes, or how unexpected the
// one was that came next.
//
// Logits are rows of the product, so a row's figure depends on nothing beside it; their exponentials are added up in
// the same order on every instruction set.
#pragma once

#include <cmath>
#include <limits>

#include "forward.hpp"

namespace penstock {
namespace {

struct PackedOutput {
    static constexpr int64_t width = panel_columns<float>;
    static constexpr int64_t sums = 16;  // that run side by side: as many as the widest vector has lanes

    int64_t H, V, panels, row;
    float *weights, *bias;  // beyond V, the bias is −∞

    PackedOutput(OutputShape of, Arena& arena)
        : H(of.H), V(of.V), panels(ceil_div(V, width)), row(round_up(panels * width, sums)),
          weights(arena.take<float>(panels * H * width)), bias(arena.take<float>(row)) {}

    void pack(const float* weight, const float* of_token) {
        for (int64_t p = 0; p < panels; ++p)
            pack_rows(H, std::min(width, V - p * width), weight + p * width * H, H, weights + p * H * width);
        std::copy(of_token, of_token + V, bias);
        std::fill(bias + V, bias + row, -std::numeric_limits<float>::infinity());
    }

    // What all tokens' exponentials come to, above that of the largest logit.
    struct Total {
        double log, largest;

        double nats(float logit) const { return log + (largest - double(logit)); }
    };

    Total total(const float* logits) const {
        constexpr int vectors = int(sums) / lanes<float>;
        Vec<float> most[vectors], sum[vectors] = {};
        for (int v = 0; v < vectors; ++v) most[v] = load(logits + v * lanes<float>);
        for (int64_t k = sums; k < row; k += sums)
            for (int v = 0; v < vectors; ++v) {
                const Vec<float> here = load(logits + k + v * lanes<float>);
                most[v] = here > most[v] ? here : most[v];
            }
        float each[sums];
        std::memcpy(each, most, sizeof each);
        const float largest = *std::max_element(each, each + sums);
        for (int64_t k = 0; k < row; k += sums)
            for (int v = 0; v < vectors; ++v) {
                Vec<float> power, p;
                exp_parts<float>(load(logits + k + v * lanes<float>) - broadcast(largest), power, p);
                sum[v] += fma(power, p, power);
            }
        std::memcpy(each, sum, sizeof each);
        double sum_of_all = 0;
        for (float part_of_it : each) sum_of_all += double(part_of_it);
        return {std::log(sum_of_all), double(largest)};
    }

    // (V,) of a row of logits.
    void log_probabilities(const float* logits, float* to) const {
        const Total of = total(logits);
        for (int64_t k = 0; k < V; ++k) to[k] = float(-of.nats(logits[k]));
    }
};

class ScoringPass {
public:
    ScoringPass(const Scoring& call, int members, Arena& arena, Arena& packed)
        : call_(call), layer_(call.shape, packed), stride_(padded<float>(layer_.row)),
          rows_at_once_(std::clamp<int64_t>((256 << 10) / int64_t(sizeof(float)) / stride_, 1, 8) * tile_rows),
          logits_(arena.take<float>(members * rows_at_once_ * stride_)) {}

    void prepare(int) {}

    void run(int member, int members) {
        const Arithmetic arithmetic;
        float* const logits = logits_ + member * rows_at_once_ * stride_;
        const int64_t last = part(call_.rows, member + 1, members);
        for (int64_t row = part(call_.rows, member, members); row < last; row += rows_at_once_) {
            const int64_t rows = std::min(rows_at_once_, last - row);
            for (int64_t j = 0; j < rows; ++j) std::copy(layer_.bias, layer_.bias + layer_.row, logits + j * stride_);
            product<float, float>(rows, layer_.H, call_.hidden + row * layer_.H, layer_.H,
                                  {layer_.weights, layer_.H * layer_.width}, 0, layer_.panels,
                                  {logits, stride_, Columns{1, layer_.width}});
            for (int64_t j = 0; j < rows; ++j) write(row + j, logits + j * stride_);
        }
    }

private:
    void write(int64_t row, const float* logits) const {
        const int64_t V = layer_.V;
        if (call_.logits) {
            std::copy_n(logits, V, call_.logits + row * V);
            return;
        }
        if (call_.nats)
            call_.nats[row] = layer_.total(logits).nats(logits[std::clamp<int64_t>(call_.tokens[row], 0, V - 1)]);
        if (call_.log_probabilities) layer_.log_probabilities(logits, call_.log_probabilities + row * V);
    }

    const Scoring& call_;
    PackedOutput layer_;
    int64_t stride_, rows_at_once_;
    float* logits_;
};

}  // namespace
}  // namespace penstock
