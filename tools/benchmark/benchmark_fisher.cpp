// benchmark_fisher.cpp: second order. Ours beside the paper's rank-one recursion, which is written here as
// well as OpenBLAS lets it be (ssymv and ssyr on one triangle, float32), so that the ratio is against an
// honest baseline and not against slow code.
#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "framework/config/reader.h"
#include "framework/core/memory.h"
#include "framework/core/random.h"
#include "pruning/rows/gradient_matrix.h"
#include "pruning/step/prune_config.h"
#include "tools/benchmark/benchmark_jobs.h"
#include "tools/run/session.h"

namespace espalier {
namespace {

constexpr double damp = 1e-5;
constexpr double sparsity = 0.9;
constexpr double mib = 0x1p-20;

/// Gradients of one network, as GradientMatrix holds them.
struct BenchmarkGradients {
  double resident_before = resident_memory();
  std::unique_ptr<Model> model;
  std::vector<std::string> names;
  std::vector<double> w;
  std::unique_ptr<GradientMatrix> rows;

  BenchmarkGradients(std::unique_ptr<Model> network, const ImageSet& images,
                     const Preprocessing& preprocessing, Index n)
      : model(std::move(network)) {
    std::vector<ParameterId> layers;
    const ParameterStore& store = model->store();
    for (std::size_t i = 0; i < store.infos().size(); ++i) {
      const ParameterInfo& info = store.infos()[i];
      if (info.role != Role::weight) continue;
      layers.push_back(static_cast<ParameterId>(i));
      names.push_back(info.name);
      for (const Real v : store.values().subspan(info.range.begin, info.range.size()))
        w.push_back(static_cast<double>(v));
    }
    rows = std::make_unique<GradientMatrix>(store, layers, n);
    std::vector<Index> examples;
    for (Index i = 0; i < n; ++i) examples.push_back(i % images.size());
    rows->fill(*model, images, preprocessing, examples);
  }
};

/// Of a fresh network on random images, or of the network, data and checkpoint of a config. The first are
/// larger and more alike than any trained network's, so that more of the work must be float64.
BenchmarkGradients gradients_for(const BenchmarkOptions& options, const std::string& name, Index n) {
  if (options.config.empty()) {
    auto model = benchmark_model(name);
    const ImageSet images = random_images(*model, n);
    const Preprocessing preprocessing = plain(*model);
    return {std::move(model), images, preprocessing, n};
  }
  CommandOptions command;
  command.config = options.config;
  RunConfig config = read_run_config(command);
  Workbench bench = prepare(config, config.checkpoint);
  return {std::move(bench.model), bench.data.source.train, bench.data.preprocessing, n};
}

/// BLAS on `count` threads in this scope; the rest of the program wants one.
class BlasThreads {
 public:
  explicit BlasThreads(int count) { openblas_set_num_threads(count); }
  ~BlasThreads() { openblas_set_num_threads(1); }
  BlasThreads(const BlasThreads&) = delete;
  BlasThreads& operator=(const BlasThreads&) = delete;
};

/// f(0) ... f(count - 1), side by side.
template <class Fn>
void side_by_side(int count, Fn f) {
  std::vector<std::thread> others;
  for (int t = 1; t < count; ++t) others.emplace_back(f, t);
  f(0);
  for (std::thread& t : others) t.join();
}

/// F_0^-1 = I / damp,  F_m^-1 = F_{m-1}^-1 - x x' / (N + g' x),  x = F_{m-1}^-1 g.
void recursion(Index n, Index c, const float* g, Index row, std::vector<float>& inverse) {
  inverse.assign(c * c, 0.0F);
  for (Index q = 0; q < c; ++q) inverse[q * c + q] = static_cast<float>(1 / damp);
  std::vector<float> x(c);
  const int size = static_cast<int>(c);
  for (Index m = 0; m < n; ++m, g += row) {
    cblas_ssymv(CblasRowMajor, CblasLower, size, 1, inverse.data(), size, g, 1, 0, x.data(), 1);
    const float denominator = static_cast<float>(n) + cblas_sdot(size, g, 1, x.data(), 1);
    cblas_ssyr(CblasRowMajor, CblasLower, size, -1 / denominator, x.data(), 1, inverse.data(), size);
  }
}

/// Seconds of the recursion a block of c weights: the better of BLAS's threads and of blocks side by side.
Timing time_recursion(const BenchmarkOptions& options, const BenchmarkGradients& g, Index n, Index c,
                      int threads) {
  const Range widest = *std::max_element(g.rows->layer_columns().begin(), g.rows->layer_columns().end(),
                                         [](Range a, Range b) { return a.size() < b.size(); });
  std::vector<std::vector<float>> inverses(threads);
  const float* first = g.rows->row(0).data() + widest.begin;
  BenchmarkOptions slow = options;  // seconds a call: no more repetitions than needed
  slow.seconds = 0.1;
  slow.repetitions = std::min(options.repetitions, 3);
  const auto block = [&](int t) { recursion(n, c, first + t * c, g.rows->cols(), inverses[t]); };
  Timing best;
  {
    const BlasThreads inside(threads);
    best = time_calls(slow, threads, [&] { block(0); });
  }
  if (threads == 1) return best;
  const BlasThreads one(1);
  Timing both = time_calls(slow, threads, [&] { side_by_side(threads, block); });
  for (double& s : both.seconds) s /= threads;
  return both.median() < best.median() ? both : best;
}

/// GFLOP/s of OpenBLAS's symmetric product, every thread its own: n^2 k operations each.
template <class T, class Syrk>
double syrk_rate(const BenchmarkOptions& options, const std::string& name, int threads, Syrk syrk) {
  constexpr Index n = 1000, k = 2000;
  std::vector<std::vector<T>> a(threads, std::vector<T>(n * k)),
      s(static_cast<std::size_t>(threads), std::vector<T>(n * n));
  Random random(1, Random::Use::synthetic);
  for (auto& matrix : a)
    for (T& v : matrix) v = static_cast<T>(random.uniform(-1, 1));
  const BlasThreads one(1);
  const Timing timing = time_calls(options, threads, [&] {
    side_by_side(threads, [&](int t) {
      const auto i = static_cast<std::size_t>(t);
      syrk(CblasRowMajor, CblasLower, CblasNoTrans, int{n}, int{k}, T(1), a[i].data(), int{k}, T(0),
           s[i].data(), int{n});
    });
  });
  const double work = 1e-9 * threads * n * n * k;
  print_rate({"fisher", "machine", name, threads, n}, "GFLOP/s", work, timing);
  return work / timing.median();
}

std::unique_ptr<InverseSettings> inverse_settings(const std::string& json) {
  struct Holder {
    Choice<InverseSettings> choice;
    void fields(Fields& f) { f.required().variant("inverse", choice, ""); }
  } holder;
  read_config(JsonDocument::parse("{\"inverse\": " + json + "}", "benchmark"), holder);
  return std::move(holder.choice.settings);
}
std::unique_ptr<InverseSettings> blocks_of(Index c) {
  return inverse_settings(fmt::format(R"({{"type": "block", "fisher_block_size": {}}})", c));
}

/// Operations of one block in the form that needs fewer: Gram matrix, Cholesky, solve.
double operations(Index rows, Index columns) {
  const auto n = static_cast<double>(rows), c = static_cast<double>(columns);
  return n < c ? 2 * n * n * c + n * n * n / 3 : n * c * c + c * c * c * 2 / 3;
}

/// Blocks alone: inverse, its diagonal, one product.
void measure_blocks(const BenchmarkOptions& options, const std::string& name, const BenchmarkGradients& g,
                    int threads, double syrk) {
  const Index n = g.rows->rows();
  const Range widest = *std::max_element(g.rows->layer_columns().begin(), g.rows->layer_columns().end(),
                                         [](Range a, Range b) { return a.size() < b.size(); });
  for (const Index c : options.block_sizes) {
    const Index count = std::min<Index>(8, widest.size() / c);
    if (count < threads) continue;
    const std::vector<Range> layers{{widest.begin, widest.begin + count * c}};
    const auto settings = blocks_of(c);
    std::vector<double> v(g.rows->cols(), 1.0), out(v.size());
    Timing ours = time_calls(options, threads, [&] {
      // The inverse covers all columns up to the layer's end only through `layers`: nothing else is touched.
      const auto inverse = settings->build(*g.rows, layers, damp);
      inverse->diagonal();
      inverse->apply(v, out);
    });
    for (double& s : ours.seconds) s /= static_cast<double>(count);
    const Timing theirs = time_recursion(options, g, n, c, threads);
    const double rate = 1e-9 * operations(n, c) / ours.median();
    print_values(
        {"fisher", name, fmt::format("block,c={}", c), threads, n}, "s/block", ours.seconds,
        fmt::format("{:.1f} times the recursion; {:.1f} GFLOP/s, {:.0f} % of ssyrk; diagonal and one "
                    "product included {}",
                    theirs.median() / ours.median(), rate, 100 * rate / syrk, ours.note));
    print_values({"fisher", name, fmt::format("recursion,ssymv+ssyr,c={}", c), threads, n}, "s/block",
                 theirs.seconds, theirs.note);
  }
}

/// Inverse, diagonal, score, selection and update: all of a step but its gradients.
void prune_step(const BenchmarkGradients& g, const InverseSettings& settings) {
  const PruneConfig config;
  Choice<Criterion> criterion;
  criterion.choose("woodfisher");
  const std::vector<Range>& layers = g.rows->layer_columns();
  const auto inverse = settings.build(*g.rows, layers, damp);
  PruneState state{.w = g.w, .rows = g.rows.get(), .inverse = inverse.get()};
  std::vector<double> scores(g.w.size());
  criterion->score(state, scores);
  const std::vector<bool> removed =
      select(scores, std::vector<bool>(g.w.size()), sparsity, layers, g.names, config.selection);
  const UpdateSettings update{.inverse = &settings, .layers = layers, .damp = damp};
  compensate(state, removed, UpdateMode::simultaneous, update);
}

void measure_steps(const BenchmarkOptions& options, const std::string& name, const BenchmarkGradients& g,
                   int threads, double syrk) {
  const Index n = g.rows->rows(), d = g.rows->cols();
  const auto measure = [&](const std::string& variant, const InverseSettings& settings, double baseline) {
    double work = 0;
    for (const Range block : settings.partition(g.rows->layer_columns())) work += operations(n, block.size());
    forget_peak_memory();
    prune_step(g, settings);
    const double peak = static_cast<double>(peak_resident_memory()) - g.resident_before,
                 stored = 4.0 * static_cast<double>(n * d);
    BenchmarkOptions slow = options;
    slow.repetitions = std::min(options.repetitions, 3);
    const Timing timing = time_calls(slow, threads, [&] { prune_step(g, settings); });
    std::string note = baseline > 0
                           ? fmt::format("{:.1f} times the recursion ({:.1f} s: one block x blocks); ",
                                         baseline / timing.median(), baseline)
                           : "";
    note += fmt::format(
        "{:.0f} % of ssyrk over {:.0f} GFLOP; {:.3f} us a weight; peak with G {:.0f} MiB = {:.0f} % of G "
        "{}",
        100e-9 * work / timing.median() / syrk, 1e-9 * work, 1e6 * timing.median() / static_cast<double>(d),
        peak * mib, 100 * peak / stored, timing.note);
    print_values({"fisher", name, variant, threads, n}, "s/step", timing.seconds, note);
  };
  for (const Index c : options.block_sizes) {
    const auto settings = blocks_of(c);
    double full_blocks = 0;  // the recursion's cost is quadratic in the block
    for (const Range block : settings->partition(g.rows->layer_columns()))
      full_blocks += std::pow(static_cast<double>(block.size()) / static_cast<double>(c), 2);
    const double block = time_recursion(options, g, n, c, threads).median();
    measure(fmt::format("step,c={}", c), *settings, block * full_blocks);
  }
  measure("step,layer", *inverse_settings("\"layer\""), 0);
  measure("step,full", *inverse_settings("\"full\""), 0);
}

}  // namespace

void benchmark_fisher(const BenchmarkOptions& options, const std::string& name, int threads) {
  const double syrk = syrk_rate<float>(options, "ssyrk", threads, cblas_ssyrk);
  syrk_rate<double>(options, "dsyrk", threads, cblas_dsyrk);
  for (const Index n : options.gradients) {
    const BenchmarkGradients g = gradients_for(options, name, n);
    measure_blocks(options, name, g, threads, syrk);
    measure_steps(options, name, g, threads, syrk);
  }
}

}  // namespace espalier
