// curvature.cpp: `espalier curvature`: blocks of Hessian and Fishers of a network's layers, how alike they
// are as examples are added, as numbers, matrices and pictures. A layer is finished before the next begins,
// and finished layers are not done again by --resume.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "framework/config/writer.h"
#include "framework/core/clock.h"
#include "framework/core/interrupt.h"
#include "framework/core/memory.h"
#include "framework/core/parallel.h"
#include "framework/data/hash.h"
#include "framework/io/index_file.h"
#include "framework/io/npz.h"
#include "framework/io/progress.h"
#include "pruning/choice/layer_names.h"
#include "pruning/curvature/compare.h"
#include "tools/curvature/curvature_report.h"
#include "tools/explain/lesson_data.h"
#include "tools/report/report.h"
#include "tools/run/commands.h"
#include "tools/run/session.h"

namespace espalier {
namespace {

void say(const CommandOptions& options, const std::string& line) {
  if (!options.quiet) fmt::print(stderr, "{}\n", line);
}

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
    names.push_back(infos[i].name.ends_with(".weight") ? infos[i].name.substr(0, infos[i].name.size() - 7)
                                                       : infos[i].name);
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

/// All numbers of one layer at one number of examples; also writes its matrices.
MetricsRow measure(const Entry& entry, Index n, CurvatureStudy& study, const CurvatureConfig& config,
                   std::uint64_t seed, const std::filesystem::path& blocks, bool quiet) {
  const std::vector<CurvatureKind> kinds = config.kinds();
  MetricsRow row{{"event", "curvature"},
                 {"layer", entry.name},
                 {"weights", static_cast<std::int64_t>(entry.size)},
                 {"examples", static_cast<std::int64_t>(n)},
                 {"dense", study.dense()}};
  const auto put = [&](const std::string& quantity, CurvatureKind kind, double v) {
    row.emplace_back(quantity + "." + std::string(name_of(kind)), v);
  };
  std::vector<NpyArray> arrays;
  const auto save = [&](const std::string& name, std::vector<Index> shape, std::span<const double> values) {
    arrays.push_back({name, std::move(shape), {values.begin(), values.end()}});
  };
  std::map<CurvatureKind, std::vector<double>> diagonals;
  for (const CurvatureKind kind : kinds) {
    diagonals[kind] = study.diagonal(kind);
    put("trace", kind, std::accumulate(diagonals[kind].begin(), diagonals[kind].end(), 0.0));
    if (study.dense()) {
      const SquareMatrix& block = study.block(kind);
      put("norm", kind, frobenius_norm(block.values));
      for (const int b : config.block_sizes) put(fmt::format("mass_{}", b), kind, mass_in_blocks(block, b));
      save(std::string(name_of(kind)), {entry.size, entry.size}, block.values);
    } else {
      save("diagonal_" + std::string(name_of(kind)), {entry.size}, diagonals[kind]);
    }
    if (kind == kinds[0]) continue;
    if (study.dense()) {
      const auto &first = study.block(kinds[0]).values, &other = study.block(kind).values;
      put("cosine", kind, cosine(first, other));
      put("norm_ratio", kind, frobenius_norm(other) / frobenius_norm(first));
    }
    put("diagonal_cosine", kind, cosine(diagonals[kinds[0]], diagonals[kind]));
    put("rank_correlation", kind, rank_correlation(diagonals[kinds[0]], diagonals[kind]));
  }
  if (config.eigenvalues > 0) {
    const int products = std::min<int>(config.lanczos_steps, static_cast<int>(entry.size));
    std::optional<Progress> progress;
    if (!study.dense())
      progress.emplace(fmt::format("{} eigenvalues, at most", entry.name),
                       static_cast<std::int64_t>(kinds.size()) * products, "products", quiet);
    for (std::size_t k = 0; k < kinds.size(); ++k) {
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
        put(fmt::format("eigenvalue_{}", i + 1), kinds[k], found.largest[i].value);
      }
      if (!found.settled && !quiet)
        fmt::print(
            stderr,
            "note: {}: {} products (curvature.lanczos_steps) did not settle all {} eigenvalues of the {}\n",
            entry.name, found.steps, config.eigenvalues, title_of(kinds[k]));
      put("eigenvalues_settled", kinds[k], found.settled ? 1 : 0);
      save("eigenvalues_" + std::string(name_of(kinds[k])), {static_cast<Index>(values.size())}, values);
    }
  }
  if (std::find(kinds.begin(), kinds.end(), CurvatureKind(Hessian{})) != kinds.end())
    row.emplace_back("hessian_error", study.hessian_error(seed));
  if (config.save_blocks) write_npz(blocks / fmt::format("{}_n{}.npz", entry.name, n), arrays);
  return row;
}

bool has(const std::vector<MetricsRow>& rows, const std::string& layer, Index n) {
  return std::any_of(rows.begin(), rows.end(), [&](const MetricsRow& row) {
    return text(row, "event") == "curvature" && text(row, "layer") == layer &&
           number(row, "examples") == static_cast<double>(n);
  });
}

}  // namespace

void curvature_command(const CommandOptions& options) {
  RunConfig config = read_run_config(options);
  std::optional<PruneConfig> prune = std::move(config.prune);  // no part of the study, but of its lesson
  config.prune.reset();
  if (!config.curvature) {
    say(options, fmt::format("note: {} has no \"curvature\" section; its defaults are used", options.config));
    config.curvature.emplace();
  }
  CurvatureConfig& wanted = *config.curvature;
  std::sort(wanted.examples.begin(), wanted.examples.end());
  wanted.examples.erase(std::unique(wanted.examples.begin(), wanted.examples.end()), wanted.examples.end());
  // As `espalier evaluate`: the checkpoint asked for, that of the config's run, the config's.
  const std::filesystem::path of_run = run_directory(config) / "checkpoint.safetensors";
  if (!options.checkpoint.empty())
    config.checkpoint = options.checkpoint;
  else if (std::filesystem::exists(of_run))
    config.checkpoint = of_run.string();
  if (config.checkpoint.empty())
    say(options,
        fmt::format("note: no checkpoint ({} does not exist): the weights are fresh ones", of_run.string()));
  const Workbench bench = prepare(config, {.checkpoint = config.checkpoint});
  for (const std::string& n : bench.notices) fmt::print(stderr, "note: {}\n", n);
  config.provenance.version = ESPALIER_VERSION;
  const std::vector<Entry> entries = entries_of(wanted, *bench.model);
  const ImageExamples examples(bench.data.source.train, bench.data.preprocessing,
                               chosen_examples(wanted, bench.data.source.train.size(), config.seed));
  if (options.dry_run) fmt::print("{}\n", resolved_json(config));
  require_memory(wanted, entries, options.dry_run);
  if (options.dry_run) return;

  RunFolder::keep_from(run_directory(config) / "curvature", options.config, "the config");
  RunFolder folder(run_directory(config) / "curvature");
  const std::filesystem::path blocks = folder.path() / "blocks";
  std::filesystem::create_directories(blocks);
  config.output.clear();  // where a run lies is no part of what it is
  const auto weights = bench.model->store().values();
  const std::string resolved = resolved_json(config) + "\n",
                    weights_hash =
                        sha256({reinterpret_cast<const char*>(weights.data()), weights.size_bytes()});
  bool resuming = options.resume && std::filesystem::exists(folder.config());
  if (resuming) {
    const std::vector<MetricsRow> rows = read_metrics(folder.metrics_jsonl());
    if (read_whole_file(folder.config()) != resolved || rows.empty() ||
        text(rows[0], "weights_sha256") != weights_hash)
      fail(
          ExitCode::config,
          "{} was made with other settings or weights, so it cannot be resumed; give --overwrite in place of "
          "--resume to replace it, or choose another --output",
          folder.path().string());
  } else if (std::filesystem::exists(folder.config())) {
    if (!options.overwrite)
      fail(ExitCode::usage, "{}: holds an earlier study; --resume goes on with it, --overwrite replaces it",
           folder.path().string());
    say(options, fmt::format("note: {} holds an earlier study, which is replaced", folder.path().string()));
    folder.clear();
    clear_blocks(blocks);
  }
  write_file_atomically(folder.config(), resolved);
  MetricsLog metrics(folder.path(), resuming ? MetricsLog::keep_all : 0);
  if (!resuming)
    metrics.append({{"event", "start"}, {"checkpoint", config.checkpoint}, {"weights_sha256", weights_hash}});

  stop_gently_on_signals();
  const StopAnywhere region("stopped; continue with --resume");
  std::string pictures;
  for (const Entry& entry : entries) {
    const bool finished = std::all_of(wanted.examples.begin(), wanted.examples.end(),
                                      [&](int n) { return has(metrics.rows(), entry.name, n); });
    if (finished) continue;
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
      if (has(metrics.rows(), entry.name, n)) continue;
      MetricsRow row = measure(entry, n, study, wanted, config.seed, blocks, options.quiet);
      if (study.dense())
        pictures += draw_heat_maps(folder.plots() / fmt::format("{}_n{}", entry.name, n),
                                   fmt::format("{}: {} weights, mean over {} examples", entry.name,
                                               format_count(entry.size), format_count(n)),
                                   study, wanted);
      row.emplace_back("seconds", seconds_now() - started);
      metrics.append(row);
    }
  }
  if (!options.summary) return;
  write_lesson_of_study(folder, config, std::move(prune), bench, options.quiet);
  fmt::print("{}", curvature_table(metrics.rows(), wanted));
  double worst = 0;
  for (const MetricsRow& row : metrics.rows())
    if (const double e = number(row, "hessian_error"); e > worst) worst = e;
  if (worst > 0)
    fmt::print("Hessians against Hessian-vector products: largest relative difference {:.1e}.\n", worst);
  pictures += draw_curvature_charts(folder, metrics.rows(), wanted);
  fmt::print("\n  {:<12} {}\n{}", "numbers", folder.metrics_csv().string(), pictures);
  if (wanted.save_blocks) fmt::print("  {:<12} {}/*.npz\n", "matrices", blocks.string());
  if (!options.no_report) fmt::print("{}", report_line(folder.path()));
}

}  // namespace espalier
