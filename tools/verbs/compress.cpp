// compress.cpp: the verb `espalier compress`: dead channels leave, kept weights are written compactly, and
// what each type of values costs in accuracy is measured.
#include "tools/verbs/compress.h"

#include <optional>

#include "framework/config/reader.h"
#include "framework/config/writer.h"
#include "framework/core/check.h"
#include "framework/core/parallel.h"
#include "framework/deploy/network_file.h"
#include "framework/graph/thin/thin.h"
#include "framework/infer/engine.h"
#include "framework/io/atomic_file.h"
#include "framework/io/compact/compact_file.h"
#include "framework/io/progress.h"
#include "framework/io/table.h"
#include "framework/train/trainer.h"
#include "tools/run/run_config.h"
#include "tools/run/session.h"
#include "tools/verbs/subject.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

/// The data of the config, if they can be had.
std::optional<LoadedData> try_open(const Subject& s, std::vector<std::string>& notes) {
  if (!s.config) return std::nullopt;
  try {
    return open_data(s.config->data);
  } catch (const Error& e) {
    if (e.code() != ExitCode::data && e.code() != ExitCode::config) throw;
    notes.push_back(fmt::format("accuracy is not measured: {}", e.what()));
    return std::nullopt;
  }
}

/// Table of the layers that lost channels, and what stayed.
std::string describe(const Thinned& thinned) {
  Table table({"thinned", "channels", "weights"});
  bool any = false;
  for (const ThinnedLayer& l : thinned.layers) {
    if (l.weights == l.weights_before) continue;
    any = true;
    table.add({l.name, fmt::format("{} of {}", format_count(l.outputs), format_count(l.outputs_before)),
               fmt::format("{} of {}", format_count(l.weights), format_count(l.weights_before))});
  }
  std::string text = any ? table.str("  ") : "  no channel is dead\n";
  for (const std::string& note : thinned.notes) text += fmt::format("  note: {}\n", note);
  return text + "\n";
}

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

std::string describe(const std::vector<CompactTensor>& tensors) {
  Table table({"tensor", "values", "stored", "sparsity", "type", "positions", "bytes", "bound"},
              {Align::left, Align::right, Align::right, Align::right, Align::left, Align::left, Align::right,
               Align::right});
  CompactTensor all{"all tensors"};
  for (const CompactTensor& t : tensors) {
    const double absent = t.size ? 1 - static_cast<double>(t.stored) / static_cast<double>(t.size) : 0;
    table.add({t.name, format_count(t.size), format_count(t.stored), percent(absent),
               std::string(name_of(t.type)), std::string(name_of(t.code)),
               format_count(t.position_bytes + t.value_bytes), format_count(std::llround(t.bound))});
    all.size += t.size;
    all.stored += t.stored;
    all.value_bytes += t.position_bytes + t.value_bytes;
    all.bound += t.bound;
  }
  table.rule();
  table.add({all.name, format_count(all.size), format_count(all.stored),
             percent(1 - static_cast<double>(all.stored) / static_cast<double>(all.size)), "", "",
             format_count(all.value_bytes), format_count(std::llround(all.bound))});
  return table.str("  ");
}

ValueType value_type(const std::string& name) {
  for (const ValueType type : {ValueType::float32, ValueType::float16, ValueType::int8})
    if (name == name_of(type)) return type;
  fail(ExitCode::usage, "--dtype is {}; it must be float32, float16 or int8", name);
}

/// Every type of values: size, what that is of the dense network, the entropy bound, and accuracy on the test
/// images.
std::string compare_types(const NetworkFile& network, double dense, const CompressOptions& o,
                          const std::optional<LoadedData>& data) {
  Table table({"file", "bytes", "dense/file", "bound", "file/bound", "test accuracy", "test loss"});
  const WeightsFile exact = weights_file_of(network);
  table.add({"dense float32", format_count(std::llround(dense))});
  for (const ValueType type : {ValueType::float32, ValueType::float16, ValueType::int8}) {
    const CompactFile file = encode_compact(exact, {type, o.zstd});
    const CompactFile plain = o.zstd ? encode_compact(exact, {type, false}) : file;
    double bound = 0;
    for (const CompactTensor& t : file.tensors) bound += t.bound;
    const auto bytes = static_cast<double>(file.bytes.size());
    std::string accuracy = "-", loss = "-";
    if (data) {
      const WeightsFile again =
          decode_compact(parse_safetensors(plain.bytes, "compact file"), "compact file");
      const Engine engine(network.graph, tensors_of(network.graph, again, "compact file").first);
      const Evaluation found = evaluate(engine, data->source.test, network.task.preprocessing());
      accuracy = percent(found.accuracy);
      loss = fmt::format("{:.4f}", found.loss);
    }
    table.add({std::string(name_of(type)), format_count(file.bytes.size()),
               fmt::format("{:.1f}", dense / bytes), format_count(std::llround(bound)),
               fmt::format("{:.3f}", bytes / bound), accuracy, loss});
  }
  return table.str("  ");
}

/// A config that trains, prunes or evaluates the thinned network.
void write_config(RunConfig& config, const NetworkFile& network, const fs::path& output,
                  const fs::path& path) {
  JsonDocument document = JsonDocument::parse(
      fmt::format("{{\"model\": {}}}", weights_file_of(network).metadata.at(model_key)), path.string());
  read_fields(document, [&](Fields& f) { f.required().variant("model", config.model, "the network"); });
  config.checkpoint = {.path = output.string()};
  config.new_head = false;
  config.output.clear();
  config.name += "-thin";
  write_file_atomically(path, resolved_json(config) + "\n");
}

}  // namespace

void compress_command(const CompressOptions& o) {
  set_threads(o.threads);
  const ValueType type = value_type(o.values);
  Subject s = find_subject(o.input, o.config, o.overrides);
  std::vector<std::string> notes = s.file.notices;
  const bool described = s.file.metadata.contains(model_key) || s.file.metadata.contains(task_key);
  const std::optional<LoadedData> data = o.measure || !described ? try_open(s, notes) : std::nullopt;
  NetworkFile network = network_of(s, data ? &*data : nullptr);
  double dense = 0;
  for (const auto& [name, tensor] : network.weights.tensors)
    dense += 4.0 * static_cast<double>(tensor.size());

  std::string text = fmt::format("{}\n\n", s.checkpoint.string());
  bool changed = false;
  if (o.thin) {
    Thinned thinned = remove_dead_channels(network.graph, network.weights, network.masks);
    text += describe(thinned);
    for (const ThinnedLayer& l : thinned.layers) changed |= l.weights != l.weights_before;
    network.graph = std::move(thinned.graph);
    network.weights = std::move(thinned.weights);
    network.masks = std::move(thinned.masks);
  }
  const CompactFile file = encode_compact(weights_file_of(network), {type, o.zstd});
  text += describe(file.tensors) + "\n" + compare_types(network, dense, o, o.measure ? data : std::nullopt);

  const fs::path output = !o.output.empty()
                              ? fs::path(o.output)
                              : s.folder / (o.zstd ? "compact.safetensors.zst" : "compact.safetensors");
  write_file_atomically(output, file.bytes);
  text += fmt::format("\n  {:<8} {} ({}, {} bytes)\n", "written", output.string(), o.values,
                      format_count(file.bytes.size()));
  if (changed && s.config) {
    const fs::path config = s.folder / "compact.json";
    write_config(*s.config, network, output, config);
    text += fmt::format("  {:<8} {} trains the thinned network on\n", "config", config.string());
  }
  text += fmt::format("  {:<8} espalier predict {} PICTURE.png\n", "use", output.string());
  for (const std::string& note : notes) text += fmt::format("  note: {}\n", note);
  fmt::print("{}", text);
}

}  // namespace espalier
