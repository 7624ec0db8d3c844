// pruning.h: short ways to make what the pruning tests need.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "framework/config/reader.h"
#include "framework/core/random.h"
#include "pruning/criterion/criterion.h"
#include "pruning/schedule/schedule.h"

namespace espalier {

/// Settings of a registered kind from their JSON, e.g. made<InverseSettings>(R"({"type": "block",
/// "fisher_block_size": 2})").
template <class Base>
std::unique_ptr<Base> made(const std::string& json) {
  struct Holder {
    Variant<Base> choice;
    void fields(Fields& f) { f.required().variant("it", choice, "it"); }
  } holder;
  read_config(JsonDocument::parse("{\"it\": " + json + "}", "test"), holder);
  return std::move(holder.choice.settings);
}

/// The saliencies of a registered criterion, e.g. saliency_of("woodfisher", model).
inline std::vector<double> saliency_of(const std::string& criterion, const QuadraticModel& model) {
  std::vector<double> out(model.w.size());
  made<Criterion>("\"" + criterion + "\"")->saliency(model, out);
  return out;
}

inline std::vector<double> random_values(std::size_t n, std::uint64_t seed, double scale = 1) {
  Random random(seed, Random::Use::test);
  std::vector<double> v(n);
  for (double& x : v) x = scale * random.normal();
  return v;
}

/// F = damp I + G'G/N on the blocks, formed naively; and its inverse by Gauss-Jordan in long double: the
/// truth that the fast inverses are compared with.
struct DenseFisher {
  std::size_t d;
  std::vector<double> matrix, inverse;
  DenseFisher(const GradientRows& rows, const std::vector<Range>& blocks, double damp)
      : d(static_cast<std::size_t>(rows.cols())), matrix(d * d), inverse(d * d) {
    const auto n = static_cast<std::size_t>(rows.rows());
    std::vector<double> g(n * d);
    rows.load({0, rows.cols()}, g.data());
    std::vector<long double> a(d * 2 * d, 0.0L);
    for (const Range b : blocks)
      for (auto p = static_cast<std::size_t>(b.begin); p < static_cast<std::size_t>(b.end); ++p)
        for (auto q = static_cast<std::size_t>(b.begin); q < static_cast<std::size_t>(b.end); ++q) {
          long double sum = 0;
          for (std::size_t m = 0; m < n; ++m) sum += static_cast<long double>(g[m * d + p]) * g[m * d + q];
          a[p * 2 * d + q] =
              (n ? sum / static_cast<long double>(n) : 0) + (p == q ? static_cast<long double>(damp) : 0);
          matrix[p * d + q] = static_cast<double>(a[p * 2 * d + q]);
        }
    for (std::size_t i = 0; i < d; ++i) a[i * 2 * d + d + i] = 1;
    for (std::size_t i = 0; i < d; ++i) {
      std::size_t pivot = i;
      for (std::size_t r = i; r < d; ++r)
        if (std::abs(a[r * 2 * d + i]) > std::abs(a[pivot * 2 * d + i])) pivot = r;
      for (std::size_t c = 0; c < 2 * d; ++c) std::swap(a[i * 2 * d + c], a[pivot * 2 * d + c]);
      const long double p = a[i * 2 * d + i];
      for (std::size_t c = 0; c < 2 * d; ++c) a[i * 2 * d + c] /= p;
      for (std::size_t r = 0; r < d; ++r)
        if (r != i)
          if (const long double f = a[r * 2 * d + i]; f != 0)
            for (std::size_t c = 0; c < 2 * d; ++c) a[r * 2 * d + c] -= f * a[i * 2 * d + c];
    }
    for (std::size_t p = 0; p < d; ++p)
      for (std::size_t q = 0; q < d; ++q) inverse[p * d + q] = static_cast<double>(a[p * 2 * d + d + q]);
  }
  std::vector<double> times(const std::vector<double>& m, const std::vector<double>& v) const {
    std::vector<double> y(d, 0.0);
    for (std::size_t p = 0; p < d; ++p)
      for (std::size_t q = 0; q < d; ++q) y[p] += m[p * d + q] * v[q];
    return y;
  }
};

}  // namespace espalier
