// The processor's instruction sets that the kernels use.
#pragma once

/// In ascending order: each includes the ones before it.
#if defined(__aarch64__)
enum instructions { PLAIN, NEON, NEON_DOTPROD, NEON_I8MM };
#else
enum instructions { PLAIN, AVX2, AVX512, AVX512_VNNI };
#endif

/// The processor's best, limited by the environment's WAV2VEC2_INSTRUCTIONS.
enum instructions ck_instructions(void);
