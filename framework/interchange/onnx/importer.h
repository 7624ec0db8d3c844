// importer.h: what the importers of single ops (layers.cpp, pools.cpp, elementwise.cpp, ...) work with: what
// each name of the ONNX graph stands for so far, and the Graph that grows. ONNX keeps images as [n, c, h, w],
// a Graph as {h, w, c}.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "framework/graph/builder.h"
#include "framework/graph/channel_ops.h"
#include "framework/graph/ops.h"
#include "framework/interchange/onnx/import.h"

namespace espalier::onnx {

using Dims = std::vector<std::int64_t>;
std::int64_t product(const Dims& dims);

/// Stands for the number of examples where a network computes with its own shapes.
constexpr std::int64_t unknown_batch = std::numeric_limits<std::int64_t>::min();

/// Numbers that are known when the network is imported.
struct Constant {
  Dims dims;
  bool whole = false;  ///< of integers
  std::vector<float> reals;
  Dims integers;
  std::string initializer;  ///< the name it had in the file; kept by Identity and the like

  std::int64_t size() const { return product(dims); }
  double real(std::int64_t i) const { return whole ? static_cast<double>(integers[i]) : reals[i]; }
};
using ConstantPtr = std::shared_ptr<const Constant>;

/// How the dimensions of one example in ONNX lie in a value of the Graph.
enum class Form {
  image,       ///< [c, h, w] in {h, w, c}
  line,        ///< [c, l] in {1, l, c}
  column,      ///< [c, l, 1] in {1, l, c}: how PyTorch once pooled lines
  image_last,  ///< [h, w, c] in {h, w, c}: after a Transpose
  flat,        ///< [f] or [f, 1, 1] in {f}
  flat_last,   ///< [h w c] in {h, w, c}: image_last made flat, whose order a linear layer takes into its
               ///< columns
  grouped,     ///< [g, c / g, h, w] in {h, w, c}: half of a channel shuffle
  shuffled,  ///< [c / g, g, h, w] in {h, w, c}: the same transposed; its channels are still in the old order
};

/// What a name of the ONNX graph stands for: numbers, or a value of the Graph.
struct Operand {
  ConstantPtr constant;
  ValueId value = -1;
  Dims dims;  ///< of one example, in ONNX's order
  Form form = Form::image;
  std::vector<std::int64_t>
      pads;             ///< zeros around it that the next layer takes: top, left, bottom, right; or empty
  bool pooled = false;  ///< the mean over all pixels of `value`; becomes a step when its use is known
};

class Importer;

/// One node with its inputs. What it asks for is known to be supported; attributes nobody asked for are an
/// error.
class Call {
 public:
  Call(Importer& of, const NodeProto& called) : importer(of), node(called) {}

  std::size_t inputs() const { return node.input.size(); }
  bool has(std::size_t i) const { return i < node.input.size() && !node.input[i].empty(); }
  /// Input i, whatever it is.
  Operand operand(std::size_t i) const;
  /// Input i, which must be a value without pending pads / must be constant.
  Operand value(std::size_t i) const;
  ConstantPtr constant(std::size_t i, const char* what) const;

  std::int64_t integer(const char* name, std::int64_t otherwise);
  double real(const char* name, double otherwise);
  std::string text(const char* name, const std::string& otherwise);
  Dims integers(const char* name, const Dims& otherwise = {});
  bool given(const char* name) const { return node.find(name) != nullptr; }
  /// The attribute is allowed and means nothing here.
  void ignore(const char* name) { asked_.insert(name); }
  /// Attribute before `opset`, input i since then: Clip's bounds, Squeeze's axes, ...
  std::optional<Dims> integers_at(const char* name, std::size_t i);
  std::optional<double> real_at(const char* name, std::size_t i);

  void check_attributes() const;
  template <class... Args>
  [[noreturn]] void unsupported(fmt::format_string<Args...> what, Args&&... args) const {
    complain(fmt::format(what, std::forward<Args>(args)...));
  }
  [[noreturn]] void complain(const std::string& what) const;

  Importer& importer;
  const NodeProto& node;

 private:
  const AttributeProto* find(const char* name, std::int64_t type);
  std::set<std::string, std::less<>> asked_;
};

/// y = scale x + shift, for each channel or for all alike.
struct Affine {
  std::vector<double> scale, shift;  ///< of equal lengths: 1 or the number of channels
};

class Importer {
 public:
  Importer(const ModelProto& model, const ImportOptions& options);
  Imported run();

  // --- names (importer.cpp) ---
  Operand operand(const std::string& name, const Call& call);
  ConstantPtr find_constant(const std::string& name, int depth = 0);  ///< null if it is none
  /// Room for a folded constant; false if the file has asked for more than one of its size may.
  bool may_fold(const Dims& dims);
  void set(const std::string& name, Operand operand);
  /// The only reader of `name`; null if there are others or it is an output of the model.
  const NodeProto* sole_reader(const std::string& name) const;
  std::vector<const NodeProto*> readers(const std::string& name) const;
  bool is_output(const std::string& name) const { return name == output_; }
  /// `node` has been taken into the step of another; its output is called `name` there.
  void skip(const NodeProto& node) { done_.insert(&node); }
  bool is_done(const NodeProto& node) const { return done_.contains(&node); }
  void note(const std::string& text) { notices_.push_back(text); }
  void end_in(const std::string& op) { ending_ = op; }
  int opset() const { return opset_; }
  const ModelProto& model() const { return model_; }
  bool is_batch(std::int64_t extent) const {
    return extent == unknown_batch || (batch_ > 0 && extent == batch_);
  }

  // --- steps (importer_steps.cpp) ---
  /// Adds a step. `weights` are its parameters and statistics in the op's order, in the layout of memory.
  template <std::derived_from<Op> Concrete>
  ValueId add(const std::string& name, Concrete op, const std::vector<ValueId>& inputs,
              std::vector<std::vector<float>> weights = {}) {
    return add(name, std::make_shared<const Concrete>(std::move(op)), inputs, std::move(weights));
  }
  ValueId add(const std::string& name, std::shared_ptr<const Op> op, const std::vector<ValueId>& inputs,
              std::vector<std::vector<float>> weights);
  /// Name of a step: its weight's without ".weight", or else its node's.
  std::string step_name(const Call& call, const Constant* weight = nullptr) const;
  const Shape& shape(ValueId id) const { return builder_.shape(id); }

  /// The operand as an image {h, w, c} / as features {f}; adds what that takes.
  ValueId image(const Call& call, const Operand& operand);
  ValueId features(const Call& call, const Operand& operand);
  /// As it lies: for ops that act on each value alone.
  ValueId any(const Call& call, const Operand& operand);

  // --- per-channel constants (affine.cpp) ---
  /// What Add, Sub, Mul or Div of the value by a constant does to it; nothing if it is not one number per
  /// channel.
  std::optional<Affine> affine(const NodeProto& node, const std::string& value, const Operand& operand);
  /// All of those that only read one another after `name`, as one; `name` becomes that of the last output.
  Affine absorb(std::string& name, const Operand& operand, Affine first = {{1}, {0}});

 private:
  void choose_output();
  void add_input();
  void find_live_nodes();
  void import_node(const NodeProto& node);
  const ModelProto& model_;
  ImportOptions options_;
  int opset_ = 0;
  std::int64_t batch_ = -1;  ///< examples that the file is fixed to; -1: any
  std::string output_, ending_;
  GraphBuilder builder_;
  Weights weights_;
  std::vector<std::string> notices_;
  std::map<std::string, const NodeProto*> producer_;
  std::map<std::string, std::vector<const NodeProto*>> readers_;
  std::map<std::string, const TensorProto*> initializers_;
  std::map<std::string, const SparseTensorProto*> sparse_;
  std::map<std::string, Operand> operands_;
  std::map<std::string, ConstantPtr> constants_;
  std::set<const NodeProto*> live_, done_;
  std::set<std::string> names_;
  std::map<std::string, std::vector<float>> initial_;
  std::map<DType, int> converted_;
  std::set<std::string> unknown_;  ///< names found to be no constants in the search that is under way
  std::uint64_t folding_budget_;   ///< numbers that folding may still make
};

/// The op `node` of constants: its output, or null if it cannot be computed here (constants.cpp).
ConstantPtr fold(const NodeProto& node, const std::vector<ConstantPtr>& inputs, Importer& importer);
ConstantPtr constant_of(const StoredTensor& tensor);

/// Imports one node: reads its inputs from the importer and sets its outputs.
using Handler = std::function<void(Call&)>;
/// By op_type.
const std::map<std::string, Handler, std::less<>>& handlers();
void add_layers(std::map<std::string, Handler, std::less<>>& table);
void add_pools(std::map<std::string, Handler, std::less<>>& table);
void add_channels(std::map<std::string, Handler, std::less<>>& table);
void add_elementwise(std::map<std::string, Handler, std::less<>>& table);
void add_shapes(std::map<std::string, Handler, std::less<>>& table);

/// The axis counted from 0; `rank` with the batch.
std::int64_t positive(std::int64_t axis, std::size_t rank);

}  // namespace espalier::onnx
