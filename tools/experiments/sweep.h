// sweep.h: the verb `espalier sweep`.
#pragma once

#include "tools/run/options.h"

namespace espalier {

void sweep_command(const CommandOptions& options);

}  // namespace espalier
