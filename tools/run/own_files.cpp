#include "tools/run/own_files.h"

namespace espalier {

std::filesystem::path own_files(const std::string& relative) {
  namespace fs = std::filesystem;
  std::error_code unknown;
  if (fs::exists(relative, unknown)) return relative;
  const fs::path program = fs::read_symlink("/proc/self/exe", unknown).parent_path();
  if (program.empty()) return relative;
  for (const char* from : {"../..", "../share/espalier"})
    if (const fs::path found = (program / from / relative).lexically_normal(); fs::exists(found, unknown)) return found;
  return relative;
}

}  // namespace espalier
