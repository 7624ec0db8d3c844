// seeds.h: `--seeds 1,2,3`: one run for each seed, and what they come to together.
#pragma once

#include "tools/run/options.h"

namespace espalier {

/// Runs `verb` for each of options.seeds in DIR/seed-N (DIR: the config's folder, or --output), each as it would run alone
/// with --set seed=N, then prints mean and standard deviation over the seeds.
void run_seeds(const CommandOptions& options, void (*verb)(const CommandOptions&));

}  // namespace espalier
