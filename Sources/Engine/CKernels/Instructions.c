#include "Instructions.h"

#include <stdlib.h>
#include <string.h>

#include "CKernels.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#if defined(__aarch64__)
static const char *const names[] = {"plain", "neon", "neon_dotprod", "neon_i8mm"};
#else
static const char *const names[] = {"plain", "avx2", "avx512", "avx512_vnni"};
#endif

static enum instructions of_processor(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return __builtin_cpu_supports("avx512vnni") ? AVX512_VNNI : AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return AVX2;
#elif defined(__aarch64__)
    // NEON is part of every 64-bit ARM processor for systems; its byte products are not.
#if defined(__linux__)
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) return getauxval(AT_HWCAP2) & HWCAP2_I8MM ? NEON_I8MM : NEON_DOTPROD;
#endif
    return NEON;
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

int ck_multiplies_bfloat16(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16") != 0 || __builtin_cpu_supports("amx-bf16") != 0;
#elif defined(HWCAP2_BF16)
    return (getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0;
#else
    return 0;
#endif
}

const char *ck_instructions_name(void) { return names[ck_instructions()]; }
