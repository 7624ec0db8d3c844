// instruction_set_avx2.cpp: the inner loops for x86-64-v3 (AVX2, FMA). CMakeLists.txt gives this
// file its -march.
#ifdef __AVX2__
#define ESPALIER_LEVEL avx2
#define ESPALIER_VECTOR_BYTES 32
#include "framework/kernels/simd/table.h"
#endif
