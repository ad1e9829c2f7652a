/* Penstock's core: one layer of a gated recurrent unit in one direction, forward and backward, on a CPU.

   This header is the whole of what the core does for others, in plain C; every caller comes through it (Python, torch's
   operators, C). Whatever it is given is checked here: a call computes, or it returns a status other than PENSTOCK_OK,
   has written nothing and tells why in one line (penstock_message). Nothing is thrown, nothing aborts, and nothing is
   read or written outside of the arrays that were described.

       r_t = sigmoid(W_ir x_t + b_ir + W_hr h + b_hr)             reset gate            with h = decay_t * h_{t-1},
       z_t = sigmoid(W_iz x_t + b_iz + W_hz h + b_hz)             update gate           0 where step t resets
       n_t = tanh(W_in x_t + b_in + W_hn (r_t * h) + b_hn)        candidate, PENSTOCK_RESET_BEFORE
       n_t = tanh(W_in x_t + b_in + r_t * (W_hn h + b_hn))        candidate, PENSTOCK_RESET_AFTER
       h_t = z_t * h + (1 - z_t) * n_t                            hidden state

   Letters: N batch, L steps, D input features, H hidden units, V tokens. N, L and D may be 0.

   A sequence's result is the same to the last bit whatever else is in its batch, however it is cut into calls, however
   its weights were packed and whatever the number of threads. Numbers too small to be normal count as zero.

   All functions may be called from several threads at once. What one call writes belongs to that call alone. */
#ifndef PENSTOCK_H
#define PENSTOCK_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PENSTOCK_API __attribute__((visibility("default")))
#else
#define PENSTOCK_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Grows with every change of this header that a compiled caller would notice. */
#define PENSTOCK_HEADER_VERSION 2
PENSTOCK_API int penstock_header_version(void); /* what the library was built with */

typedef enum penstock_status {
    PENSTOCK_OK,
    PENSTOCK_BAD_VALUE, /* a shape, a stride, a length, a number of threads … */
    PENSTOCK_BAD_TYPE,  /* a dtype */
    PENSTOCK_NO_MEMORY
} penstock_status;

/* What was wrong with the calling thread's last refused call: the argument, what was expected, what came. UTF-8, valid
   until that thread's next call; empty before its first refusal. */
PENSTOCK_API const char *penstock_message(void);

typedef enum penstock_dtype {
    PENSTOCK_FLOAT32,
    PENSTOCK_FLOAT64,
    PENSTOCK_BFLOAT16, /* of packed weights alone: 8 significant bits */
    PENSTOCK_INT8,     /* of packed weights alone: 255 levels of each row's largest */
    PENSTOCK_INT64,
    PENSTOCK_BOOL, /* a byte, 0 or not */
    PENSTOCK_OTHER /* what no argument takes */
} penstock_dtype;

/* An array in the caller's memory, which stays there and in the caller's hands for as long as the call runs. All zero:
   no array. Strides count elements. Read: any strides, or as said beside the argument. Written: no two elements in one
   place. */
typedef struct penstock_array {
    void *data; /* the element at index 0 of every axis, aligned to its type */
    int32_t dtype;
    int32_t ndim; /* at most 3 */
    int64_t shape[3];
    int64_t strides[3];
} penstock_array;

typedef enum penstock_form { PENSTOCK_RESET_BEFORE, PENSTOCK_RESET_AFTER } penstock_form;

/* An instruction set that the kernels were compiled for, or would be. */
typedef struct penstock_set {
    const char *name;  /* "avx512", "avx2", "neon", "portable" */
    const char *needs; /* in words */
    int compiled;      /* this build has it */
    int supported;     /* this processor has it */
    int float_lanes;   /* float32 values in one vector register; 0 where it was not compiled */
} penstock_set;

/* The k-th set, best first; null past the last one, which is "portable" and runs everywhere. Lives for ever. */
PENSTOCK_API const penstock_set *penstock_set_at(int k);

/* The set of this name, or the best one for a null or empty name; null, with a message, where it cannot run here. */
PENSTOCK_API const penstock_set *penstock_choose(const char *name);

/* A layer's weights in the order in which the kernels of one instruction set read them; made once for many calls. It is
   a copy: later changes of the weights do not reach it. Calls read it alone, so that many may share one. */
typedef struct penstock_packed penstock_packed;

typedef struct penstock_weights {
    penstock_array ih;      /* (3H, D) rows r, z, n; contiguous, as are the others */
    penstock_array hh;      /* (3H, H) */
    penstock_array bias_ih; /* (3H,) or none */
    penstock_array bias_hh; /* (3H,) or none */
} penstock_weights;

/* Packs weights of float32 as float32, bfloat16 or int8, of float64 as float64. Free the result with penstock_free.
   int8 refuses what is not finite. `set` null: the best. */
PENSTOCK_API penstock_status penstock_pack(const penstock_set *set, int32_t form, int32_t dtype,
                                           const penstock_weights *weights, penstock_packed **packed);
PENSTOCK_API void penstock_free(penstock_packed *packed); /* null is nothing */

/* One layer, one direction, over N sequences. float32 or float64 throughout; of packed bfloat16 and int8, float32. */
typedef struct penstock_call {
    const penstock_set *set; /* null: the best */
    int32_t form;            /* a penstock_form */
    int32_t reverse;         /* from each sequence's last step to its first */
    int32_t threads;         /* at most so many; 0: as many as the process has cores. Small calls take fewer. */

    penstock_weights weights;      /* packed by each call, */
    const penstock_packed *packed; /* or these in their place; backward takes weights alone */

    penstock_array x;       /* (L, N, D) last axis contiguous */
    penstock_array h_0;     /* (N, H) contiguous */
    penstock_array lengths; /* (N,) int64 contiguous, each in 0 … L: the steps that a sequence has; none: L */
    penstock_array resets;  /* (L, N) bool: step t starts an episode; none: no step. In reverse, an episode is entered
                               at its last step: what passes from t + 1 to t is cleared where step t + 1 resets. */
    penstock_array decay;   /* (L, N, H) or (L, N, 1): what the state is multiplied by before step t, in reverse what
                               passes from t to t - 1; none: 1. A reset goes before it. */

    /* What forward writes and backward reads again. */
    penstock_array output;    /* (L, N, H) last axis contiguous; zero past a sequence's end */
    penstock_array h_n;       /* (N, H) contiguous: each sequence's state after its own last step. May be h_0 itself,
                                 and, with L = 1 and no lengths, output itself. Backward does not read it. */
    /* The gates, (L, N, H) contiguous, zero past the end; forward leaves out those that are none. Backward wants all of
       its form, or no `reset`: then it computes them again. */
    penstock_array reset;     /* r */
    penstock_array update;    /* z */
    penstock_array candidate; /* n */
    penstock_array recurrent; /* W_hn h + b_hn of PENSTOCK_RESET_AFTER, which r multiplies */
} penstock_call;

PENSTOCK_API penstock_status penstock_forward(const penstock_call *call);

/* Gradients of what forward made, which come, and of what it was given, which go; none: zero, or not wanted. */
typedef struct penstock_gradients {
    penstock_array output;    /* (L, N, H) last axis contiguous; read */
    penstock_array h_n;       /* (N, H) contiguous; read */
    penstock_array reset;     /* (L, N, H) contiguous; read */
    penstock_array update;    /* likewise */
    penstock_array candidate; /* likewise */

    penstock_array x;         /* (L, N, D) last axis contiguous; written, zero past a sequence's end */
    penstock_array h_0;       /* (N, H) contiguous; written */
    penstock_weights weights; /* contiguous; written */
    penstock_array decay;     /* (L, N, H) contiguous, whatever the decay's own last axis; written */
} penstock_gradients;

PENSTOCK_API penstock_status penstock_backward(const penstock_call *call, const penstock_gradients *gradients);

/* One step: h (N, H) of x (N, D) and the state before, `h`; written to `out` (N, H), which may be `h` itself. All
   contiguous, of the packed weights' type. */
PENSTOCK_API penstock_status penstock_step(const penstock_packed *packed, const penstock_array *x,
                                           const penstock_array *h, const penstock_array *out, int threads);

/* The layer from hidden units to the logits of tokens, packed; float32. */
typedef struct penstock_output penstock_output;
PENSTOCK_API penstock_status penstock_pack_output(const penstock_set *set, const penstock_array *weight /* (V, H) */,
                                                  const penstock_array *bias /* (V,) */, penstock_output **output);
PENSTOCK_API void penstock_free_output(penstock_output *output);

/* nats (rows,) float64: -log of the softmax of each row's logits at its token. hidden (rows, H) float32, tokens (rows,)
   int64 in 0 … V - 1; all contiguous. */
PENSTOCK_API penstock_status penstock_score(const penstock_output *output, const penstock_array *hidden,
                                            const penstock_array *tokens, const penstock_array *nats, int threads);

/* logits (rows, V) float32 of hidden (rows, H) float32; contiguous. And of each row the log of their softmax: the
   negative of penstock_score's, rounded. */
PENSTOCK_API penstock_status penstock_logits(const penstock_output *output, const penstock_array *hidden,
                                             const penstock_array *logits, int threads);
PENSTOCK_API penstock_status penstock_log_probabilities(const penstock_output *output, const penstock_array *hidden,
                                                        const penstock_array *log_probabilities, int threads);

/* How tokens are drawn: logits are divided by the temperature; of the `top_k` largest the fewest that together have at
   least `top_p` are kept, of equal ones the first (Holtzman et al. 2020, arXiv:1904.09751, section 3.1). At temperature 0
   the largest is taken. */
typedef struct penstock_sampling {
    double temperature; /* 0 or more */
    int64_t top_k;      /* 1 or more; V or more: all */
    double top_p;       /* more than 0; 1: all */
    int64_t never;      /* a token that is not drawn; -1: none */
} penstock_sampling;

/* A token (rows,) int64 of each row of logits (rows, V) float32, by a number (rows,) float64 in 0 … 1, without 1; all
   contiguous. The same on every instruction set. */
PENSTOCK_API penstock_status penstock_sample(const penstock_set *set, const penstock_array *logits,
                                             const penstock_sampling *sampling, const penstock_array *random,
                                             const penstock_array *tokens);

/* A network: layers of one direction, each on the one before, with what may stand before and behind them; made once for
   many steps, which read it alone, so that many may share one. It refers to what it was made of: that must stay. */
typedef struct penstock_network penstock_network;

typedef enum penstock_answer {
    PENSTOCK_STATES,           /* (N, H) what the last layer hands on */
    PENSTOCK_LOGITS,           /* (N, V) of the output layer */
    PENSTOCK_LOG_PROBABILITIES /* (N, V) likewise */
} penstock_answer;

typedef struct penstock_parts {
    const penstock_packed *const *layers; /* (K,) K of 1 or more, of one instruction set, one H and one type of numbers;
                                             D is the H of the layer before */
    int64_t count;                        /* K */
    int32_t residual;                     /* layers after the first hand on the sum of what they read and their state */
    int32_t answer;                       /* a penstock_answer */
    penstock_array embedding;             /* (V, D) float32 contiguous: steps read a row for each token; none: numbers */
    const penstock_output *output;        /* null: none */
} penstock_parts;

PENSTOCK_API penstock_status penstock_make_network(const penstock_parts *parts, penstock_network **network);
PENSTOCK_API void penstock_free_network(penstock_network *network); /* null is nothing */

/* One step of N streams, whatever N: the bits of whole sequences. Nothing is allocated where the call runs on one thread
   and `memory` holds as many bytes as penstock_step_memory says; it need not be kept between calls. With null, the
   memory is the calling thread's own.
   x: (N, D) of the layers' type, or with an embedding (N,) int64 tokens. state: (K, N, H) of the layers' type, the one
   before, which becomes the one after. out: see `answer`; of the layers' type. All contiguous. */
PENSTOCK_API int64_t penstock_step_memory(const penstock_network *network, int64_t N);
PENSTOCK_API penstock_status penstock_network_step(const penstock_network *network, const penstock_array *x,
                                                   const penstock_array *state, const penstock_array *out, void *memory,
                                                   size_t bytes, int threads);

/* The same, and of each row's logits a token, as penstock_sample draws it. */
PENSTOCK_API penstock_status penstock_network_sample(const penstock_network *network, const penstock_array *x,
                                                     const penstock_array *state, const penstock_sampling *sampling,
                                                     const penstock_array *random, const penstock_array *tokens,
                                                     void *memory, size_t bytes, int threads);

/* Threads. The core has a team of its own, which sleeps when it has had nothing to do for a while. In a process that
   has an OpenMP runtime already, its team may be borrowed, since two that spin would hold each other up: these are
   libgomp's GOMP_parallel, omp_get_thread_num and omp_get_num_threads. A forked child begins with a team of its own. */
typedef void (*penstock_omp_parallel)(void (*)(void *), void *, unsigned, unsigned);
PENSTOCK_API void penstock_borrow_threads(penstock_omp_parallel parallel, int (*thread_num)(void),
                                          int (*num_threads)(void));
PENSTOCK_API int penstock_threads_are_borrowed(void);

/* Multiply-adds that are worth one more thread; returns what it was. Tests set 1, so that small calls run on many. */
PENSTOCK_API int64_t penstock_set_grain(int64_t multiply_adds);

/* What this machine can do at best, for a benchmark's roofline. `set` null: the best. */
PENSTOCK_API double penstock_peak(const penstock_set *set, int32_t dtype, int threads); /* FLOP/s */
PENSTOCK_API double penstock_read_bandwidth(const penstock_set *set, int threads, size_t bytes); /* bytes/s */
PENSTOCK_API double penstock_barrier_wait(const penstock_set *set, int threads); /* seconds */

#ifdef __cplusplus
}
#endif

#endif
