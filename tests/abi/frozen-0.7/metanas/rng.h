/* SPDX-License-Identifier: MIT */
#ifndef METANAS_RNG_H
#define METANAS_RNG_H

/* Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011). A stream is a pure function
 * of (seed, purpose, split, meta-epoch, task, step); there is no generator state to save, and two
 * workers never share a stream. Nothing here needs linking. */

#include <math.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a stream is for. Plugins may add their own from MN_RNG_PLUGIN on. */
enum mn_rng_purpose {
    MN_RNG_INIT_W = 1,    /* initial weights; task = index of the segment */
    MN_RNG_INIT_A = 2,    /* initial architecture logits; task = index of the segment */
    MN_RNG_CLASSES = 3,   /* the classes of an episode */
    MN_RNG_SAMPLES = 4,   /* the images of an episode */
    MN_RNG_BATCH = 5,     /* the mini-batches of a task step */
    MN_RNG_DROP_PATH = 6, /* which paths a pass drops */
    MN_RNG_MIXER = 7,     /* noise of a mixer */
    MN_RNG_DATA = 8,      /* content a dataset makes up (independent of meta-epoch and task) */
    MN_RNG_PLUGIN = 1000
};

struct mn_rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    int32_t used; /* words of block already handed out; 4 = none left */
    int32_t has_spare;
    double spare; /* second number of a Box-Muller pair */
};

/* One Philox4x32-10 block: out = bijection_key(counter). */
static inline void mn_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        const uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        const uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The stream for (seed, purpose, split, meta_epoch, task, step). Key: a hash of seed, purpose and
 * split. Counter: (block index, step, task, meta_epoch). A stream holds 2^34 words. */
static inline struct mn_rng mn_rng_make(uint64_t seed, uint32_t purpose, uint32_t split,
                                        uint64_t meta_epoch, uint32_t task, uint32_t step) {
    struct mn_rng r;
    uint64_t h = seed ^ (((uint64_t)purpose << 32) | split) * 0x9E3779B97F4A7C15u;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    h ^= h >> 31;
    h ^= meta_epoch >> 32;
    r.key[0] = (uint32_t)h;
    r.key[1] = (uint32_t)(h >> 32);
    r.counter[0] = 0;
    r.counter[1] = step;
    r.counter[2] = task;
    r.counter[3] = (uint32_t)meta_epoch;
    r.block[0] = r.block[1] = r.block[2] = r.block[3] = 0;
    r.used = 4;
    r.has_spare = 0;
    r.spare = 0;
    return r;
}

/* The next 32 random bits. */
static inline uint32_t mn_rng_u32(struct mn_rng *r) {
    if (r->used == 4) {
        mn_philox(r->counter, r->key, r->block);
        r->counter[0]++;
        r->used = 0;
    }
    return r->block[r->used++];
}

/* Uniform in [0, 1), 53 random bits. */
static inline double mn_rng_uniform(struct mn_rng *r) {
    const uint64_t high = mn_rng_u32(r) >> 5;
    const uint64_t low = mn_rng_u32(r) >> 6;
    return (double)(high * 67108864u + low) * (1.0 / 9007199254740992.0);
}

/* Uniform integer in [0, n), n >= 1, without modulo bias. */
static inline uint32_t mn_rng_below(struct mn_rng *r, uint32_t n) {
    const uint32_t reject = (uint32_t)(0u - n) % n; /* 2^32 mod n */
    uint64_t product;
    do {
        product = (uint64_t)mn_rng_u32(r) * n;
    } while ((uint32_t)product < reject);
    return (uint32_t)(product >> 32);
}

/* Standard normal (Box-Muller). */
static inline double mn_rng_normal(struct mn_rng *r) {
    if (r->has_spare) {
        r->has_spare = 0;
        return r->spare;
    }
    const double radius = sqrt(-2.0 * log(1.0 - mn_rng_uniform(r)));
    const double angle = 6.283185307179586476925 * mn_rng_uniform(r);
    r->spare = radius * sin(angle);
    r->has_spare = 1;
    return radius * cos(angle);
}

#ifdef __cplusplus
}
#endif

#endif
