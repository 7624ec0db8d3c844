// curvature.h: the verb `espalier curvature`.
#pragma once

#include "tools/run/options.h"

namespace espalier {

void curvature_command(const CommandOptions& options);

}  // namespace espalier
