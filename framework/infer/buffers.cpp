#include "framework/infer/buffers.h"

#include <algorithm>
#include <map>

namespace espalier {
namespace {

/// Memory by first fit: the lowest gap that is large enough.
class FirstFit {
 public:
  Index take(Index size) {
    Index at = 0;
    for (const auto& [begin, end] : taken_) {
      if (begin - at >= size) break;
      at = end;
    }
    taken_[at] = at + size;
    largest_ = std::max(largest_, at + size);
    return at;
  }
  void give_back(Index begin) { taken_.erase(begin); }
  Index largest() const { return largest_; }

 private:
  std::map<Index, Index> taken_;  // begin -> end
  Index largest_ = 0;
};

}  // namespace

BufferPlan plan_buffers(const Graph& graph, const std::vector<bool>& in_place) {
  constexpr Index line = 64 / static_cast<Index>(sizeof(Real));
  const auto size_of = [&](ValueId id) { return (graph.shape(id).size() + line - 1) / line * line; };
  std::vector<std::size_t> last_read(graph.values.size(), 0);
  std::vector<bool> callers(graph.values.size(), false);
  callers[graph.input] = true;
  for (const ValueId id : graph.outputs) callers[id] = true;
  for (std::size_t s = 0; s < graph.steps.size(); ++s)
    for (const ValueId id : graph.steps[s].inputs) last_read[id] = s;

  BufferPlan plan{std::vector<Index>(graph.values.size(), BufferPlan::outside), 0};
  FirstFit memory;
  for (std::size_t s = 0; s < graph.steps.size(); ++s) {
    const Step& step = graph.steps[s];
    const ValueId first = step.inputs[0];
    const auto dies = [&](ValueId id) { return !callers[id] && last_read[id] == s; };
    bool replaced = false;
    if (!callers[step.output]) {
      // Not where the first input is also read as another input: it would be written while it is read.
      replaced = in_place[s] && dies(first) && size_of(first) == size_of(step.output) &&
                 std::count(step.inputs.begin(), step.inputs.end(), first) == 1;
      plan.offsets[step.output] = replaced ? plan.offsets[first] : memory.take(size_of(step.output));
    }
    std::vector<ValueId> read = step.inputs;
    std::sort(read.begin(), read.end());
    read.erase(std::unique(read.begin(), read.end()), read.end());
    for (const ValueId id : read)
      if (dies(id) && !(replaced && id == first)) memory.give_back(plan.offsets[id]);
  }
  plan.size = memory.largest();
  return plan;
}

}  // namespace espalier
