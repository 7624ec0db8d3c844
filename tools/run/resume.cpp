#include "tools/run/resume.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "framework/config/reader.h"
#include "framework/io/json_text.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

struct Difference {
  std::string path;
  Json before, now;
};

/// The smallest parts in which two documents differ. A variant of another type differs as a whole.
void compare(const std::string& path, const Json& before, const Json& now, std::vector<Difference>& found) {
  if (before == now) return;
  const auto type = [](const Json& j) { return j.contains("type") ? j["type"] : Json(); };
  if (!before.is_object() || !now.is_object() || type(before) != type(now)) {
    found.push_back({path, before, now});
    return;
  }
  const auto member = [](const Json& j, const std::string& key) { return j.contains(key) ? j[key] : Json(); };
  const auto inner = [&](const std::string& key) {
    compare(path.empty() ? key : path + "." + key, member(before, key), member(now, key), found);
  };
  for (const auto& [key, value] : now.items()) inner(key);
  for (const auto& [key, value] : before.items())
    if (!now.contains(key)) inner(key);
}

bool within(const std::string& path, const std::string& section) {
  return path == section || path.starts_with(section + ".");
}

/// Whether two rates are the same at all times that have passed; a run of `epochs` in both cases.
bool same_past(const LearningRateSettings& a, const LearningRateSettings& b, double passed, int epochs) {
  constexpr int per_epoch = 16;
  const auto last = static_cast<int>(std::ceil(passed * per_epoch));
  for (int i = 0; i < last; ++i) {
    const double t = static_cast<double>(i) / per_epoch;
    if (t < passed && a.at(t, epochs) != b.at(t, epochs)) return false;
  }
  return true;
}

/// The events that are over.
std::vector<ScheduleEvent> past_events(const RunConfig& config, const ResumePoint& point) {
  std::vector<ScheduleEvent> events;
  if (!config.prune) return events;
  for (const ScheduleEvent& e : config.prune->schedule->events())
    if (e.epoch < point.epoch || (e.epoch == point.epoch && point.hook_done)) events.push_back(e);
  return events;
}

bool equal(const std::vector<ScheduleEvent>& a, const std::vector<ScheduleEvent>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const ScheduleEvent& x, const ScheduleEvent& y) {
                      return x.epoch == y.epoch && x.sparsity == y.sparsity;
                    });
}

}  // namespace

std::vector<std::string> accept_changes(const ResumePoint& point, const RunConfig& now,
                                        const std::string& resolved, const std::vector<MetricsRow>& rows,
                                        const std::filesystem::path& state) {
  const std::string name = state.string() + ": resolved_config";
  std::vector<Difference> found;
  compare("", parse_json(point.resolved_config, name, ExitCode::checkpoint), Json::parse(resolved), found);
  // What other verbs read, where and under what name a run lies, and what results do not depend on.
  std::erase_if(found, [](const Difference& d) {
    return within(d.path, "curvature") || within(d.path, "sweep") || d.path == "name" || d.path == "output" ||
           d.path == "baseline" || d.path == "train.tensorboard" || d.path == "data.workers" ||
           d.path == "data.cache_mb";
  });
  if (found.empty()) return {};

  std::vector<std::string> accepted, refused;
  const auto version = std::find_if(found.begin(), found.end(),
                                    [](const Difference& d) { return d.path == "provenance.version"; });
  if (version != found.end())
    fail(ExitCode::config,
         "{}: the run was begun by version {} of this program, and this is {}; start it anew "
         "(--overwrite), or finish it with that version",
         state.string(), shown(version->before), shown(version->now));
  RunConfig before;
  read_fields(
      JsonDocument::parse(point.resolved_config, name, ExitCode::checkpoint),
      [&](Fields& f) { before.fields(f); }, ExitCode::checkpoint);
  const double passed = point.epoch + (point.step > 0 ? 1 : 0);
  const auto kept = std::min<std::size_t>(rows.size(), static_cast<std::size_t>(point.metrics_rows));
  const bool pruned = std::any_of(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(kept),
                                  [](const MetricsRow& r) { return text(r, "event") == "prune"; });
  for (const Difference& d : found) {
    const std::string change = fmt::format("{}: {} -> {}", d.path, shown(d.before), shown(d.now));
    std::string why = "it has been used already";
    bool fine = false;
    if (d.path == "train.epochs") {
      fine = now.train.epochs >= passed;
      why = fmt::format("{} epochs are done or begun", passed);
    } else if (within(d.path, "train.learning_rate")) {
      fine = same_past(*before.train.learning_rate.settings, *now.train.learning_rate.settings, passed,
                       before.train.epochs);
      why = "the rates of the epochs that are over would have been others";
    } else if (within(d.path, "prune.schedule") || (within(d.path, "prune") && !pruned)) {
      fine = equal(past_events(before, point), past_events(now, point));
      why = "pruning steps that are over, or would have been due, are others";
    } else if (within(d.path, "prune")) {
      why = "a pruning step has used it already";
    } else if (d.path == "train.recompute") {
      fine = true;  // the bits are the same
    } else if (d.path == "provenance.data_hash") {
      why = "the data are others";
    } else if (within(d.path, "checkpoint")) {
      why = "the run has begun from it";
    }
    (fine ? accepted : refused).push_back(fine ? change : fmt::format("{} ({})", change, why));
  }
  if (!refused.empty())
    fail(
        ExitCode::config,
        "{}: the run stopped there had another configuration, and can't go on with\n    {}\nResume with the old "
        "values (they are in the folder's config.json), or choose another --output",
        state.string(), fmt::join(refused, "\n    "));
  return accepted;
}

}  // namespace espalier
