/* Peak rates of this machine: the roof over every kernel. Prints one JSON object.
 *
 * Usage: roofline ARRAY_BYTES CORE... (one thread a core)
 *
 * Compute: each thread keeps ACCUMULATORS independent vectors in registers and multiplies and adds
 * into them, enough to cover the latency of two pipelined units. An operation is one multiplication
 * or one addition. Memory: STREAM's triad (McCalpin, 1995), a[i] = b[i] + s * c[i], which counts
 * 24 bytes an element, on three arrays of ARRAY_BYTES. A round's rate is the work of all threads
 * over the time from the first start to the last end. The best of several rounds is kept, since
 * another process can only slow one down.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

#define ACCUMULATORS 12
#define ROUNDS 40
#define ROUND_SECONDS 0.0025 /* shorter than a slice of the scheduler */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* Keeps a value from being computed at compile time or thrown away. */
#define OPAQUE(v) __asm__ volatile("" : "+m"(v))
/* The same for a value that has to stay in a vector register. */
#if defined(__x86_64__)
#define PIN(v) __asm__ volatile("" : "+v"(v))
#else
#define PIN(v) __asm__ volatile("" : "+w"(v))
#endif

#define REPEAT(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

/* A function that runs `steps` times ACCUMULATORS multiply-adds; returns its operations. */
#define MULTIPLY_ADD(NAME, TYPE, STEP)                                                            \
  static double NAME(long steps) {                                                                \
    typedef TYPE vector __attribute__((vector_size(VECTOR_BYTES)));                               \
    vector a, b, acc[ACCUMULATORS];                                                               \
    for (unsigned i = 0; i < VECTOR_BYTES / sizeof(TYPE); i++) a[i] = 1, b[i] = 0;                \
    memset(acc, 0, sizeof acc);                                                                   \
    OPAQUE(a);                                                                                    \
    OPAQUE(b);                                                                                    \
    OPAQUE(acc);                                                                                  \
    vector ACC_DECLARE;                                                                           \
    REPEAT(ACC_LOAD)                                                                              \
    for (long s = 0; s < steps; s++) {                                                            \
      REPEAT(STEP)                                                                                \
    }                                                                                             \
    REPEAT(ACC_STORE)                                                                             \
    OPAQUE(acc);                                                                                  \
    return 2.0 * (VECTOR_BYTES / sizeof(TYPE)) * ACCUMULATORS * steps;                            \
  }
#define ACC_DECLARE r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11
#define ACC_LOAD(i) r##i = acc[i];
#define ACC_STORE(i) acc[i] = r##i;
#define STEP_FMA(i) r##i = r##i * a + b; PIN(r##i);

MULTIPLY_ADD(peak_f64, double, STEP_FMA)
MULTIPLY_ADD(peak_f32, float, STEP_FMA)
MULTIPLY_ADD(peak_i32, int32_t, STEP_FMA)
MULTIPLY_ADD(peak_i64, int64_t, STEP_FMA)
#if defined(__AVX512FP16__) || defined(__ARM_FEATURE_FP16_VECTOR_ARITHMETIC)
#define HAS_F16
MULTIPLY_ADD(peak_f16, _Float16, STEP_FMA)
#endif

/* Dot-product instructions: more operations of a narrow type in an accumulator of a wider one. */
#if defined(__AVX512BF16__) || defined(__AVX512VNNI__)
#include <immintrin.h>
#define DOT(NAME, ACC, ZERO, IN, STEP, OPERATIONS)                                                \
  static double NAME(long steps) {                                                                \
    ACC ACC_DECLARE, acc[ACCUMULATORS];                                                           \
    __m512i raw = _mm512_setzero_si512();                                                         \
    OPAQUE(raw);                                                                                  \
    IN a = (IN)raw;                                                                               \
    for (int i = 0; i < ACCUMULATORS; i++) acc[i] = ZERO;                                         \
    REPEAT(ACC_LOAD)                                                                              \
    for (long s = 0; s < steps; s++) {                                                            \
      REPEAT(STEP)                                                                                \
    }                                                                                             \
    REPEAT(ACC_STORE)                                                                             \
    OPAQUE(acc);                                                                                  \
    return (OPERATIONS) * (double)ACCUMULATORS * steps;                                           \
  }
#endif
#if defined(__AVX512BF16__)
#define HAS_BF16
#define STEP_BF16(i) r##i = _mm512_dpbf16_ps(r##i, a, a); PIN(r##i);
DOT(peak_bf16, __m512, _mm512_setzero_ps(), __m512bh, STEP_BF16, 64)
#endif
#if defined(__AVX512VNNI__)
#define HAS_I8
#define STEP_I8(i) r##i = _mm512_dpbusd_epi32(r##i, a, a); PIN(r##i);
DOT(peak_i8, __m512i, _mm512_setzero_si512(), __m512i, STEP_I8, 128)
#endif

typedef double (*Kernel)(long);

typedef struct {
  int core;
  Kernel kernel; /* NULL: the triad */
  long steps;
  double *a, *b, *c;
  size_t count;
  double work, start[ROUNDS], end[ROUNDS];
  pthread_barrier_t *barrier;
} Task;

static void triad(double *restrict a, const double *restrict b, const double *restrict c,
                  size_t count) {
  for (size_t i = 0; i < count; i++) a[i] = b[i] + 3.0 * c[i];
}

static void *body(void *argument) {
  Task *task = argument;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(task->core, &set);
  sched_setaffinity(0, sizeof set, &set); /* a wish: rates are right without it, only noisier */
  if (!task->kernel)
    for (size_t i = 0; i < task->count; i++) task->a[i] = 0, task->b[i] = 1, task->c[i] = 2;
  for (int round = 0; round < ROUNDS; round++) {
    pthread_barrier_wait(task->barrier);
    task->start[round] = now();
    if (task->kernel) {
      task->work = task->kernel(task->steps);
    } else {
      triad(task->a, task->b, task->c, task->count);
      task->work = 24.0 * task->count;
    }
    task->end[round] = now();
  }
  return NULL;
}

/* The best round's work of all threads a second. */
static double together(Task *tasks, int threads) {
  pthread_t ids[threads];
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, threads);
  for (int i = 0; i < threads; i++) {
    tasks[i].barrier = &barrier;
    if (pthread_create(&ids[i], NULL, body, &tasks[i])) exit(1);
  }
  double work = 0, best = 0;
  for (int i = 0; i < threads; i++) {
    pthread_join(ids[i], NULL);
    work += tasks[i].work;
  }
  pthread_barrier_destroy(&barrier);
  for (int round = 0; round < ROUNDS; round++) {
    double start = tasks[0].start[round], end = tasks[0].end[round];
    for (int i = 1; i < threads; i++) {
      if (tasks[i].start[round] < start) start = tasks[i].start[round];
      if (tasks[i].end[round] > end) end = tasks[i].end[round];
    }
    if (work / (end - start) > best) best = work / (end - start);
  }
  return best;
}

static double compute(Kernel kernel, Task *tasks, int threads) {
  long steps = 1 << 14;
  for (;; steps *= 2) { /* how many steps fill a round */
    double start = now();
    kernel(steps);
    if (now() - start >= ROUND_SECONDS / 2) break;
  }
  for (int i = 0; i < threads; i++) tasks[i].kernel = kernel, tasks[i].steps = steps;
  return together(tasks, threads);
}

static double memory(size_t array_bytes, Task *tasks, int threads) {
  size_t count = array_bytes / sizeof(double) / threads;
  for (int i = 0; i < threads; i++) {
    tasks[i].kernel = NULL;
    tasks[i].count = count;
    double **arrays[] = {&tasks[i].a, &tasks[i].b, &tasks[i].c};
    for (int j = 0; j < 3; j++)
      if (!(*arrays[j] = malloc(count * sizeof(double)))) exit(1);
  }
  return together(tasks, threads);
}

int main(int argc, char **argv) {
  int threads = argc - 2;
  if (threads < 1) return 2;
  Task *tasks = calloc(threads, sizeof(Task));
  if (!tasks) return 1;
  for (int i = 0; i < threads; i++) tasks[i].core = atoi(argv[i + 2]);
  printf("{\"f64\": %.6g", compute(peak_f64, tasks, threads));
  printf(", \"f32\": %.6g", compute(peak_f32, tasks, threads));
  printf(", \"i64\": %.6g", compute(peak_i64, tasks, threads));
  printf(", \"i32\": %.6g", compute(peak_i32, tasks, threads));
#ifdef HAS_F16
  printf(", \"f16\": %.6g", compute(peak_f16, tasks, threads));
#endif
#ifdef HAS_BF16
  printf(", \"bf16\": %.6g", compute(peak_bf16, tasks, threads));
#endif
#ifdef HAS_I8
  printf(", \"i8\": %.6g", compute(peak_i8, tasks, threads));
#endif
  double bandwidth = memory(strtoul(argv[1], NULL, 10), tasks, threads);
  printf(", \"bandwidth\": %.6g}\n", bandwidth);
  return 0;
}
