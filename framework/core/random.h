// random.h: random numbers that are a function of a key, not of history. A key is made of the run's seed and
// of what the number is for (epoch, example, layer, ...), so any part of a run can be repeated on its own:
// resuming needs no generator state, and the order in which threads draw does not matter.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numbers>
#include <string_view>
#include <utility>
#include <vector>

namespace espalier {

/// A key from a name, the same on every machine: FNV-1a.
constexpr std::uint64_t key_of(std::string_view name) {
  std::uint64_t key = 0xcbf29ce484222325ULL;
  for (const char c : name) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return key;
}

class Random {
 public:
  /// What a stream of numbers is for; keeps streams apart that share seed and indices.
  enum class Use : std::uint64_t {
    init = 1,
    shuffle,
    augment,
    dropout,
    fisher,
    synthetic,
    recalibrate,
    labels,
    test
  };

  Random(std::uint64_t seed, Use use, std::initializer_list<std::uint64_t> key = {})
      : state_(mix(seed + golden)) {
    absorb(static_cast<std::uint64_t>(use));
    for (std::uint64_t k : key) absorb(k);
  }
  /// 64 random bits (SplitMix64; Steele, Lea & Flood 2014).
  std::uint64_t next() {
    state_ += golden;
    return mix(state_);
  }
  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Uniform integer in [0, n), n > 0, without modulo bias worth speaking of (n << 2^64).
  std::uint64_t below(std::uint64_t n) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * n) >> 64);
  }
  /// Standard normal (Box-Muller; the second value of the pair is dropped to stay stateless).
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }
  /// Fisher-Yates.
  template <class T>
  void shuffle(std::vector<T>& v) {
    for (std::size_t i = v.size(); i > 1; --i) std::swap(v[i - 1], v[below(i)]);
  }

 private:
  static constexpr std::uint64_t golden = 0x9e3779b97f4a7c15ULL;
  static std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// Not symmetric in state and key, and no fixed point at 0: {1, 2} and {2, 1}, use 1 with key 2 and use 2
  /// with key 1, must be different streams for every seed, 0 included.
  void absorb(std::uint64_t k) { state_ = mix((state_ ^ k) + golden); }
  std::uint64_t state_;
};

}  // namespace espalier
