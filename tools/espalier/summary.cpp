#include "tools/espalier/summary.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "framework/io/plot.h"
#include "framework/io/progress.h"
#include "framework/io/table.h"

namespace espalier {
namespace {

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }
std::string change(double v) { return fmt::format("{:+.5f}", v); }

}  // namespace
}  // namespace espalier
