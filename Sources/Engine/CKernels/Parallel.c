#define _GNU_SOURCE
#include "Parallel.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "CSubnormals.h"

// LibTorch's operators run on OpenMP's threads, which keep spinning for a while after each of them. A thread pool of
// our own would compete with them for the cores, so the kernels use the same team through OpenMP's C entry point. It is
// looked up at run time: clang's own OpenMP would link a second runtime library. Without one, the work runs serially.
typedef void (*team_function)(void (*body)(void *), void *data, unsigned threads, unsigned flags);
static team_function run_team;
static pthread_once_t looked_up = PTHREAD_ONCE_INIT;

static void look_up(void) { *(void **)&run_team = dlsym(RTLD_DEFAULT, "GOMP_parallel"); }

struct work {
    ck_body body;
    const void *arguments;
    int64_t count;
    int64_t grain;
    _Atomic int64_t next;
};

static void take_pieces(void *data) {
    struct work *work = data;
    const subnormals_settings settings = subnormals_flush();
    for (;;) {
        const int64_t begin = atomic_fetch_add_explicit(&work->next, work->grain, memory_order_relaxed);
        if (begin >= work->count) break;
        const int64_t end = begin + work->grain < work->count ? begin + work->grain : work->count;
        work->body(work->arguments, begin, end);
    }
    subnormals_restore(settings);
}

void ck_parallel(int64_t count, int64_t grain, int threads, ck_body body, const void *arguments) {
    struct work work = {body, arguments, count, grain, 0};
    const int64_t pieces = (count + grain - 1) / grain;
    if (pieces < threads) threads = (int)pieces;
    pthread_once(&looked_up, look_up);
    if (threads > 1 && run_team != NULL) run_team(take_pieces, &work, (unsigned)threads, 0);
    else take_pieces(&work);
}

struct scratch_work {
    ck_scratch_body body;
    const void *arguments;
    int64_t count;
    float *scratch;
    int64_t floats;
    _Atomic int64_t next;
};

/// One thread's share; the piece's number selects its scratch memory.
static void take_units(const void *data, int64_t begin, int64_t end) {
    (void)end;
    struct scratch_work *work = (struct scratch_work *)data;
    float *scratch = work->scratch + begin * work->floats;
    for (;;) {
        const int64_t unit = atomic_fetch_add_explicit(&work->next, 1, memory_order_relaxed);
        if (unit >= work->count) return;
        work->body(work->arguments, scratch, unit);
    }
}

void ck_parallel_with_scratch(
    int64_t count, int threads, float *scratch, int64_t floats, ck_scratch_body body, const void *arguments) {
    struct scratch_work work = {body, arguments, count, scratch, floats, 0};
    ck_parallel(threads, 1, threads, take_units, &work);
}
