// Which of the processor's instructions the kernels use.
#pragma once

/// From the least to the most: each has what the ones before it have.
enum instructions { PLAIN, AVX2, AVX512, AVX512_VNNI };

/// What the processor has, but no more than the environment's WAV2VEC2_INSTRUCTIONS says.
enum instructions ck_instructions(void);
