#include "tools/espalier/session.h"

#include "framework/config/reader.h"
#include "framework/train/checkpoint.h"

namespace espalier {

RunConfig read_run_config(const CommandOptions& options) {
  JsonDocument document = JsonDocument::load(options.config);
  for (const std::string& assignment : options.overrides) document.apply_override(assignment);
  RunConfig config;
  read_config(document, config);
  if (!options.output.empty()) config.output = options.output;
  return config;
}

Workbench prepare(RunConfig& config, const std::string& checkpoint) {
  Workbench bench;
  bench.data = open_data(config.data);
  std::string& recorded = config.provenance.data_hash;
  if (!recorded.empty() && recorded != bench.data.source.hash)
    fail(ExitCode::data,
         "the data are not those the config was recorded with: provenance.data_hash is {}, the data's "
         "SHA-256 is {}. Point data.source "
         "at the same files, or remove provenance from the config",
         recorded, bench.data.source.hash);
  recorded = bench.data.source.hash;
  config.provenance.threads = 0;
  const Preprocessing& p = bench.data.preprocessing;
  bench.model = config.model->build({p.height, p.width, bench.data.source.train.channels},
                                    bench.data.source.classes(), config.seed);
  if (!checkpoint.empty()) load_checkpoint(checkpoint, *bench.model);
  return bench;
}

std::filesystem::path run_directory(const RunConfig& config) {
  return config.output.empty() ? std::filesystem::path("runs") / config.name
                               : std::filesystem::path(config.output);
}

}  // namespace espalier
