// The processor's instruction sets that the kernels use.
#pragma once

/// In ascending order: each includes the ones before it.
enum instructions { PLAIN, AVX2, AVX512, AVX512_VNNI };

/// The processor's best, limited by the environment's WAV2VEC2_INSTRUCTIONS.
enum instructions ck_instructions(void);
