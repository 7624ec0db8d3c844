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
#include "pruning/step/site.h"
#include "tools/benchmark/benchmark_jobs.h"
#include "tools/run/session.h"

namespace espalier {
namespace {

constexpr double damp = 1e-5;
constexpr double step_sparsity = 0.9;
constexpr double mib = 0x1p-20;

/// A config with this inverse: WoodFisher on all layers, from n gradients.
PruneConfig with_inverse(const std::string& json, Index n) {
  PruneConfig config;
  read_config(JsonDocument::parse(fmt::format(R"({{"inverse": {}, "num_grads": {}}})", json, n), "benchmark"),
              config);
  return config;
}
PruneConfig with_blocks_of(Index c, Index n) {
  return with_inverse(fmt::format(R"({{"type": "block", "fisher_block_size": {}}})", c), n);
}

/// A network with its gradients.
struct Subject {
  double resident_before = resident_memory();
  std::unique_ptr<Model> model;
  LoadedData data;
  PruneConfig config;
  PruningSite site;

  Subject(std::unique_ptr<Model> network, LoadedData images, Index n)
      : model(std::move(network)),
        data(std::move(images)),
        config(with_inverse("\"block\"", n)),
        site(*model, data, config, {}) {
    site.gather_gradients(false);
  }
  Index rows() const { return site.rows().rows(); }
  Index columns() const { return site.rows().cols(); }
  const std::vector<Range>& layers() const { return site.layers().columns; }
  Range widest() const {
    return *std::max_element(layers().begin(), layers().end(),
                             [](Range a, Range b) { return a.size() < b.size(); });
  }
};

/// Of a fresh network on random images, or of the network, data and checkpoint of a config. The first are
/// larger and more alike than any trained network's, so that more of the work must be float64.
std::unique_ptr<Subject> subject_for(const BenchmarkOptions& options, const std::string& name, Index n) {
  if (options.config.empty()) {
    auto model = benchmark_model(name);
    LoadedData data;
    data.source.train = random_images(*model, n);
    data.preprocessing = plain(*model);
    return std::make_unique<Subject>(std::move(model), std::move(data), n);
  }
  CommandOptions command;
  command.config = options.config;
  RunConfig config = read_run_config(command);
  Workbench bench = prepare(config, beginning_of(config));
  return std::make_unique<Subject>(std::move(bench.model), std::move(bench.data), n);
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
Timing time_recursion(const BenchmarkOptions& options, const Subject& subject, Index c, int threads) {
  // The blocks' own columns, one block for each thread.
  const Index n = subject.rows(), width = threads * c,
              begin = std::min(subject.widest().begin, subject.columns() - width);
  require(begin >= 0, "[benchmark] {} blocks of {} weights, the network has {}", threads, c,
          subject.columns());
  std::vector<float> g(n * width);
  subject.site.rows().load({begin, begin + width}, g.data());
  std::vector<std::vector<float>> inverses(threads);
  BenchmarkOptions slow = options;  // seconds a call: no more repetitions than needed
  slow.seconds = 0.1;
  slow.repetitions = std::min(options.repetitions, 3);
  const auto block = [&](int t) { recursion(n, c, g.data() + t * c, width, inverses[t]); };
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

/// Operations of one block in the form that needs fewer: Gram matrix, Cholesky, solve.
double operations(Index rows, Index columns) {
  const auto n = static_cast<double>(rows), c = static_cast<double>(columns);
  return n < c ? 2 * n * n * c + n * n * n / 3 : n * c * c + c * c * c * 2 / 3;
}

/// Blocks alone: inverse, its diagonal, one product.
void measure_blocks(const BenchmarkOptions& options, const std::string& name, const Subject& subject,
                    int threads, double syrk) {
  const Index n = subject.rows();
  const Range widest = subject.widest();
  for (const Index c : options.block_sizes) {
    const Index count = std::min<Index>(8, widest.size() / c);
    if (count < threads) continue;
    const std::vector<Range> layers{{widest.begin, widest.begin + count * c}};
    const PruneConfig config = with_blocks_of(c, n);
    std::vector<double> v(subject.columns(), 1.0), out(v.size());
    Timing ours = time_calls(options, threads, [&] {
      // The inverse covers all columns up to the layer's end only through `layers`: nothing else is touched.
      const auto inverse = config.inverse->build(subject.site.rows(), layers, damp);
      inverse->diagonal();
      inverse->apply(v, out);
    });
    for (double& s : ours.seconds) s /= static_cast<double>(count);
    const Timing theirs = time_recursion(options, subject, c, threads);
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

/// All of a step but its gradients: inverse, diagonal, saliencies, selection, update, prediction.
void measure_steps(const BenchmarkOptions& options, const std::string& name, Subject& subject, int threads,
                   double syrk) {
  const Index n = subject.rows(), d = subject.columns();
  const auto measure = [&](const std::string& variant, const PruneConfig& config, double baseline) {
    double work = 0;
    for (const Range block : config.inverse->partition(subject.layers())) work += operations(n, block.size());
    forget_peak_memory();
    const auto step = [&] { (void)subject.site.planner(config, damp).plan(step_sparsity); };
    step();
    const double peak = static_cast<double>(peak_resident_memory()) - subject.resident_before,
                 stored = 4.0 * static_cast<double>(n * d);
    BenchmarkOptions slow = options;
    slow.repetitions = std::min(options.repetitions, 3);
    const Timing timing = time_calls(slow, threads, step);
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
    const PruneConfig config = with_blocks_of(c, n);
    double full_blocks = 0;  // the recursion's cost is quadratic in the block
    for (const Range block : config.inverse->partition(subject.layers()))
      full_blocks += std::pow(static_cast<double>(block.size()) / static_cast<double>(c), 2);
    const double block = time_recursion(options, subject, c, threads).median();
    measure(fmt::format("step,c={}", c), config, block * full_blocks);
  }
  measure("step,layer", with_inverse("\"layer\"", n), 0);
  measure("step,full", with_inverse("\"full\"", n), 0);
}

}  // namespace

void benchmark_fisher(const BenchmarkOptions& options, const std::string& name, int threads) {
  const double syrk = syrk_rate<float>(options, "ssyrk", threads, cblas_ssyrk);
  syrk_rate<double>(options, "dsyrk", threads, cblas_dsyrk);
  for (const Index n : options.gradients) {
    const auto subject = subject_for(options, name, n);
    measure_blocks(options, name, *subject, threads, syrk);
    measure_steps(options, name, *subject, threads, syrk);
  }
}

}  // namespace espalier
