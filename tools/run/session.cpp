#include "tools/run/session.h"

#include "framework/config/reader.h"
#include "framework/data/hash.h"
#include "framework/deploy/network_file.h"
#include "framework/graph/json.h"
#include "framework/interchange/name_map.h"
#include "framework/interchange/read_tensors.h"
#include "framework/train/checkpoint.h"
#include "tools/run/network_record.h"

namespace espalier {

void say(const CommandOptions& options, const std::string& line) {
  if (!options.quiet) fmt::print(stderr, "{}\n", line);
}

namespace {

/// For fresh weights, where the default (at once) would prune a random initialisation: from an eighth of the
/// training to three quarters of it, so that the last quarter is fine-tuning.
std::string schedule_while_training(int epochs) {
  const int start = std::max(1, epochs / 8), end = std::max(start, epochs * 3 / 4);
  if (end == start) return fmt::format(R"({{"type": "one_shot", "epoch": {}}})", start);
  return fmt::format(R"({{"type": "cubic", "start_epoch": {}, "end_epoch": {}}})", start, end);
}

}  // namespace

RunConfig read_run_config(const CommandOptions& options) {
  JsonDocument document = JsonDocument::load(options.config);
  for (const std::string& assignment : options.overrides) document.apply_override(assignment);
  RunConfig config;
  read_config(document, config);
  if (config.prune && config.checkpoint.empty() && config.train.epochs > 0 && !document.has("prune.schedule")) {
    const std::string schedule = schedule_while_training(config.train.epochs);
    document.apply_override("prune.schedule=" + schedule);
    config = RunConfig();
    read_config(document, config);
    say(options, fmt::format("note: prune.schedule is not given; for a network that trains it is {}", schedule));
  }
  if (!options.output.empty()) config.output = options.output;
  if (!options.map.empty() && options.checkpoint.empty()) {
    if (config.checkpoint.empty())
      fail(ExitCode::usage, "--map {}: renames the tensors of a checkpoint, and {} names none", options.map,
           options.config);
    config.checkpoint.map = options.map;
  }
  return config;
}

namespace {

/// Weights that are zero become pruned ones.
void mask_zeros(ParameterStore& store) {
  const std::span<Real> values = store.values(), mask = store.mask();
  for (const ParameterInfo& p : store.infos())
    for (Index i = p.range.begin; p.role == Role::weight && i < p.range.end; ++i)
      if (values[i] == 0) mask[i] = 0;
}

/// The classes of the checkpoint's network against those of the data. Sorted alike, or said.
void settle_classes(const NetworkRecord& record, const std::string& checkpoint, bool same_classes,
                    const RunConfig& config, Workbench& bench) {
  DataSource& source = bench.data.source;
  if (record.class_names.empty()) return;
  switch (compare_classes(source, record.class_names)) {
    case ClassOrder::same:
      break;
    case ClassOrder::permuted:
      bench.notices.push_back(fmt::format(
          "the classes of the data are {}; they are renumbered in the order of the outputs of {}: {}",
          class_list(source.class_names), checkpoint, class_list(record.class_names)));
      reorder_classes(source, record.class_names);
      break;
    case ClassOrder::different:
      if (same_classes && config.data.class_names.empty())
        fail(
            ExitCode::data,
            "{}: its outputs are the classes {}, and the data have the classes {}. Point data.source at data of "
            "the same classes; if these mean the same, say so by data.class_names with the names of the data",
            checkpoint, class_list(record.class_names), class_list(source.class_names));
      bench.notices.push_back(fmt::format("the outputs of {} were the classes {}; from now on they are {}",
                                          checkpoint, class_list(record.class_names),
                                          class_list(source.class_names)));
  }
}

}  // namespace

namespace {

/// A compact file describes its network; if that is another than the config's (dead channels have left), it
/// takes its place.
void adopt_network(RunConfig& config, const WeightsFile& file, const std::string& path, const Shape& image,
                   int classes, std::vector<std::string>& notices) {
  const auto described = file.metadata.find(model_key);
  if (described == file.metadata.end()) return;
  Variant<ModelSettings> own;
  read_fields(JsonDocument::parse(fmt::format("{{\"model\": {}}}", described->second), path),
              [&](Fields& f) { f.required().variant("model", own, "the network"); });
  if (to_json(own->graph(image, classes)) == to_json(config.model->graph(image, classes))) return;
  notices.push_back(
      fmt::format("{} describes its own network, which takes the place of the config's \"model\" ({})", path,
                  config.model.type));
  config.model = std::move(own);
}

}  // namespace

namespace {

/// Files that the config names and that are not there, besides the data; a sentence each.
std::vector<std::string> absent_files(const RunConfig& config, const Start& start) {
  std::vector<std::string> absent;
  const auto look = [&](const std::string& setting, const std::string& path) {
    std::error_code unknown;
    if (!path.empty() && !std::filesystem::exists(path, unknown))
      absent.push_back(fmt::format("{}: {} does not exist (looked for beside the config and in the working folder)",
                                   path, setting));
  };
  look("the checkpoint", start.checkpoint.path);
  look("the map of its names", start.checkpoint.map);
  if (config.prune) look("prune.index_file", config.prune->index_file);
  if (config.sweep) look("sweep.published", config.sweep->published);
  return absent;
}

/// Opens the data; what else is missing is said with them, not one a run.
LoadedData open_all(const RunConfig& config, DataUse use, const std::vector<std::string>& absent) {
  try {
    LoadedData data = open_data(config.data, use);
    if (absent.size() > 1) fail(ExitCode::checkpoint, "{}", fmt::join(absent, "\n"));
    return data;
  } catch (const Error& e) {
    if (e.code() != ExitCode::data || absent.empty()) throw;
    fail(e.code(), "{}\n{}", e.what(), fmt::join(absent, "\n"));
  }
}

}  // namespace

Workbench prepare(RunConfig& config, const Start& start) {
  Workbench bench;
  const std::string& checkpoint = start.checkpoint.path;
  const std::vector<std::string> absent = absent_files(config, start);
  const std::string& described = start.described_by.empty() ? checkpoint : start.described_by;
  std::optional<NetworkRecord> record;
  std::error_code unknown;
  if (!described.empty() && (absent.empty() || std::filesystem::exists(described, unknown)))
    record = read_network_record(described);
  if (record) bench.notices = apply_record(*record, config.data, described);
  Provenance& recorded = config.provenance;
  const bool whole = !start.test_only || (!recorded.data_hash.empty() && recorded.test_hash.empty());
  bench.data = open_all(config, whole ? DataUse::all : DataUse::test, absent);
  const DataSource& source = bench.data.source;
  const auto compare = [](const char* name, const std::string& then, const std::string& now) {
    if (!then.empty() && then != now)
      fail(
          ExitCode::data,
          "the data are not those the config was recorded with: provenance.{} is {}, the data's SHA-256 is {}. "
          "Point data.source at the same files, or remove provenance from the config",
          name, then, now);
  };
  if (source.train.size() > 0) compare("data_hash", recorded.data_hash, source.hash);
  compare("test_hash", recorded.test_hash, source.test_hash);
  if (record && !start.new_head) settle_classes(*record, described, start.same_classes, config, bench);
  bench.notices.insert(bench.notices.end(), bench.data.source.notices.begin(),
                       bench.data.source.notices.end());
  recorded.data_hash = source.hash;
  recorded.test_hash = source.test_hash;
  config.provenance.threads = 0;
  config.provenance.instruction_set.clear();
  config.data.normalize =
      bench.data.preprocessing.normalization;  // measured or not, from here on it is known
  config.data.class_names = bench.data.source.class_names;
  config.data.channels = bench.data.source.train.channels;
  bench.model = build_network(config, start, bench.data, &bench.notices);
  return bench;
}

std::unique_ptr<Model> build_network(RunConfig& config, const Start& start, const LoadedData& data,
                                     std::vector<std::string>* notices) {
  const Preprocessing& p = data.preprocessing;
  const Shape image{p.height, p.width, data.source.train.channels};
  const int classes = data.source.classes();
  const std::string& checkpoint = start.checkpoint.path;
  std::vector<std::string> found;
  const auto note = [&](const std::vector<std::string>& more) { found.insert(found.end(), more.begin(), more.end()); };
  WeightsFile weights;
  if (!checkpoint.empty()) {
    weights = read_weights(checkpoint);
    if (!start.checkpoint.map.empty()) NameMap::read(start.checkpoint.map).apply(weights, checkpoint);
    adopt_network(config, weights, checkpoint, image, classes, found);
    note(weights.notices);
  }
  std::unique_ptr<Model> model = config.model->build(image, classes, config.seed, config.new_head);
  if (!checkpoint.empty()) {
    LoadOptions options{.partial = start.checkpoint.partial, .fresh = {}};
    if (start.new_head) options.fresh = head_parameters(model->graph());
    note(load_weights(weights, checkpoint, *model, options));
  }
  if (config.masks == InitialMasks::zeros || start.checkpoint.masks == InitialMasks::zeros)
    mask_zeros(model->store());
  note(apply_rates(config.train, *model));
  if (notices) notices->insert(notices->end(), found.begin(), found.end());
  return model;
}

Start beginning_of(const RunConfig& config) {
  return {.checkpoint = config.checkpoint, .new_head = config.new_head};
}

Start start_to_read(const CommandOptions& options, const RunConfig& config) {
  if (!options.checkpoint.empty()) return {.checkpoint = {.path = options.checkpoint, .map = options.map}};
  std::error_code unknown;
  const std::filesystem::path of_run = run_directory(config) / "checkpoint.safetensors";
  if (std::filesystem::exists(of_run, unknown)) return {.checkpoint = {.path = of_run.string()}};
  return beginning_of(config);
}

void set_provenance(RunConfig& config, const std::string& verb, std::span<const Real> weights) {
  Provenance& made_by = config.provenance;
  made_by.version = ESPALIER_VERSION;
  made_by.verb = verb;
  made_by.weights_hash.clear();
  if (!weights.empty())
    made_by.weights_hash = sha256({reinterpret_cast<const char*>(weights.data()), weights.size_bytes()});
  made_by.threads = 0;
  config.output.clear();  // where a run lies is no part of what it is: folders may be moved
}

Earlier earlier_of(const CommandOptions& options) {
  if (options.overwrite) return Earlier::replace;
  if (!options.resume) return Earlier::refuse;
  return options.replace_other ? Earlier::resume_or_replace : Earlier::resume;
}

std::filesystem::path run_directory(const RunConfig& config) {
  const std::string& name = config.name;
  if (config.output.empty() &&
      (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos))
    fail(ExitCode::config,
         "name is \"{}\"; it names a folder in runs/, so it must not be empty, \".\" or \"..\" nor hold a "
         "\"/\". "
         "output (or --output) may be any folder",
         name);
  return config.output.empty() ? std::filesystem::path("runs") / config.name
                               : std::filesystem::path(config.output);
}

}  // namespace espalier
