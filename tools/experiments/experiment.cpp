#include "tools/experiments/experiment.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "framework/config/reader.h"
#include "framework/config/suggest.h"
#include "framework/core/check.h"
#include "tools/experiments/vary.h"
#include "tools/run/rows.h"

namespace espalier {

using Json = nlohmann::ordered_json;

void ExperimentMethod::fields(Fields& f) {
  f.required()("name", name, "row of the table");
  f("published", published, "method of the published table that this one is held against");
  f.json("config", config, "what it changes in the part's config");
}

void ExperimentPart::fields(Fields& f) {
  f.required()("name", name, "names the part's folder of runs and its rows in the results");
  f("title", title, "heading of its table");
  f.one_of("verb", verb,
           {{"train", std::string("train")},
            {"prune", std::string("prune")},
            {"sweep", std::string("sweep")},
            {"curvature", std::string("curvature")}},
           "what runs each cell");
  f("start_from", start_from,
    "an earlier part that trains: start from its network of the same seed, or of its only one");
  f("choose_from", choose_from,
    "an earlier part: for each value (for the whole run, if nothing varies) only the method that had the "
    "best "
    "mean accuracy there");
  f.json("config", config, "what the part changes in the experiment's config");
  f("vary", vary, "path of the setting that takes each of the values, such as prune.schedule.final_sparsity");
  f.json("values", values, "list of its values: columns of the table");
  f.objects("methods", methods, "rows of the table; none: one row");
  f("seeds", seeds, "seeds of this part; empty: the experiment's", {.low = 0});
  f("show", show,
    "columns of the results, each a table and a chart; layer_sparsity: a table of every layer's sparsity");
  f("every_level", every_level,
    "each level of prune.schedule is a result: columns of the table are the sparsities on the way");
  f("pictures", pictures, "names in the plots folder of a run, kept of the first seed by --record");
}

std::vector<std::string> ExperimentPart::method_names() const {
  std::vector<std::string> names;
  for (const ExperimentMethod& m : methods) names.push_back(m.name);
  return names;
}

void ExperimentQuick::fields(Fields& f) {
  f.json("config", config, "what changes in every config");
  f("parts", parts, "parts that are run; empty: all");
  f.json("values", values, "values that are run, of those of each part; empty: all");
  f("seeds", seeds, "seeds in place of all others", {.low = 0});
}

void Experiment::fields(Fields& f) {
  f.required()("title", title, "of the experiment");
  f("about", about, "what it shows");
  f("data", data, "which images, and whether they are those of the published numbers");
  f("published", published, "file in this folder with the published accuracies (as configs/published)");
  f("differences", differences, "where our protocol departs from the published one");
  f("seeds", seeds, "seeds of every cell", {.low = 0});
  f.json("config", config, "what all runs have in common");
  f.required().objects("parts", parts, "tables, in the order in which they are run");
  f.object("quick", quick, "the smaller version that --quick runs");
}

const ExperimentPart& Experiment::part(const std::string& name) const {
  const auto found =
      std::find_if(parts.begin(), parts.end(), [&](const ExperimentPart& p) { return p.name == name; });
  require(found != parts.end(), "no part {}", name);
  return *found;
}

namespace {

/// A name that is one folder, with anything unusual replaced.
std::string as_folder(const std::string& text) {
  std::string folder;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
    if (plain)
      folder += c;
    else if (!folder.empty() && folder.back() != '-')
      folder += '-';
  }
  while (!folder.empty() && folder.back() == '-') folder.pop_back();
  return folder.empty() ? "-" : folder;
}

/// Refuses quantities that no row of results has.
void check_shown(const ExperimentPart& part, const std::string& where) {
  const std::vector<RowKind> kinds{kind_of<ResultRow>(), kind_of<DoneRow>(), kind_of<CellRow>(),
                                   kind_of<CurvatureRow>(), kind_of<PruneRow>()};
  std::vector<std::string> names{"layer_sparsity"};
  for (const RowKind& kind : kinds)
    for (const Column& c : kind.columns) names.push_back(c.shown());
  for (const std::string& quantity : part.show)
    if (quantity != "layer_sparsity" && std::none_of(kinds.begin(), kinds.end(), [&](const RowKind& kind) {
          return kind.find(quantity) != nullptr;
        }))
      fail(ExitCode::config,
           "{} holds \"{}\"{}, which is no column of results; `espalier columns` lists them all", where,
           quantity, did_you_mean(quantity, names));
}

void check_references(const Experiment& e, const std::string& file) {
  std::vector<std::string> before;
  for (std::size_t i = 0; i < e.parts.size(); ++i) {
    const ExperimentPart& p = e.parts[i];
    const auto at = [&](const char* key) { return fmt::format("{}: parts.{}.{}", file, i, key); };
    if (std::find(before.begin(), before.end(), p.name) != before.end())
      fail(ExitCode::config, "{} is \"{}\", as an earlier part's; give each its own", at("name"), p.name);
    for (const auto& [key, other] : {std::pair{"start_from", p.start_from}, {"choose_from", p.choose_from}})
      if (!other.empty() && std::find(before.begin(), before.end(), other) == before.end())
        fail(ExitCode::config, "{} is \"{}\"{}; it must name a part that comes before (there: {})", at(key),
             other, did_you_mean(other, before),
             before.empty() ? "none" : fmt::format("{}", fmt::join(before, ", ")));
    if (!p.choose_from.empty() && !p.methods.empty())
      fail(ExitCode::config, "{}: methods come from {}; leave them out", at("methods"), p.choose_from);
    std::set<std::string> folders;
    for (const ExperimentMethod& m : p.methods)
      if (!folders.insert(as_folder(m.name)).second)
        fail(ExitCode::config, "{}: \"{}\" is there twice (or differs from another in signs only)",
             at("methods"), m.name);
    if (!Json::parse(p.values).is_array() || p.vary.empty() != Json::parse(p.values).empty())
      fail(ExitCode::config, "{} must be a list, and comes together with \"vary\"", at("values"));
    if (p.every_level && (p.verb != "prune" || !p.vary.empty()))
      fail(
          ExitCode::config,
          "{} is true, but the part {}; its columns are the levels of one run's schedule: use verb \"prune\" "
          "and no \"vary\"",
          at("every_level"), p.verb != "prune" ? "does not prune" : "varies " + p.vary);
    check_shown(p, at("show"));
    before.push_back(p.name);
  }
}

void fill_in(Json& json, const std::vector<std::pair<std::string, std::string>>& places) {
  if (json.is_string()) {
    auto text = json.get<std::string>();
    for (const auto& [name, path] : places)
      if (const auto at = text.find(name); at != std::string::npos) text.replace(at, name.size(), path);
    json = text;
  } else if (json.is_structured()) {
    for (Json& element : json) fill_in(element, places);
  }
}

}  // namespace

Experiment read_experiment(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "experiment.json";
  Experiment experiment;
  read_config(JsonDocument::load(file), experiment);
  experiment.folder = folder;
  if (experiment.parts.empty())
    fail(ExitCode::config, "{}: parts is empty; name at least one", file.string());
  check_references(experiment, file.string());
  return experiment;
}

std::string ExperimentCell::label() const {
  std::string text = part->name;
  if (method) text += ", " + method->name;
  if (!value.empty()) text += fmt::format(", {} {}", part->varied(), value);
  return text + fmt::format(", seed {}", seed);
}

std::string shown(const std::string& value) {
  if (value.empty()) return "";
  const Json v = Json::parse(value);
  return v.is_number()   ? fmt::format("{:g}", v.get<double>())
         : v.is_string() ? v.get<std::string>()
                         : v.dump();
}

std::string ExperimentCell::shown_value() const { return shown(value); }

std::filesystem::path ExperimentCell::results_folder() const {
  return part->verb == "curvature" ? folder / "curvature" : folder;
}

std::vector<ExperimentCell> cells_of(const Experiment& experiment, const ExperimentPart& part,
                                     const ExperimentPlaces& places, bool quick, const BestMethod& best) {
  const ExperimentQuick& q = experiment.quick;
  if (quick && !q.parts.empty() && std::find(q.parts.begin(), q.parts.end(), part.name) == q.parts.end())
    return {};
  const std::vector<int>& seeds = quick ? q.seeds : part.seeds.empty() ? experiment.seeds : part.seeds;
  const Json only = Json::parse(q.values);
  std::vector<std::string> values;
  for (const Json& v : Json::parse(part.values))
    if (!quick || only.empty() || std::find(only.begin(), only.end(), v) != only.end())
      values.push_back(v.dump());
  if (part.vary.empty()) values.assign(1, "");
  const ExperimentPart& source = part.choose_from.empty() ? part : experiment.part(part.choose_from);
  std::vector<const ExperimentMethod*> methods;
  for (const ExperimentMethod& m : source.methods) methods.push_back(&m);
  if (methods.empty()) methods.push_back(nullptr);

  std::vector<ExperimentCell> cells;
  for (const int seed : seeds)
    for (const ExperimentMethod* method : methods)
      for (const std::string& value : values) {
        if (&source != &part && method->name != best(source, value)) continue;
        Json config = Json::parse(experiment.config);
        // A chosen method runs as it was chosen, but for what its new part changes.
        if (&source != &part) patch(config, Json::parse(source.config));
        patch(config, Json::parse(part.config));
        if (method) patch(config, Json::parse(method->config));
        if (!value.empty()) set_at(config, part.vary, Json::parse(value));
        config["seed"] = seed;
        if (quick) patch(config, Json::parse(q.config));
        std::filesystem::path folder = places.runs / as_folder(part.name);
        if (method) folder /= as_folder(method->name);
        if (!value.empty()) folder /= as_folder(value);
        folder /= fmt::format("seed-{}", seed);
        std::filesystem::path starts_from;
        if (!part.start_from.empty()) {
          const ExperimentPart& start = experiment.part(part.start_from);
          const int of = start.seeds.size() == 1 ? start.seeds.front() : seed;
          starts_from = places.runs / as_folder(start.name) / fmt::format("seed-{}", of);
          config["checkpoint"] = (starts_from / "checkpoint.safetensors").string();
        }
        config["name"] = part.name;
        fill_in(config, {{"${DATA}", places.data.string()},
                         {"${CHECKPOINTS}", places.checkpoints.string()},
                         {"${EXPERIMENT}", experiment.folder.string()}});
        cells.push_back({&part, method, value, seed, config.dump(2), folder, starts_from});
      }
  return cells;
}

}  // namespace espalier
