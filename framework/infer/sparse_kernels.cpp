#include "framework/infer/sparse_kernels.h"

#include "framework/graph/ops.h"
#include "framework/graph/passes.h"
#include "framework/kernels/scratch.h"

namespace espalier {
namespace {

/// A stretch as one op; only the engine can run it.
struct ProgramOp final : OpOf<ProgramOp> {
  std::shared_ptr<const BlockedProgram> program;
  Shape output;
  const char* type() const override { return "blocked_program"; }
  Shape shape(std::span<const Shape>) const override { return output; }
  Var apply(std::span<const Var>, const StepWeights& own, Pass&) const override {
    fail(ExitCode::internal, "[sparse engine] {}: a stretch of steps in another layout has no tape",
         own.name);
  }
  Index macs(std::span<const Shape>) const override { return program->macs(); }
};

struct ProgramKernel final : StepKernel {
  std::shared_ptr<const BlockedProgram> program;
  explicit ProgramKernel(std::shared_ptr<const BlockedProgram> p) : program(std::move(p)) {}
  void run(const StepData& d) const override { program->run(d.examples, d.inputs[0], d.output); }
  Index together() const override { return program->images(); }
  std::string name() const override { return "sparse"; }
};

struct SparseLinearKernel final : StepKernel {
  Index in, out;
  bool relu;
  kernels::SparseLinear linear;
  SparseLinearKernel(Index inputs, Index outputs, bool with_relu, const Real* w, const Real* bias)
      : in(inputs), out(outputs), relu(with_relu), linear(inputs, outputs, w, bias) {}
  void run(const StepData& d) const override {
    // Turning a batch over costs as much as some eight examples one by one.
    constexpr Index worth_turning = 12;
    if (d.examples < worth_turning) return linear.rows(d.examples, d.inputs[0], relu, d.output);
    const Index held = kernels::column_blocks(d.examples) * kernels::column_examples;
    kernels::Scratch<Real> x(held * in), y(held * out);
    kernels::rows_to_columns(d.examples, in, d.inputs[0], x.data());
    linear.columns(d.examples, x.data(), relu, y.data());
    kernels::columns_to_rows(d.examples, out, y.data(), d.output);
  }
  Index together() const override { return kernels::column_examples; }
  std::string name() const override { return "sparse"; }
};

}  // namespace

std::unique_ptr<StepKernel> sparse_linear_kernel(const Graph& graph, const Step& step,
                                                 const Weights& weights) {
  const auto* op = dynamic_cast<const LinearOp*>(step.op.get());
  if (!op || (op->joined_activation && op->joined_activation.kind != Activation::Kind::relu)) return nullptr;
  const auto parameter = [&](std::size_t k) {
    return weights.at(graph.parameters[step.parameters[k]].name).data();
  };
  return std::make_unique<SparseLinearKernel>(graph.shape(step.inputs[0]).size(), op->out,
                                              bool(op->joined_activation), parameter(0),
                                              step.parameters.size() > 1 ? parameter(1) : nullptr);
}

Graph with_programs(const Graph& graph,
                    const std::vector<std::pair<Stretch, std::shared_ptr<const BlockedProgram>>>& programs) {
  Graph rewritten = graph;
  rewritten.steps.clear();
  std::size_t done = 0;
  for (const auto& [stretch, program] : programs) {
    rewritten.steps.insert(rewritten.steps.end(), graph.steps.begin() + done,
                           graph.steps.begin() + stretch.begin);
    const Step &first = graph.steps[stretch.begin], &last = graph.steps[stretch.end - 1];
    auto op = std::make_shared<ProgramOp>();
    op->program = program;
    op->output = graph.shape(last.output);
    rewritten.steps.push_back({first.name, op, {first.inputs[0]}, last.output, {}, {}});
    done = stretch.end;
  }
  rewritten.steps.insert(rewritten.steps.end(), graph.steps.begin() + done, graph.steps.end());
  drop_unused_values(rewritten);
  return rewritten;
}

std::unique_ptr<StepKernel> program_kernel(const Graph&, const Step& step, const Weights&) {
  const auto* op = dynamic_cast<const ProgramOp*>(step.op.get());
  return op ? std::make_unique<ProgramKernel>(op->program) : nullptr;
}

}  // namespace espalier
