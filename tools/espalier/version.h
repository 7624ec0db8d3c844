// version.h: what `espalier --version` says: enough to tell two builds apart.
#pragma once

#include <string>

namespace espalier {

/// Version, commit, compiler, the instruction set that computes here, and OpenBLAS.
std::string version_text();

}  // namespace espalier
