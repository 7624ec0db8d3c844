// curvature.cpp: `espalier curvature`: blocks of Hessian and Fishers of a network's layers, how alike they
// are as examples are added, as numbers, matrices and pictures. A layer is finished before the next begins,
// and finished layers are not done again by --resume.
#include "tools/curvature/curvature.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/config/writer.h"
#include "framework/core/clock.h"
#include "framework/core/interrupt.h"
#include "framework/core/memory.h"
#include "framework/io/index_file.h"
#include "framework/io/npz.h"
#include "framework/io/progress.h"
#include "pruning/choice/layer_names.h"
#include "pruning/curvature/compare.h"
#include "tools/curvature/curvature_report.h"
#include "tools/explain/lesson_data.h"
#include "tools/report/report.h"
#include "tools/run/rows.h"
#include "tools/run/session.h"

namespace espalier {
namespace {

/// One thing to look at: a layer, or several jointly ("fc2+fc3").
struct Entry {
  std::string name;
  std::vector<ParameterId> layers;
  Index size = 0;
};

std::vector<Entry> entries_of(const CurvatureConfig& config, const Model& model) {
  const auto& infos = model.store().infos();
  std::vector<ParameterId> ids;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].role != Role::weight) continue;
    ids.push_back(static_cast<ParameterId>(i));
    names.push_back(infos[i].layer());
  }
  std::vector<Entry> entries;
  const auto add = [&](const std::vector<std::size_t>& chosen) {
    Entry e;
    for (const std::size_t c : chosen) {
      e.name += (e.name.empty() ? "" : "+") + names[c];
      e.layers.push_back(ids[c]);
      e.size += infos[ids[c]].range.size();
    }
    if (std::none_of(entries.begin(), entries.end(), [&](const Entry& o) { return o.name == e.name; }))
      entries.push_back(std::move(e));
  };
  for (const std::string& pattern : config.layers.empty() ? std::vector<std::string>{"*"} : config.layers) {
    std::vector<std::size_t> joint;
    std::size_t begin = 0;
    for (std::size_t plus = pattern.find('+'); plus != std::string::npos; plus = pattern.find('+', begin)) {
      const auto part = match_names(names, {pattern.substr(begin, plus - begin)}, {});
      joint.insert(joint.end(), part.begin(), part.end());
      begin = plus + 1;
    }
    const auto rest = match_names(names, {pattern.substr(begin)}, {});
    if (begin == 0) {
      for (const std::size_t c : rest) add({c});
      continue;
    }
    joint.insert(joint.end(), rest.begin(), rest.end());
    std::sort(joint.begin(), joint.end());
    joint.erase(std::unique(joint.begin(), joint.end()), joint.end());
    add(joint);
  }
  return entries;
}

std::vector<Index> chosen_examples(const CurvatureConfig& config, Index available, std::uint64_t seed) {
  const Index needed = *std::max_element(config.examples.begin(), config.examples.end());
  std::vector<Index> chosen;
  if (config.index_file.empty()) {
    chosen.resize(available);
    std::iota(chosen.begin(), chosen.end(), Index{0});
    Random(seed, Random::Use::fisher, {0}).shuffle(chosen);
  } else {
    chosen = read_index_file(config.index_file, "curvature.index_file");
    for (const Index i : chosen)
      if (i < 0 || i >= available)
        fail(ExitCode::data, "{}: example {} is not in the training set of {} images", config.index_file, i,
             available);
  }
  if (needed > static_cast<Index>(chosen.size()))
    fail(ExitCode::config, "curvature.examples asks for {} examples, {} has {}", format_count(needed),
         config.index_file.empty() ? "the training set" : config.index_file,
         format_count(static_cast<Index>(chosen.size())));
  chosen.resize(needed);
  return chosen;
}

void require_memory(const CurvatureConfig& config, const std::vector<Entry>& entries, bool print) {
  double most = 0;
  std::string worst;
  for (const Entry& e : entries) {
    const double b = CurvatureStudy::bytes(e.size, config.matrices.size(), config.max_dense);
    if (b > most) most = b, worst = e.name;
  }
  const auto available = static_cast<double>(available_memory());
  if (print)
    fmt::print(
        "\nEstimate (upper bound; data and network are already in memory)\n  largest at {}: {} of {} "
        "available\n",
        worst, format_bytes(most), format_bytes(available));
  if (most > 0.9 * available)
    fail(ExitCode::memory,
         "{}: its blocks need about {} and {} is available (90 % may be used); use a smaller "
         "curvature.max_dense, or fewer curvature.matrices",
         worst, format_bytes(most), format_bytes(available));
}

/// Matrices of an earlier study.
void clear_blocks(const std::filesystem::path& blocks) {
  for (const auto& entry : std::filesystem::directory_iterator(blocks))
    if (entry.path().extension() == ".npz") std::filesystem::remove(entry.path());
}

/// Collects the arrays of a layer's .npz file.
class Arrays {
 public:
  void add(const std::string& name, std::vector<Index> shape, std::span<const double> values) {
    arrays_.push_back({name, std::move(shape), {values.begin(), values.end()}});
  }
  void write(const std::filesystem::path& file) const { write_npz(file, arrays_); }

 private:
  std::vector<NpyArray> arrays_;
};

/// Each matrix by itself, and beside the first: norms, what blocks hold, likeness.
void compare_matrices(const CurvatureConfig& config, const Entry& entry, CurvatureStudy& study,
                      CurvatureRow& row, Arrays& arrays) {
  const std::vector<CurvatureKind> kinds = config.kinds();
  std::map<CurvatureKind, std::vector<double>> diagonals;
  for (const CurvatureKind kind : kinds) {
    const std::string name(name_of(kind));
    diagonals[kind] = study.diagonal(kind);
    row.trace.emplace_back(name, std::accumulate(diagonals[kind].begin(), diagonals[kind].end(), 0.0));
    if (study.dense()) {
      const SquareMatrix& block = study.block(kind);
      row.norm.emplace_back(name, frobenius_norm(block.values));
      for (const int b : config.block_sizes)
        row.mass.emplace_back(fmt::format("{}.{}", b, name), mass_in_blocks(block, b));
      arrays.add(name, {entry.size, entry.size}, block.values);
    } else {
      arrays.add("diagonal_" + name, {entry.size}, diagonals[kind]);
    }
    if (kind == kinds[0]) continue;
    if (study.dense()) {
      const auto &first = study.block(kinds[0]).values, &other = study.block(kind).values;
      row.cosine.emplace_back(name, cosine(first, other));
      row.norm_ratio.emplace_back(name, frobenius_norm(other) / frobenius_norm(first));
    }
    row.diagonal_cosine.emplace_back(name, cosine(diagonals[kinds[0]], diagonals[kind]));
    row.rank_correlation.emplace_back(name, rank_correlation(diagonals[kinds[0]], diagonals[kind]));
  }
}

/// The largest eigenvalues of each matrix, by Lanczos.
void find_eigenvalues(const CurvatureConfig& config, const Entry& entry, CurvatureStudy& study,
                      std::uint64_t seed, bool quiet, CurvatureRow& row, Arrays& arrays) {
  if (config.eigenvalues == 0) return;
  const std::vector<CurvatureKind> kinds = config.kinds();
  const int products = std::min<int>(config.lanczos_steps, static_cast<int>(entry.size));
  std::optional<Progress> progress;
  if (!study.dense())
    progress.emplace(fmt::format("{} eigenvalues, at most", entry.name),
                     static_cast<std::int64_t>(kinds.size()) * products, "products", quiet);
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    const std::string name(name_of(kinds[k]));
    // Products of float32 networks are exact to about 1e-6 of the largest eigenvalue.
    LanczosOptions lanczos_options{.largest = config.eigenvalues,
                                   .most_steps = config.lanczos_steps,
                                   .tolerance = study.dense() ? 1e-8 : 1e-5,
                                   .seed = seed};
    lanczos_options.progress = [&](int step) {
      if (progress) progress->update(static_cast<std::int64_t>(k) * products + step);
      check_stop("studying layer " + entry.name);
    };
    const Eigenvalues found = lanczos(*study.product(kinds[k]), lanczos_options);
    std::vector<double> values;
    for (std::size_t i = 0; i < found.largest.size(); ++i) {
      values.push_back(found.largest[i].value);
      row.eigenvalue.emplace_back(fmt::format("{}.{}", i + 1, name), found.largest[i].value);
    }
    if (!found.settled && !quiet)
      fmt::print(
          stderr,
          "note: {}: {} products (curvature.lanczos_steps) did not settle all {} eigenvalues of the {}\n",
          entry.name, found.steps, config.eigenvalues, title_of(kinds[k]));
    row.eigenvalues_settled.emplace_back(name, found.settled ? 1 : 0);
    arrays.add("eigenvalues_" + name, {static_cast<Index>(values.size())}, values);
  }
}

/// All numbers of one layer at one number of examples; also writes its matrices.
CurvatureRow measure(const Entry& entry, Index n, CurvatureStudy& study, const CurvatureConfig& config,
                     std::uint64_t seed, const std::filesystem::path& blocks, bool quiet) {
  CurvatureRow row;
  row.layer = entry.name;
  row.weights = entry.size;
  row.examples = n;
  row.dense = study.dense();
  Arrays arrays;
  compare_matrices(config, entry, study, row, arrays);
  find_eigenvalues(config, entry, study, seed, quiet, row, arrays);
  const std::vector<CurvatureKind> kinds = config.kinds();
  if (std::find(kinds.begin(), kinds.end(), CurvatureKind(Hessian{})) != kinds.end())
    row.hessian_error = study.hessian_error(seed);
  if (config.save_blocks) arrays.write(blocks / fmt::format("{}_n{}.npz", entry.name, n));
  return row;
}

bool has(const MetricsLog& metrics, const std::string& layer, Index n) {
  const std::vector<CurvatureRow> rows = rows_of<CurvatureRow>(metrics.rows());
  return std::any_of(rows.begin(), rows.end(),
                     [&](const CurvatureRow& row) { return row.layer == layer && row.examples == n; });
}

/// A study's own settings, in order, and what of the run's config it does without.
CurvatureConfig& settle(RunConfig& config, const Start& start, const CommandOptions& options) {
  config.prune.reset();
  if (!config.curvature) {
    say(options, fmt::format("note: {} has no \"curvature\" section; its defaults are used", options.config));
    config.curvature.emplace();
  }
  std::vector<int>& examples = config.curvature->examples;
  std::sort(examples.begin(), examples.end());
  examples.erase(std::unique(examples.begin(), examples.end()), examples.end());
  config.checkpoint = start.checkpoint;
  if (config.checkpoint.empty())
    say(options, fmt::format("note: no checkpoint ({} does not exist): the weights are fresh ones",
                             (run_directory(config) / "checkpoint.safetensors").string()));
  return *config.curvature;
}

/// One layer over every number of examples that is not there yet. Returns lines that name its pictures.
std::string study_layer(const Entry& entry, const RunConfig& config, const Workbench& bench,
                        const Examples& examples, const RunFolder& folder, MetricsLog& metrics,
                        const CommandOptions& options) {
  const CurvatureConfig& wanted = *config.curvature;
  std::string pictures;
  std::optional<Progress> progress;
  std::int64_t done = 0;
  CurvatureStudy study(
      *bench.model, examples, entry.layers,
      {wanted.kinds(), {wanted.monte_carlo_labels, config.seed}, wanted.max_dense, [&](Index n) {
         progress->update(done += n);
         check_stop("studying layer " + entry.name);
       }});
  if (!study.dense())
    say(options, fmt::format("note: {} has {} weights, more than curvature.max_dense = {}: diagonals, "
                             "eigenvalues and products, but no block",
                             entry.name, format_count(entry.size), format_count(wanted.max_dense)));
  Index before = 0;
  for (const int n : wanted.examples) {
    const double started = seconds_now();
    done = 0;
    progress.emplace(fmt::format("{} to {} examples", entry.name, format_count(n)),
                     (n - before) * study.passes(), "examples", options.quiet);
    study.extend_to(n);
    progress->done();
    progress.reset();
    before = n;
    if (has(metrics, entry.name, n)) continue;
    CurvatureRow row = measure(entry, n, study, wanted, config.seed, folder.path() / "blocks", options.quiet);
    if (study.dense())
      pictures += draw_heat_maps(folder.plots() / fmt::format("{}_n{}", entry.name, n),
                                 fmt::format("{}: {} weights, mean over {} examples", entry.name,
                                             format_count(entry.size), format_count(n)),
                                 study, wanted);
    row.seconds = seconds_now() - started;
    metrics.append(to_row(row));
  }
  return pictures;
}

/// The study's numbers for people.
std::string shown(const std::vector<CurvatureRow>& rows, const CurvatureConfig& wanted) {
  double worst = 0;
  for (const CurvatureRow& row : rows) worst = std::max(worst, row.hessian_error.value_or(0));
  return curvature_table(rows, wanted) +
         (worst > 0
              ? fmt::format("Hessians against Hessian-vector products: largest relative difference {:.1e}.\n",
                            worst)
              : "");
}

}  // namespace

void curvature_command(const CommandOptions& options) {
  RunConfig config = read_run_config(options);
  const std::filesystem::path where = run_directory(config) / "curvature";
  std::optional<PruneConfig> prune = std::move(config.prune);  // no part of the study, but of its lesson
  const Start start = start_to_read(options, config);
  const CurvatureConfig& wanted = settle(config, start, options);
  const Workbench bench = prepare(config, start);
  for (const std::string& n : bench.notices) fmt::print(stderr, "note: {}\n", n);
  set_provenance(config, "curvature", bench.model->store().values());
  const std::vector<Entry> entries = entries_of(wanted, *bench.model);
  const ImageExamples examples(bench.data.source.train, bench.data.preprocessing,
                               chosen_examples(wanted, bench.data.source.train.size(), config.seed));
  if (options.dry_run) fmt::print("{}\n", resolved_json(config));
  require_memory(wanted, entries, options.dry_run);
  if (options.dry_run) return;

  RunFolder::keep_from(where, options.config, "the config");
  const bool resuming = goes_on(where, config, earlier_of(options));
  const RunFolder folder(where);
  std::filesystem::create_directories(folder.path() / "blocks");
  if (!resuming) {
    begin_run(folder, config, options.quiet);
    clear_blocks(folder.path() / "blocks");
  }
  MetricsLog metrics(folder.path(), resuming ? MetricsLog::keep_all : 0);
  if (metrics.size() == 0) metrics.append(to_row(StartRow{config.checkpoint.path}));

  stop_gently_on_signals();
  const StopAnywhere region("stopped; continue with --resume");
  std::string pictures;
  for (const Entry& entry : entries)
    if (!std::all_of(wanted.examples.begin(), wanted.examples.end(),
                     [&](int n) { return has(metrics, entry.name, n); }))
      pictures += study_layer(entry, config, bench, examples, folder, metrics, options);
  if (!options.summary) return;
  write_lesson_of_study(folder, config, std::move(prune), bench, options.quiet);
  fmt::print("{}\n  {:<12} {}\n{}", shown(rows_of<CurvatureRow>(metrics.rows()), wanted), "numbers",
             folder.metrics_csv().string(), pictures);
  if (wanted.save_blocks) fmt::print("  {:<12} {}/*.npz\n", "matrices", (folder.path() / "blocks").string());
  if (!options.no_report) fmt::print("{}", report_line(folder.path()));
}

}  // namespace espalier
