// scratch_memory.h: memory backed by a file that has no name, for arrays larger than the machine's memory:
// the system writes parts of it out and reads them back as they are used.
#pragma once

#include <cstddef>
#include <string>

namespace espalier {

class ScratchMemory {
 public:
  /// `bytes` zeros in a file in `folder`, which must exist and have room. Throws Error(io) naming folder,
  /// size and the system's reason; the space is reserved at once, so a full disk can't strike later.
  ScratchMemory(const std::string& folder, std::size_t bytes);
  ~ScratchMemory();
  ScratchMemory(const ScratchMemory&) = delete;
  ScratchMemory& operator=(const ScratchMemory&) = delete;
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_;
};

}  // namespace espalier
