// blocked_program.h: a stretch of a graph in the layout with images innermost (kernels/blocked_images.h), by the
// weights that were kept. Values enter and leave as the engine knows them; in between nothing changes layout.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "framework/graph/graph.h"
#include "framework/graph/weights.h"
#include "framework/kernels/sparse_conv2d.h"

namespace espalier {

/// Steps [begin, end) of a graph that read one value from outside, and whose last one makes the only value that is
/// read outside.
struct Stretch {
  std::size_t begin, end;
  bool operator==(const Stretch&) const = default;
};

/// Whether a step can be part of one: convolutions without groups, square poolings, sums of two, global averages and
/// flatten; without activation or with ReLU.
bool has_blocked_kernel(const Step& step);

class BlockedProgram {
 public:
  /// For groups of `images` images; null if a step has no blocked kernel, or if tiles of so few images do not meet.
  /// `lists`: threads that may share a group. The weights are those of a folded graph with joined activations.
  static std::unique_ptr<BlockedProgram> make(const Graph& graph, const Weights& weights, Stretch stretch,
                                              Index images, Index lists);
  ~BlockedProgram();
  BlockedProgram(const BlockedProgram&) = delete;
  BlockedProgram& operator=(const BlockedProgram&) = delete;

  /// Parallel over groups; a batch of one group is cut within its steps. Safe to call from several threads.
  void run(Index n, const Real* input, Real* output) const;
  /// Seconds of each step on one group, after the layout change at the beginning; least of `repetitions`.
  std::vector<double> time_steps(const Real* input, Real* output, int repetitions) const;
  Index images() const { return grid_.images; }
  /// Multiply-adds of one image.
  Index macs() const { return macs_; }
  /// Bytes of weights; activations take arena_bytes() for every thread at work.
  std::size_t memory() const;
  std::size_t arena_bytes() const { return arena_size_ * sizeof(Real); }

 private:
  enum class Kind { conv, add, max_pool, average_pool, global_average, flatten };
  struct Instruction {
    Kind kind;
    int x, other = -1, y = -1;  ///< places; `other` is the second summand, y is -1 where rows leave
    bool relu = false;
    std::unique_ptr<kernels::SparseConv2d> conv = nullptr;
    PoolGeometry pool = {};
    std::size_t step = 0;  ///< of the graph; the last one if several were joined
  };
  /// A value between steps, and where it lies in an arena. Places of one shape take turns: halos stay zero.
  struct Place {
    kernels::BlockedShape shape;
    std::size_t offset = 0;
  };
  struct Plan;
  struct Arena;

  BlockedProgram() = default;
  void run_group(Index n, const Real* input, Real* output, Real* arena) const;
  void run_instruction(const Instruction& i, Index n, Real* output, Real* arena) const;
  Real* take_arena() const;

  kernels::LaneGrid grid_{};
  std::vector<Place> places_;
  std::vector<Instruction> instructions_;
  int input_ = 0, output_ = -1;  ///< output_: the place that leaves as NHWC images, or -1
  Index input_size_ = 0, output_size_ = 0, macs_ = 0;
  std::size_t arena_size_ = 0;
  mutable std::mutex arenas_guard_;
  mutable std::vector<Real*> free_arenas_, all_arenas_;
};

}  // namespace espalier
