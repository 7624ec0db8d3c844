// reproduce.h: the verb `espalier reproduce`.
#pragma once

#include "tools/run/options.h"

namespace espalier {

void reproduce_command(const CommandOptions& options);

}  // namespace espalier
