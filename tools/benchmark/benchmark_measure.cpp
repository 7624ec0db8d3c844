#include "tools/benchmark/benchmark_measure.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "framework/core/clock.h"
#include "framework/core/random.h"

namespace espalier {
namespace {

constexpr double unclean = 0.02;  // share of a repetition
constexpr int enough = 5;         // clean repetitions
constexpr double slow_call = 2;   // seconds
constexpr int most = 3;           // times the repetitions asked for

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Seconds that threads of this process were ready to run and did not: field 2 of schedstat.
double waited() {
  double sum = 0;
  std::error_code ignored;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    double ran = 0, delay = 0;
    if (std::ifstream(task.path() / "schedstat") >> ran >> delay) sum += delay;
  }
  return 1e-9 * sum;
}

/// Seconds the hypervisor gave to others, summed over the machine's cores: field 8 of /proc/stat.
double stolen() {
  std::ifstream stat("/proc/stat");
  std::string cpu;
  double field = 0;
  stat >> cpu;
  for (int i = 0; i < 8; ++i) stat >> field;
  return stat ? 0.01 * field : 0;
}

}  // namespace

double median_of(std::vector<double> v) {
  if (v.empty()) return NAN;
  std::sort(v.begin(), v.end());
  const std::size_t half = v.size() / 2;
  return v.size() % 2 ? v[half] : (v[half - 1] + v[half]) / 2;
}
Tensor random_tensor(const Shape& shape, std::uint64_t key) {
  Tensor t = Tensor::uninitialized(shape);
  Random random(1, Random::Use::synthetic, {key});
  for (Real& v : t.values()) v = static_cast<Real>(random.uniform(-1, 1));
  return t;
}
double Timing::median() const { return median_of(seconds); }

Timing time_calls(const BenchmarkOptions& options, int threads, FunctionRef<void()> f) {
  double once = seconds_now();
  f();
  once = seconds_now() - once;
  const bool slow =
      once > slow_call;  // then one call warms up enough, and three repetitions are what there is time for
  if (!slow) {
    f();
    once = seconds_now();
    f();
    once = std::max(seconds_now() - once, 1e-7);
  }
  const int calls = std::max(1, static_cast<int>(std::lround(options.seconds / once)));
  std::vector<double> clean, all, cpu;
  const int wanted = slow ? std::min(options.repetitions, 3) : options.repetitions;
  while (static_cast<int>(clean.size()) < wanted &&
         static_cast<int>(all.size()) < (slow ? 1 : most) * wanted) {
    const double delay = waited(), steal = stolen(), cpu_start = cpu_seconds(), start = seconds_now();
    for (int i = 0; i < calls; ++i) f();
    const double took = seconds_now() - start;
    cpu.push_back((cpu_seconds() - cpu_start) / calls);
    all.push_back(took / calls);
    const double lost = (waited() - delay) / threads, taken = stolen() - steal;
    if (lost + (taken > 0.015 ? taken : 0) < unclean * took) clean.push_back(took / calls);
  }
  if (static_cast<int>(clean.size()) >= std::min(enough, wanted)) return {clean, ""};
  return threads == 1 ? Timing{cpu, "NOISY: CPU seconds"} : Timing{all, "NOISY"};
}

void print_header() {
  fmt::print("job\tmodel\tvariant\tthreads\tbatch\tunit\tmedian\tmin\tmax\treps\tnote\n");
  std::fflush(stdout);
}

void print_values(const RowKey& key, const std::string& unit, std::vector<double> v,
                  const std::string& note) {
  std::sort(v.begin(), v.end());
  fmt::print("{}\t{}\t{}\t{}\t{}\t{}\t{:.5g}\t{:.5g}\t{:.5g}\t{}\t{}\n", key.job, key.model, key.variant,
             key.threads, key.batch, unit, median_of(v), v.front(), v.back(), v.size(), note);
  std::fflush(stdout);
}

void print_rate(const RowKey& key, const std::string& unit, double scale, const Timing& timing,
                const std::string& note) {
  std::vector<double> rates;
  for (const double s : timing.seconds) rates.push_back(scale / s);
  print_values(key, unit, rates, note + (note.empty() || timing.note.empty() ? "" : "; ") + timing.note);
}

double resident_memory() {
  std::ifstream statm("/proc/self/statm");
  double size = 0, pages = 0;
  statm >> size >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}
void forget_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

void raise_priority() {
  if (setpriority(PRIO_PROCESS, 0, -19) != 0) return;
  std::ofstream("/proc/self/autogroup") << "-19";
}

}  // namespace espalier
