#include "tools/benchmark/benchmark.h"

#include <algorithm>
#include <functional>
#include <map>

#include "framework/config/suggest.h"
#include "tools/benchmark/benchmark_jobs.h"

namespace espalier {
namespace {

void require_known(const char* what, const std::vector<std::string>& given,
                   const std::vector<std::string>& all) {
  for (const std::string& name : given)
    if (std::find(all.begin(), all.end(), name) == all.end())
      fail(ExitCode::usage, "benchmark has no {} \"{}\"{} (it has {})", what, name, did_you_mean(name, all),
           fmt::join(all, ", "));
}

}  // namespace

void benchmark_command(const BenchmarkOptions& options) {
  using Job = void (*)(const BenchmarkOptions&, const std::string&, int);
  const std::vector<std::pair<std::string, Job>> jobs{
      {"train", benchmark_train},   {"infer", benchmark_infer}, {"pergrad", benchmark_pergrad},
      {"fisher", benchmark_fisher}, {"data", benchmark_data},   {"conv", benchmark_conv},   {"sparse", benchmark_sparse},
      {"pictures", benchmark_pictures}};
  std::vector<std::string> names;
  for (const auto& job : jobs) names.push_back(job.first);
  require_known("job", options.jobs, names);
  std::vector<std::string> ours = options.models;
  std::erase_if(ours, is_onnx);
  require_known("model", ours, benchmark_models());
  raise_priority();
  print_header();
  for (const auto& [name, run] : jobs) {
    if (std::find(options.jobs.begin(), options.jobs.end(), name) == options.jobs.end()) continue;
    if (name == "data") benchmark_startup(options);
    for (const std::string& model : options.models)
      for (const int count : options.threads) {
        set_threads(count);
        run(options, model, count);
      }
  }
}

}  // namespace espalier
