#include "tools/verbs/plan_table.h"

#include <cmath>

#include "framework/io/table.h"

namespace espalier {

std::string plan_table(const SparseEngine& engine) {
  Table table({"step", "density", "one image: dense us", "sparse", "runs", "batch: dense us/image", "sparse",
               "runs"});
  const auto number = [](double us) {
    return std::isfinite(us) ? fmt::format("{:.2f}", us) : std::string("-");
  };
  for (const StepTimes& t : engine.times()) {
    const auto way = [](const StepTimes::Ways& w) { return std::string(w.chosen ? "sparse" : "dense"); };
    table.add({t.step, fmt::format("{:.3f}", t.density), number(t.one.dense), number(t.one.sparse),
               way(t.one), number(t.batch.dense), number(t.batch.sparse), way(t.batch)});
  }
  return table.str();
}

}  // namespace espalier
