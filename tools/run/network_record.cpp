#include "tools/run/network_record.h"

#include <nlohmann/json.hpp>

#include "framework/config/reader.h"
#include "framework/config/writer.h"
#include "framework/interchange/read_tensors.h"
#include "framework/io/file_kind.h"
#include "framework/io/safetensors.h"

namespace espalier {
namespace {

bool same(const Normalization& a, const Normalization& b) { return a.mean == b.mean && a.std == b.std; }

}  // namespace

void NetworkRecord::fields(Fields& f) {
  const Limits extent{.low = 1, .high = 65536};
  f.required().json("model", model, "the network, as in a config");
  f.required()("height", height, "of the images it sees, in pixels", extent);
  f.required()("width", width, "of the images it sees, in pixels", extent);
  f.required()("channels", channels, "of the images it sees", extent);
  fit.fields(f);
  f("pad_to", pad_to, "height and width images are padded to; 0: not at all", {.low = 0, .high = 65536});
  f.object("normalize", normalize, "constants of (pixel / 255 - mean) / std");
  f.required()("class_names", class_names, "of its outputs, in their order");
}

std::string network_json(RunConfig& config, const LoadedData& data) {
  NetworkRecord record;
  record.model = nlohmann::ordered_json::parse(
                     write_fields([&](Fields& f) { f.variant("model", config.model, ""); }))["model"]
                     .dump();
  record.height = data.preprocessing.height;
  record.width = data.preprocessing.width;
  record.channels = data.source.train.channels;
  record.fit = config.data.fit;
  record.pad_to = config.data.pad_to;
  record.normalize = data.preprocessing.normalization;
  record.class_names = data.source.class_names;
  return resolved_json(record);
}

std::optional<NetworkRecord> read_network_record(const std::filesystem::path& path) {
  std::map<std::string, std::string> metadata;
  try {
    // Of a plain file the beginning is enough.
    metadata = kind_of_file(path) == FileKind::safetensors ? read_safetensors_metadata(path)
                                                           : read_weights(path).metadata;
  } catch (const Error&) {
    return std::nullopt;  // loading it says what is wrong
  }
  const auto found = metadata.find("network");
  if (found == metadata.end()) return std::nullopt;
  NetworkRecord record;
  read_fields(
      JsonDocument::parse(found->second, path.string() + ": network", ExitCode::checkpoint),
      [&](Fields& f) { record.fields(f); }, ExitCode::checkpoint);
  return record;
}

std::vector<std::string> apply_record(const NetworkRecord& record, DataConfig& config,
                                      const std::string& checkpoint) {
  std::vector<std::string> notices;
  if (!config.normalize)
    config.normalize = record.normalize;
  else if (!same(*config.normalize, record.normalize))
    notices.push_back(
        fmt::format("data.normalize is not that of {} (mean {:.4g}, std {:.4g}); the config's is used",
                    checkpoint, fmt::join(record.normalize.mean, " "), fmt::join(record.normalize.std, " ")));
  if (config.channels == 0) config.channels = record.channels;
  if (!config.fit.any())
    config.fit = record.fit;
  else if (config.fit != record.fit)
    notices.push_back(fmt::format(
        "data.resize and data.crop are {} and {}x{}, those of {} are {} and {}x{}; the config's are used",
        config.fit.resize, config.fit.height(), config.fit.width(), checkpoint, record.fit.resize,
        record.fit.height(), record.fit.width()));
  if (config.pad_to == 0)
    config.pad_to = record.pad_to;
  else if (config.pad_to != record.pad_to)
    notices.push_back(fmt::format("data.pad_to is {}, that of {} is {}; the config's is used", config.pad_to,
                                  checkpoint, record.pad_to));
  return notices;
}

}  // namespace espalier
