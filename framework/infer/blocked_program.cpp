#include "framework/infer/blocked_program.h"

#include <algorithm>
#include <limits>
#include <map>

#include "framework/core/buffer_pool.h"
#include "framework/core/clock.h"
#include "framework/core/parallel.h"
#include "framework/graph/ops.h"
#include "framework/kernels/instruction_set.h"

namespace espalier {
namespace {

using kernels::BlockedShape;
using kernels::BlockedWindow;

bool plain_or_relu(const Activation& f) { return !f || f.kind == Activation::Kind::relu; }
/// Square windows that lie within the image.
bool simple(const PoolSettings& pool) {
  const PoolSpec spec = pool.spec();
  return spec.kernel.h == spec.kernel.w && spec.stride.h == spec.stride.w && spec.pad == Border(0) &&
         !spec.ceil_mode;
}

/// The windows of a step that has some, and its geometry.
struct Windows {
  const ConvOp* conv = nullptr;
  const PoolSettings* pool = nullptr;
  bool relu = false;
  explicit Windows(const Op* op) {
    if (conv = dynamic_cast<const ConvOp*>(op); conv) {
      relu = conv->joined_activation.is_relu();
    } else if (const auto* max = dynamic_cast<const MaxPoolOp*>(op)) {
      pool = &max->pool;
      relu = max->joined_activation.is_relu();
    } else if (const auto* average = dynamic_cast<const AveragePoolOp*>(op)) {
      pool = &average->pool;
    }
  }
  explicit operator bool() const { return conv || pool; }
  BlockedWindow window(const Shape& in) const {
    if (conv) return kernels::sparse_window(conv->geometry(in));
    const PoolSpec spec = pool->spec();
    return {spec.kernel, spec.stride, 0};
  }
  Extent2 stride(const Shape& in) const { return window(in).stride; }
};

}  // namespace

bool has_blocked_kernel(const Step& step) {
  const Op* op = step.op.get();
  if (const auto* conv = dynamic_cast<const ConvOp*>(op))
    return conv->groups == 1 && plain_or_relu(conv->joined_activation);
  if (const auto* max = dynamic_cast<const MaxPoolOp*>(op))
    return simple(max->pool) && plain_or_relu(max->joined_activation);
  if (const auto* average = dynamic_cast<const AveragePoolOp*>(op)) return simple(average->pool);
  if (const auto* add = dynamic_cast<const AddOp*>(op))
    return step.inputs.size() == 2 && plain_or_relu(add->joined_activation);
  return dynamic_cast<const GlobalAveragePoolOp*>(op) || dynamic_cast<const FlattenOp*>(op);
}

/// What is decided before a program is written: shapes of all values of the stretch.
struct BlockedProgram::Plan {
  const Graph& graph;
  Stretch stretch;
  kernels::LaneGrid grid;
  std::map<ValueId, BlockedShape> shapes;
  std::map<ValueId, std::size_t> last_read;  // step; outside the stretch: its end
  std::map<ValueId, Extent2> shrunk;         // pixels of the input to one of the value, along each axis

  ValueId input() const { return graph.steps[stretch.begin].inputs[0]; }
  ValueId output() const { return graph.steps[stretch.end - 1].output; }
  const Step& step(std::size_t s) const { return graph.steps[s]; }

  bool find_strides() {
    shrunk.emplace(input(), Extent2(1));
    for (std::size_t s = stretch.begin; s < stretch.end; ++s) {
      const Windows windows(step(s).op.get());
      const Extent2 before = shrunk.at(step(s).inputs[0]);
      for (const ValueId id : step(s).inputs) {
        if (!(shrunk.at(id) == before)) return false;
        last_read[id] = s;
      }
      const Extent2 by = windows ? windows.stride(graph.shape(step(s).inputs[0])) : Extent2(1);
      shrunk.emplace(step(s).output, Extent2(before.h * by.h, before.w * by.w));
    }
    last_read[output()] = stretch.end;
    return true;
  }
  /// Tiles of the input are divisible by all strides that follow, so that tiles stay aligned.
  void choose_tiles() {
    Extent2 most = 1;
    for (const auto& [id, by] : shrunk) most = {std::max(most.h, by.h), std::max(most.w, by.w)};
    const Shape& image = graph.shape(input());
    const auto tile = [](Index size, Index tiles, Index multiple) {
      const Index least = (size + tiles - 1) / tiles;
      return (least + multiple - 1) / multiple * multiple;
    };
    const Extent2 first{tile(image[0], grid.down, most.h), tile(image[1], grid.across, most.w)};
    for (const auto& [id, by] : shrunk) {
      const Shape& s = graph.shape(id);
      if (s.rank() != 3) continue;  // rows
      shapes[id] = {.grid = grid,
                    .channels = s[2],
                    .height = s[0],
                    .width = s[1],
                    .tile_h = grid.down == 1 ? s[0] : first.h / by.h,
                    .tile_w = grid.across == 1 ? s[1] : first.w / by.w,
                    .halo = 0};
    }
  }
  /// What windows need; summands get the sum's, so that a convolution can write the sum.
  bool choose_halos() {
    const auto for_each_window = [&](auto visit) {
      for (std::size_t s = stretch.begin; s < stretch.end; ++s)
        if (const Windows windows(step(s).op.get()); windows) {
          const ValueId from = step(s).inputs[0];
          visit(shapes.at(from), shapes.at(step(s).output), windows.window(graph.shape(from)));
        }
    };
    for_each_window([](BlockedShape& in, const BlockedShape& out, const BlockedWindow& window) {
      in.halo = std::max(in.halo, kernels::halo_needed(in, out, window));
    });
    for (std::size_t s = stretch.end; s-- > stretch.begin;)
      if (dynamic_cast<const AddOp*>(step(s).op.get()))
        for (const ValueId id : step(s).inputs)
          shapes.at(id).halo = std::max(shapes.at(id).halo, shapes.at(step(s).output).halo);
    bool meet = true;
    for_each_window([&](const BlockedShape& in, const BlockedShape& out, const BlockedWindow& window) {
      meet = meet && kernels::tiles_meet(in, out, window);
    });
    return meet;
  }
};

std::unique_ptr<BlockedProgram> BlockedProgram::make(const Graph& graph, const Weights& weights,
                                                     Stretch stretch, Index images, Index lists) {
  Plan plan{graph, stretch, kernels::lane_grid(kernels::instruction_set().lanes, images), {}, {}, {}};
  if (graph.shape(plan.input()).rank() != 3) return nullptr;
  for (std::size_t s = stretch.begin; s < stretch.end; ++s) {
    const bool rows = graph.shape(plan.step(s).output).rank() != 3;
    if (!has_blocked_kernel(plan.step(s)) || (rows && s + 1 != stretch.end)) return nullptr;
  }
  if (!plan.find_strides()) return nullptr;
  plan.choose_tiles();
  if (!plan.choose_halos()) return nullptr;

  std::unique_ptr<BlockedProgram> program(new BlockedProgram());
  program->grid_ = plan.grid;
  program->input_size_ = graph.shape(plan.input()).size();
  program->output_size_ = graph.shape(plan.output()).size();
  // A place is free again when no later step reads its value; only values of the same shape may follow.
  std::map<ValueId, int> place_of;
  std::vector<int> free;
  const auto place = [&](ValueId id) {
    const BlockedShape& shape = plan.shapes.at(id);
    for (auto it = free.begin(); it != free.end(); ++it)
      if (program->places_[*it].shape == shape) {
        place_of[id] = *it;
        free.erase(it);
        return place_of[id];
      }
    program->places_.push_back({shape, program->arena_size_});
    program->arena_size_ += (shape.group() + 15) / 16 * 16;
    return place_of[id] = static_cast<int>(program->places_.size()) - 1;
  };
  program->input_ = place(plan.input());
  const std::vector<int> uses = graph.uses();
  ValueId unfinished = -1;  // what the last instruction wrote, if that is a convolution without activation
  for (std::size_t s = stretch.begin; s < stretch.end; ++s) {
    const Step& step = graph.steps[s];
    const Shape& from = graph.shape(step.inputs[0]);
    const Windows windows(step.op.get());
    Instruction i{.kind = Kind::flatten, .x = place_of.at(step.inputs[0]), .step = s};
    i.relu = windows.relu;
    if (windows.conv) {
      i.kind = Kind::conv;
      const ConvGeometry g = windows.conv->geometry(from);
      const auto parameter = [&](std::size_t k) {
        return weights.at(graph.parameters[step.parameters[k]].name).data();
      };
      i.conv = std::make_unique<kernels::SparseConv2d>(
          g, parameter(0), step.parameters.size() > 1 ? parameter(1) : nullptr,
          plan.shapes.at(step.inputs[0]), plan.shapes.at(step.output), lists);
      program->macs_ += i.conv->nonzeros() * g.out_h * g.out_w;
    } else if (windows.pool) {
      i.kind = dynamic_cast<const MaxPoolOp*>(step.op.get()) ? Kind::max_pool : Kind::average_pool;
      i.pool = windows.pool->geometry(from);
    } else if (const auto* add = dynamic_cast<const AddOp*>(step.op.get())) {
      i.kind = Kind::add;
      i.relu = add->joined_activation.is_relu();
      if (step.inputs.size() != 2) return nullptr;
      i.other = place_of.at(step.inputs[1]);
    } else if (dynamic_cast<const GlobalAveragePoolOp*>(step.op.get())) {
      i.kind = Kind::global_average;
    }
    // A sum is part of the convolution before it, if that has just written one of the two.
    bool joined = false;
    if (i.kind == Kind::add && step.inputs[0] != step.inputs[1])
      for (const int k : {0, 1})
        if (!joined && step.inputs[k] == unfinished) {
          Instruction& before = program->instructions_.back();
          if (!(plan.shapes.at(step.output) == plan.shapes.at(unfinished))) continue;
          place_of[step.output] = before.y;
          before.other = place_of.at(step.inputs[1 - k]);
          before.relu = i.relu;
          before.step = s;
          joined = true;
        }
    unfinished = i.kind == Kind::conv && !i.relu && uses[step.output] == 1 ? step.output : -1;
    if (!joined) {
      if (graph.shape(step.output).rank() == 3) i.y = place(step.output);
      program->instructions_.push_back(std::move(i));
    }
    std::vector<ValueId> read = step.inputs;
    std::sort(read.begin(), read.end());
    read.erase(std::unique(read.begin(), read.end()), read.end());
    for (const ValueId id : read)
      if (plan.last_read.at(id) == s && place_of.at(id) != (joined ? program->instructions_.back().y : -1))
        free.push_back(place_of.at(id));
  }
  if (graph.shape(plan.output()).rank() == 3) program->output_ = place_of.at(plan.output());
  return program;
}

BlockedProgram::~BlockedProgram() {
  for (Real* arena : all_arenas_) pool_free(arena, arena_bytes());
}

std::size_t BlockedProgram::memory() const {
  std::size_t bytes = sizeof(*this);
  for (const Instruction& i : instructions_) bytes += sizeof(i) + (i.conv ? i.conv->memory() : 0);
  return bytes;
}

/// An arena for as long as a run lasts.
struct BlockedProgram::Arena {
  explicit Arena(const BlockedProgram& p) : program(p), data(p.take_arena()) {}
  ~Arena() {
    const std::lock_guard lock(program.arenas_guard_);
    program.free_arenas_.push_back(data);  // room was made when it was taken from the system
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  const BlockedProgram& program;
  Real* data;
};

Real* BlockedProgram::take_arena() const {
  {
    const std::lock_guard lock(arenas_guard_);
    if (!free_arenas_.empty()) {
      Real* arena = free_arenas_.back();
      free_arenas_.pop_back();
      return arena;
    }
  }
  Real* arena = static_cast<Real*>(pool_allocate(arena_bytes()));
  for (const Place& p : places_) clear_halos(p.shape, p.shape.channels, arena + p.offset);
  const std::lock_guard lock(arenas_guard_);
  all_arenas_.push_back(arena);
  free_arenas_.reserve(all_arenas_.capacity());
  return arena;
}
void BlockedProgram::run_instruction(const Instruction& i, Index n, Real* output, Real* arena) const {
  const auto data = [&](int place) { return arena + places_[place].offset; };
  const BlockedShape& in = places_[i.x].shape;
  switch (i.kind) {
    case Kind::conv:
      if (i.other < 0) return i.conv->run(n, data(i.x), i.relu, data(i.y));
      return i.conv->run(n, data(i.x), i.relu, data(i.y), data(i.other), places_[i.other].shape);
    case Kind::add:
      return add_blocked(in, places_[i.other].shape, places_[i.y].shape, n, i.relu, data(i.x), data(i.other),
                         data(i.y));
    case Kind::max_pool:
      return max_pool_blocked(i.pool, in, places_[i.y].shape, n, i.relu, data(i.x), data(i.y));
    case Kind::average_pool:
      return average_pool_blocked(i.pool, in, places_[i.y].shape, n, data(i.x), data(i.y));
    case Kind::global_average:
      return global_average_pool_blocked(in, n, data(i.x), output);
    case Kind::flatten:
      return flatten_blocked(in, n, data(i.x), output);
  }
}

void BlockedProgram::run_group(Index n, const Real* input, Real* output, Real* arena) const {
  to_blocked(places_[input_].shape, n, input, arena + places_[input_].offset);
  for (const Instruction& i : instructions_) run_instruction(i, n, output, arena);
  if (output_ >= 0) from_blocked(places_[output_].shape, n, arena + places_[output_].offset, output);
}

void BlockedProgram::run(Index n, const Real* input, Real* output) const {
  parallel_for(grid_.groups(n), 1, [&](Range groups) {
    const Arena arena(*this);
    for (Index g = groups.begin; g < groups.end; ++g) {
      const Index first = g * grid_.images, count = std::min(grid_.images, n - first);
      run_group(count, input + first * input_size_, output + first * output_size_, arena.data);
    }
  });
}

std::vector<double> BlockedProgram::time_steps(const Real* input, Real* output, int repetitions) const {
  std::size_t last = 0, first = std::numeric_limits<std::size_t>::max();
  for (const Instruction& i : instructions_) last = std::max(last, i.step), first = std::min(first, i.step);
  std::vector<double> seconds(last + 1, 0), least(last + 1, std::numeric_limits<double>::infinity());
  const Arena arena(*this);
  to_blocked(places_[input_].shape, grid_.images, input, arena.data + places_[input_].offset);
  for (int r = 0; r < repetitions; ++r) {
    std::fill(seconds.begin(), seconds.end(), 0.0);
    for (const Instruction& i : instructions_) {
      const double start = seconds_now();
      run_instruction(i, grid_.images, output, arena.data);
      seconds[i.step] += seconds_now() - start;
    }
    for (std::size_t s = 0; s < seconds.size(); ++s) least[s] = std::min(least[s], seconds[s]);
  }
  return least;
}

}  // namespace espalier
