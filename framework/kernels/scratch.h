// scratch.h: working memory of a kernel, from the recycling pool;
// freed at the end of the scope. Not initialised.
#pragma once

#include <algorithm>
#include <cstddef>

#include "framework/core/buffer_pool.h"
#include "framework/core/parallel.h"
#include "framework/core/real.h"

namespace espalier::kernels {

template <class T>
class Scratch {
 public:
  explicit Scratch(Index count)
      : bytes_(static_cast<std::size_t>(std::max<Index>(count, 1)) * sizeof(T)),
        in_chunk_(inside_chunk()),
        data_(static_cast<T*>(in_chunk_ ? chunk_allocate(bytes_, threads()) : pool_allocate(bytes_))) {}
  ~Scratch() { in_chunk_ ? chunk_free(data_, bytes_) : pool_free(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* data() { return data_; }
  T& operator[](Index i) { return data_[i]; }

 private:
  std::size_t bytes_;
  bool in_chunk_;
  T* data_;
};

}  // namespace espalier::kernels
