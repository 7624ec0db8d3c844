// blas_memory.h: the buffers in which OpenBLAS packs matrices, one for each thread that multiplies.
#pragma once

namespace espalier::kernels {

/// Makes OpenBLAS take the buffers of `threads` threads now. Where `ulimit -v` leaves no room for one, OpenBLAS
/// would try for ever; taken before anything else, they cannot be missing later. Does nothing without such a
/// limit. Throws Error(memory) that says how much is needed.
void claim_blas_buffers(int threads);

}  // namespace espalier::kernels
