#include "tools/espalier/version.h"

#include <cblas.h>
#include <espalier_commit.h>
#include <fmt/format.h>

#include "framework/train/trainer.h"

namespace espalier {

std::string version_text() {
#if defined(__clang__)
  const std::string compiler = "Clang " __clang_version__;
#else
  const std::string compiler = "GCC " __VERSION__;
#endif
  return fmt::format("espalier {}\ncommit    {}\ncompiler  {}\nkernels   {} (this processor)\nBLAS      {}, {} cores",
                     ESPALIER_VERSION, ESPALIER_COMMIT, compiler, Trainer::instruction_set(), openblas_get_config(),
                     openblas_get_corename());
}

}  // namespace espalier
