// benchmark_measure.h: timing on a shared machine, and the rows it ends in. A repetition is clean when the
// threads of this process waited for a core less than 2 % of its time and the hypervisor took less than 2 %.
// Other repetitions are used only when there are fewer than 5 clean ones, and the row's note says so.
#pragma once

#include <string>
#include <vector>

#include "framework/core/parallel.h"
#include "framework/core/tensor.h"
#include "tools/benchmark/benchmark.h"

namespace espalier {

struct Timing {
  std::vector<double> seconds;  ///< per call, one value a repetition
  std::string note;             ///< empty if clean
  double median() const;
};

/// Calls f twice to warm up, then repeats it. With one thread, CPU seconds replace unclean wall seconds: time
/// that was taken from us is not in them.
Timing time_calls(const BenchmarkOptions& options, int threads, FunctionRef<void()> f);

double median_of(std::vector<double> values);

/// Values of [-1, 1), the same for the same key.
Tensor random_tensor(const Shape& shape, std::uint64_t key);

/// What a row is about. `batch` is the batch size, or the number of examples or rows.
struct RowKey {
  std::string job, model, variant;
  int threads = 1;
  Index batch = 0;
};
void print_header();
/// `scale / seconds` of every repetition.
void print_rate(const RowKey& key, const std::string& unit, double scale, const Timing& timing,
                const std::string& note = "");
void print_values(const RowKey& key, const std::string& unit, std::vector<double> values,
                  const std::string& note = "");

/// Bytes in memory now; and a new start for peak_resident_memory().
double resident_memory();
void forget_peak_memory();

/// Least niceness this user may have, for this process: best effort.
void raise_priority();

}  // namespace espalier
