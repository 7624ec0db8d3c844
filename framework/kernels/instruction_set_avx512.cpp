// instruction_set_avx512.cpp: the inner loops for x86-64-v4 (AVX-512). CMakeLists.txt gives this
// file its -march.
#ifdef __AVX512F__
#define ESPALIER_LEVEL avx512
#define ESPALIER_VECTOR_BYTES 64
#include "framework/kernels/simd/table.h"
#endif
