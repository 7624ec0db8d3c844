#include "pruning/rows/layer_factors.h"

#include <algorithm>
#include <utility>

#include "framework/kernels/gemm.h"

namespace espalier {
namespace {

constexpr Index rows_at_once = 1024;  // patches summed in float32 before they join the float64 sum
constexpr Index strip = 96;           // rows of X'X at a time: what lies left of a strip is known by symmetry

/// Row t of `out` is the patch of position t of one image, (row, column, channel); zero where it hangs over.
void patches(const ConvGeometry& g, const Real* image, Index first, Index count, Real* out) {
  for (Index t = first; t < first + count; ++t) {
    const Index y0 = t / g.out_w * g.stride.h - g.pad.h, x0 = t % g.out_w * g.stride.w - g.pad.w;
    for (Index ky = 0; ky < g.kernel_h; ++ky)
      for (Index kx = 0; kx < g.kernel_w; ++kx, out += g.in_c) {
        const Index y = y0 + ky * g.dilation.h, x = x0 + kx * g.dilation.w;
        if (y >= 0 && y < g.in_h && x >= 0 && x < g.in_w)
          std::copy_n(image + (y * g.in_w + x) * g.in_c, g.in_c, out);
        else
          std::fill_n(out, g.in_c, Real(0));
      }
  }
}

template <class T>
void add_column_sums(const std::vector<T>& x, Index rows, Index n, double* sums) {
  for (Index r = 0; r < rows; ++r)
    for (Index j = 0; j < n; ++j) sums[j] += static_cast<double>(x[r * n + j]);
}

/// sum += X'X and mean += column sums, X [rows, n].
void add_moments(const std::vector<double>& x, Index rows, Index n, std::vector<double>& sum, double* mean) {
  kernels::gemm(kernels::Transpose::yes, kernels::Transpose::no, n, n, rows, 1, x.data(), n, x.data(), n, 1.0,
                sum.data(), n);
  if (mean) add_column_sums(x, rows, n, mean);
}

/// The same of patches: sums of at most `rows_at_once` products in float32, sums of those in float64. Only
/// what is on or right of the diagonal's strips; `product` is scratch.
void add_patch_moments(const std::vector<Real>& x, Index rows, Index n, std::vector<Real>& product,
                       std::vector<double>& sum, std::vector<double>& mean) {
  product.resize(strip * n);
  for (Index i = 0; i < n; i += strip) {
    const Index height = std::min(strip, n - i), width = n - i;
    kernels::gemm(kernels::Transpose::yes, kernels::Transpose::no, height, width, rows, Real(1), x.data() + i,
                  n, x.data() + i, n, Real(0), product.data(), width);
    for (Index r = 0; r < height; ++r) {
      double* into = sum.data() + (i + r) * n + i;
      for (Index c = 0; c < width; ++c) into[c] += static_cast<double>(product[r * width + c]);
    }
  }
  add_column_sums(x, rows, n, mean.data());
}

}  // namespace

KroneckerTap::KroneckerTap(const Model& model, std::vector<ParameterId> layers)
    : layers_(std::move(layers)), examples_(layers_.size(), 0) {
  const auto& infos = model.store().infos();
  Index column = 0;
  for (const ParameterId id : layers_) {
    const ParameterInfo& info = infos[id];
    Geometry geometry{.weight = info.shape, .spec = {}, .convolution = info.shape.rank() == 4};
    for (const LayerCost& cost : model.costs())
      if (cost.weight == id) geometry.spec = cost.spec;
    if (geometry.spec.groups != 1)
      fail(ExitCode::config,
           "prune.inverse: \"kfac\" has no factors for {}, a convolution in {} groups; exclude it", info.name,
           geometry.spec.groups);
    KroneckerFactor f;
    f.columns = {column, column + info.range.size()};
    f.outputs = info.shape[0];
    f.inputs = info.range.size() / info.shape[0];
    const auto next = static_cast<std::size_t>(id) + 1;
    f.has_bias = next < infos.size() && infos[next].role == Role::bias;
    f.a.assign(f.inputs * f.inputs, 0.0);
    f.mean.assign(f.inputs, 0.0);
    f.s.assign(f.outputs * f.outputs, 0.0);
    column = f.columns.end;
    geometry_.push_back(geometry);
    sums_.push_back(std::move(f));
  }
}

bool KroneckerTap::wants(ParameterId layer) const {
  return std::find(layers_.begin(), layers_.end(), layer) != layers_.end();
}

void KroneckerTap::accept(ParameterId layer, Index, const Partial& partial) {
  const auto found = std::find(layers_.begin(), layers_.end(), layer);
  if (found == layers_.end()) return;
  const auto l = static_cast<std::size_t>(found - layers_.begin());
  KroneckerFactor& f = sums_[l];
  const Tensor &x = partial.input(), &dy = partial.output_gradient();
  const Index n = partial.examples(), positions = dy.size() / (n * f.outputs);
  examples_[l] += n;
  f.positions = static_cast<double>(positions);
  std::vector<double> rows;
  if (geometry_[l].convolution) {
    const ConvGeometry g = conv_geometry("kfac", x.shape(), geometry_[l].weight, geometry_[l].spec);
    const Index images = std::max<Index>(1, rows_at_once / positions),  // small maps go together
        part = std::min(rows_at_once, positions);
    std::vector<Real> at_once, product;
    for (Index e = 0; e < n; e += images)
      for (Index t = 0; t < positions; t += part) {
        const Index count = std::min(part, positions - t), together = std::min(images, n - e);
        at_once.resize(together * count * f.inputs);
        for (Index i = 0; i < together; ++i)
          patches(g, x.data() + (e + i) * x.shape().example_size(), t, count,
                  at_once.data() + i * count * f.inputs);
        add_patch_moments(at_once, together * count, f.inputs, product, f.a, f.mean);
      }
  } else {
    rows.assign(x.values().begin(), x.values().end());
    add_moments(rows, n, f.inputs, f.a, f.mean.data());
  }
  rows.assign(dy.values().begin(), dy.values().end());
  add_moments(rows, n * positions, f.outputs, f.s, nullptr);
}

std::vector<KroneckerFactor> KroneckerTap::factors() const {
  std::vector<KroneckerFactor> result = sums_;
  for (std::size_t l = 0; l < result.size(); ++l) {
    const double n = std::max<double>(1, static_cast<double>(examples_[l]));
    const Index inputs = result[l].inputs;
    if (geometry_[l].convolution)  // what add_patch_moments left out
      for (Index r = 0; r < inputs; ++r)
        for (Index c = 0; c < r / strip * strip; ++c)
          result[l].a[r * inputs + c] = result[l].a[c * inputs + r];
    for (double& v : result[l].a) v /= n;
    for (double& v : result[l].mean) v /= n;
    for (double& v : result[l].s) v /= n * result[l].positions;
  }
  return result;
}

FactoredTap::FactoredTap(const ParameterStore& store, std::vector<ParameterId> layers, Index examples) {
  Index column = 0;
  for (const ParameterId id : layers) {
    const ParameterInfo& info = store.infos()[id];
    const Range columns{column, column + info.range.size()};
    column = columns.end;
    if (info.shape.rank() != 2) continue;
    FactoredLayer f{.columns = columns,
                    .outputs = info.shape[0],
                    .inputs = info.shape[1],
                    .a = Tensor::zeros({examples, info.shape[1]}),
                    .delta = Tensor::zeros({examples, info.shape[0]}),
                    .mask = {}};
    const auto mask = store.mask().subspan(info.range.begin, info.range.size());
    if (std::find(mask.begin(), mask.end(), Real(0)) != mask.end()) f.mask.assign(mask.begin(), mask.end());
    factored_.push_back(std::move(f));
    ids_.push_back(id);
    seen_.emplace_back(static_cast<std::size_t>(examples), 0);
  }
}

bool FactoredTap::wants(ParameterId layer) const {
  return std::find(ids_.begin(), ids_.end(), layer) != ids_.end();
}

void FactoredTap::accept(ParameterId layer, Index first, const Partial& partial) {
  const auto found = std::find(ids_.begin(), ids_.end(), layer);
  if (found == ids_.end()) return;
  FactoredLayer& f = factored_[found - ids_.begin()];
  std::vector<char>& seen = seen_[found - ids_.begin()];
  for (Index e = first; e < first + partial.examples(); ++e)
    require(!std::exchange(seen[e], 1),
            "[factored] a weight that is used twice in the network has no outer products as gradients");
  const auto copy = [&](const Tensor& from, Tensor& to, Index width) {
    require(from.size() == partial.examples() * width, "[factored] {} does not have {} values an example",
            from.shape(), width);
    std::copy_n(from.data(), from.size(), to.data() + first * width);
  };
  copy(partial.input(), f.a, f.inputs);
  copy(partial.output_gradient(), f.delta, f.outputs);
}

}  // namespace espalier
