// instruction_set_baseline.cpp: the inner loops for any CPU of the architecture, in 16-byte vectors
// (SSE2, NEON).
#define ESPALIER_LEVEL baseline
#define ESPALIER_VECTOR_BYTES 16
#include "framework/kernels/simd/table.h"
