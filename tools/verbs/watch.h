// watch.h: `espalier watch RUN`: a run that goes on, or is over, as a chart in the terminal that follows it; or as its page,
// written anew while it goes on. Only reads what the run writes: nothing is restarted or locked.
#pragma once

#include <string>
#include <vector>

#include "framework/io/metrics.h"

namespace espalier {

struct WatchOptions {
  std::string run;      ///< its folder, which may come later
  std::string page;     ///< HTML file kept up to date; empty: a chart in the terminal
  double seconds = 2;   ///< between two looks
  bool once = false;    ///< look once
};

/// Ends when the run does, or at Ctrl-C. Throws Error(usage) if the folder is there and holds no run.
void watch_command(const WatchOptions& options);

/// What the terminal shows of rows: a line about the state, and test accuracy over epochs in `columns` x 12 characters,
/// pruning steps marked.
std::string watch_text(const std::vector<MetricsRow>& rows, const std::string& name, std::size_t columns);

}  // namespace espalier
