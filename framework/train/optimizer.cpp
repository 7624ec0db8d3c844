// optimizer.cpp: SGD with momentum, Adam and AdamW.
#include "framework/train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "framework/core/parallel.h"
#include "framework/kernels/elementwise.h"

namespace espalier {
namespace {

enum class DecayOf { weights, all };

void decay_fields(Fields& f, double& decay, DecayOf& of) {
  f("weight_decay", decay, "L2 penalty: adds weight_decay * w to the gradient", {.low = 0});
  f.one_of("weight_decay_of", of, {{"weights", DecayOf::weights}, {"all", DecayOf::all}},
           "weights: of convolutions and linear layers only; all: biases and batch norm too");
}

double decay_for(const ParameterInfo& p, double decay, DecayOf of) {
  return of == DecayOf::all || p.role == Role::weight ? decay : 0;
}

struct SgdSettings final : OptimizerSettings {
  double momentum = 0.9, weight_decay = 1e-4;
  bool nesterov = false;
  DecayOf decay_of = DecayOf::weights;
  void fields(Fields& f) override {
    f("momentum", momentum, "share of the last step that is kept", {.low = 0, .high = 1, .high_open = true});
    f("nesterov", nesterov, "look ahead along the velocity");
    decay_fields(f, weight_decay, decay_of);
    f.rule(!nesterov || momentum > 0, "nesterov needs momentum > 0");
  }
  std::unique_ptr<Optimizer> make(const ParameterStore& store) const override;
};

class Sgd final : public Optimizer {
 public:
  Sgd(const SgdSettings& s, const ParameterStore& store)
      : s_(s), velocity_(static_cast<std::size_t>(store.size())) {}
  void step(ParameterStore& store, double rate, bool decay) override {
    ++steps;
    find_pruned(store);
    const Real* mask = std::as_const(store).mask().data();
    for (std::size_t i = 0; i < store.infos().size(); ++i) {
      const ParameterInfo& p = store.infos()[i];
      if (p.rate == 0) continue;
      const auto at = static_cast<std::size_t>(p.range.begin);
      kernels::sgd_step(p.range.size(), static_cast<Real>(rate * p.rate), static_cast<Real>(s_.momentum),
                        s_.nesterov,
                        static_cast<Real>(decay ? decay_for(p, s_.weight_decay, s_.decay_of) : 0),
                        store.gradients().data() + at, pruned_[i] ? mask + at : nullptr,
                        velocity_.data() + at, store.values().data() + at);
    }
  }
  std::vector<std::pair<std::string, std::span<Real>>> state() override { return {{"momentum", velocity_}}; }

 private:
  /// Which parameters have pruned weights: a sixth of what a step reads is the mask of those that have none.
  void find_pruned(const ParameterStore& store) {
    if (mask_version_ == store.mask_version()) return;
    mask_version_ = store.mask_version();
    pruned_.clear();
    for (const ParameterInfo& p : store.infos()) {
      const Real* mask = store.mask().data() + p.range.begin;
      pruned_.push_back(std::any_of(mask, mask + p.range.size(), [](Real kept) { return kept == 0; }));
    }
  }
  SgdSettings s_;
  std::vector<Real> velocity_;
  std::vector<bool> pruned_;
  std::uint64_t mask_version_ = 0;
};

struct AdamSettings : OptimizerSettings {
  bool decoupled = false;  // whether the decay is a step of its own and no part of the gradient
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  DecayOf decay_of = DecayOf::weights;
  void fields(Fields& f) override {
    f("beta1", beta1, "decay of the mean gradient", {.low = 0, .high = 1, .high_open = true});
    f("beta2", beta2, "decay of the mean square", {.low = 0, .high = 1, .high_open = true});
    f("epsilon", epsilon, "added to the root of the mean square", {.low = 0, .low_open = true});
    decay_fields(f, weight_decay, decay_of);
  }
  std::unique_ptr<Optimizer> make(const ParameterStore& store) const override;
};

struct AdamWSettings final : AdamSettings {
  AdamWSettings() {
    decoupled = true;
    weight_decay = 0.01;
  }
};

/// Kingma & Ba 2015, algorithm 1, with L2 penalty in the gradient; or, decoupled, Loshchilov & Hutter 2019, algorithm
/// 2: w shrinks by rate * weight_decay beside the step, so that large gradients do not make the decay small.
class Adam final : public Optimizer {
 public:
  Adam(const AdamSettings& s, const ParameterStore& store)
      : s_(s), mean_(static_cast<std::size_t>(store.size())), square_(mean_.size()) {}
  void step(ParameterStore& store, double rate, bool decay) override {
    ++steps;
    const double t = static_cast<double>(steps);
    const double size = rate * std::sqrt(1 - std::pow(s_.beta2, t)) / (1 - std::pow(s_.beta1, t));
    const double epsilon = s_.epsilon * std::sqrt(1 - std::pow(s_.beta2, t));
    for (const ParameterInfo& p : store.infos()) {
      if (p.rate == 0) continue;
      const double given = decay ? decay_for(p, s_.weight_decay, s_.decay_of) : 0;
      const double l2 = s_.decoupled ? 0 : given, kept_share = s_.decoupled ? 1 - p.rate * rate * given : 1;
      parallel_for(p.range.size(), 16384, [&](Range r) {
        for (Index j = p.range.begin + r.begin; j < p.range.begin + r.end; ++j) {
          const auto i = static_cast<std::size_t>(j);
          Real& w = store.values()[i];
          const double g = (static_cast<double>(store.gradients()[i]) + l2 * static_cast<double>(w));
          const double m = s_.beta1 * static_cast<double>(mean_[i]) + (1 - s_.beta1) * g;
          const double v = s_.beta2 * static_cast<double>(square_[i]) + (1 - s_.beta2) * g * g;
          const double kept = static_cast<double>(std::as_const(store).mask()[i]);
          mean_[i] = static_cast<Real>(m * kept);
          square_[i] = static_cast<Real>(v * kept);
          w = static_cast<Real>(
              (kept_share * static_cast<double>(w) - p.rate * size * m / (std::sqrt(v) + epsilon)) * kept);
        }
      });
    }
  }
  std::vector<std::pair<std::string, std::span<Real>>> state() override {
    return {{"mean", mean_}, {"square", square_}};
  }

 private:
  AdamSettings s_;
  std::vector<Real> mean_, square_;
};

std::unique_ptr<Optimizer> SgdSettings::make(const ParameterStore& store) const {
  return std::make_unique<Sgd>(*this, store);
}
std::unique_ptr<Optimizer> AdamSettings::make(const ParameterStore& store) const {
  return std::make_unique<Adam>(*this, store);
}

const bool optimizer_known =
    Registry<OptimizerSettings>::add<SgdSettings>("sgd", "stochastic gradient descent with momentum") &&
    Registry<OptimizerSettings>::add<AdamSettings>("adam", "Adam (Kingma & Ba 2015)") &&
    Registry<OptimizerSettings>::add<AdamWSettings>(
        "adamw", "Adam whose weight decay is a step of its own (Loshchilov & Hutter 2019)");

}  // namespace
}  // namespace espalier
