#include "Instructions.h"

#include <stdlib.h>
#include <string.h>

#include "CKernels.h"

static const char *const names[] = {"plain", "avx2", "avx512", "avx512_vnni"};

static enum instructions of_processor(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return __builtin_cpu_supports("avx512vnni") ? AVX512_VNNI : AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return AVX2;
#endif
    return PLAIN;
}

enum instructions ck_instructions(void) {
    const enum instructions best = of_processor();
    const char *limit = getenv("WAV2VEC2_INSTRUCTIONS");
    if (limit != NULL)
        for (enum instructions each = PLAIN; each < best; each++)
            if (strcmp(limit, names[each]) == 0) return each;
    return best;
}

const char *ck_instructions_name(void) { return names[ck_instructions()]; }
