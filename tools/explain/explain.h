// explain.h: the verb `espalier explain`.
#pragma once

#include "tools/run/options.h"

namespace espalier {

void explain_command(const CommandOptions& options);

}  // namespace espalier
