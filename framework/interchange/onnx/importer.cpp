#include "framework/interchange/onnx/importer.h"

#include <algorithm>

namespace espalier::onnx {
namespace {

constexpr int oldest_opset = 6, newest_opset = 21;

std::string quote_all(const std::vector<std::string>& names) {
  return fmt::format("'{}'", fmt::join(names, "', '"));
}

}  // namespace

std::int64_t product(const Dims& dims) {
  std::int64_t p = 1;
  for (const std::int64_t d : dims)
    if (__builtin_mul_overflow(p, d, &p))
      fail(ExitCode::checkpoint, "a shape of {} is too large", fmt::join(dims, ","));
  return p;
}

std::int64_t positive(std::int64_t axis, std::size_t rank) {
  return axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis;
}

const std::map<std::string, Handler, std::less<>>& handlers() {
  static const auto table = [] {
    std::map<std::string, Handler, std::less<>> t;
    add_layers(t);
    add_pools(t);
    add_channels(t);
    add_elementwise(t);
    add_shapes(t);
    return t;
  }();
  return table;
}

Importer::Importer(const ModelProto& model, const ImportOptions& options)
    : model_(model), options_(options), folding_budget_((16u << 20) + 4 * model.contents->size()) {
  const auto opset = model.opset_import.find("");
  opset_ =
      opset == model.opset_import.end() ? 1 : static_cast<int>(std::min<std::int64_t>(opset->second, 1000));
  if (opset_ < oldest_opset || opset_ > newest_opset)
    fail(ExitCode::checkpoint,
         "{}: its ops are those of opset {}; {} to {} are read. Export it with opset 13 or 17",
         model.path.string(), opset_, oldest_opset, newest_opset);
  for (const TensorProto& t : model.graph.initializer) initializers_[t.name] = &t;
  constexpr std::uint64_t huge = std::uint64_t{1} << 56;
  std::uint64_t dense = 0;
  for (const SparseTensorProto& t : model.graph.sparse_initializer) {
    sparse_[t.values.name] = &t;
    std::uint64_t size = sizeof(double);
    for (const std::int64_t d : t.dims)
      if (d < 0 || __builtin_mul_overflow(size, static_cast<std::uint64_t>(d), &size)) size = huge;
    dense = std::min(dense + size, huge);
  }
  // Zeros take no room in the file, so its size says little of what it asks for: a bound to what is
  // reasonable.
  if (const std::uint64_t limit = (64u << 20) + 1000 * model.contents->size(); dense > limit)
    fail(ExitCode::checkpoint, "{}: its sparse tensors take {} bytes, more than a file of {} may ask for",
         model.path.string(), dense, model.contents->size());
  for (const NodeProto& n : model.graph.node) {
    for (const std::string& out : n.output)
      if (!out.empty() && !producer_.emplace(out, &n).second)
        fail(ExitCode::checkpoint, "{}: '{}' is computed twice", model.path.string(), out);
    for (const std::string& in : n.input) readers_[in].push_back(&n);
  }
}

void Importer::choose_output() {
  const std::string file = model_.path.string();
  std::vector<std::string> names;
  for (const ValueInfoProto& v : model_.graph.output) names.push_back(v.name);
  if (std::vector<std::string> others = names; std::erase(others, options_.output) > 0 && !others.empty())
    note(fmt::format("Of several outputs '{}' is the network's; {} and what only they need were left out.",
                     options_.output, quote_all(others)));
  if (!options_.output.empty()) {
    if (std::find(names.begin(), names.end(), options_.output) == names.end() &&
        !producer_.contains(options_.output))
      fail(ExitCode::checkpoint, "{}: no output is named '{}'; there are {}", file, options_.output,
           quote_all(names));
    output_ = options_.output;
  } else if (names.size() == 1) {
    output_ = names[0];
  } else {
    fail(ExitCode::checkpoint, "{}: has the {} outputs {}; name the one with the logits by \"output\"", file,
         names.size(), quote_all(names));
  }
}

void Importer::find_live_nodes() {
  std::vector<std::string> open{output_};
  while (!open.empty()) {
    const auto found = producer_.find(open.back());
    open.pop_back();
    if (found == producer_.end() || !live_.insert(found->second).second) continue;
    for (const std::string& in : found->second->input) open.push_back(in);
  }
}

Operand Importer::operand(const std::string& name, const Call& call) {
  if (const auto found = operands_.find(name); found != operands_.end()) return found->second;
  Operand o;
  o.constant = find_constant(name);
  if (o.constant) return o;
  if (producer_.contains(name))
    call.unsupported("its input '{}' is computed later; nodes must be in order", name);
  call.unsupported("its input '{}' is nowhere in the file", name);
}

ConstantPtr Importer::find_constant(const std::string& name, int depth) {
  constexpr int deepest = 200;
  if (const auto found = constants_.find(name); found != constants_.end()) return found->second;
  if (const auto value = operands_.find(name); value != operands_.end()) return value->second.constant;
  if (depth == 0) unknown_.clear();
  if (unknown_.contains(name)) return nullptr;
  ConstantPtr out;
  const std::uint64_t limit = (64u << 20) + 1000 * model_.contents->size();
  const auto dense = initializers_.find(name);
  const auto sparse = sparse_.find(name);
  if (dense != initializers_.end() || sparse != sparse_.end()) {
    const StoredTensor stored = dense != initializers_.end() ? decode(*dense->second, model_.path)
                                                             : decode(*sparse->second, model_.path, limit);
    if (stored.dtype == DType::f16 || stored.dtype == DType::bf16 || stored.dtype == DType::f64)
      ++converted_[stored.dtype];
    out = constant_of(stored);
  } else if (const auto found = producer_.find(name); found != producer_.end() && depth < deepest) {
    const NodeProto& node = *found->second;
    std::vector<ConstantPtr> inputs;
    bool known = node.domain.empty() || node.domain == "ai.onnx";
    for (const std::string& in : node.input) {
      // Shape asks how large a value is, not what it holds.
      const bool shape = node.op_type == "Shape" && operands_.contains(in) && operands_.at(in).value >= 0;
      inputs.push_back(in.empty() || shape || !known ? nullptr : find_constant(in, depth + 1));
      known &= in.empty() || shape || inputs.back();
    }
    // Not known yet is not unknown for ever: the Shape of a value that comes later.
    if (known && node.output.size() == 1) out = fold(node, inputs, *this);
  }
  if (!out) {
    unknown_.insert(name);
    return nullptr;
  }
  constants_[name] = out;
  return out;
}

bool Importer::may_fold(const Dims& dims) {
  std::uint64_t count = 1;
  for (const std::int64_t d : dims)
    if (d < 0 || __builtin_mul_overflow(count, static_cast<std::uint64_t>(d), &count)) return false;
  if (count > folding_budget_) return false;
  folding_budget_ -= count;
  return true;
}

void Importer::set(const std::string& name, Operand operand) { operands_[name] = std::move(operand); }

std::vector<const NodeProto*> Importer::readers(const std::string& name) const {
  const auto found = readers_.find(name);
  return found == readers_.end() ? std::vector<const NodeProto*>{} : found->second;
}

const NodeProto* Importer::sole_reader(const std::string& name) const {
  const auto all = readers(name);
  return all.size() == 1 && !is_output(name) && live_.contains(all[0]) ? all[0] : nullptr;
}

void Importer::import_node(const NodeProto& node) {
  if (is_done(node)) return;
  Call call(*this, node);
  bool all_known = !node.output.empty();
  for (const std::string& out : node.output) all_known &= out.empty() || find_constant(out) != nullptr;
  if (all_known) return;
  if (!node.domain.empty() && node.domain != "ai.onnx")
    call.unsupported("the domain '{}' is not ONNX's own; only standard ops are supported", node.domain);
  const auto handler = handlers().find(node.op_type);
  if (handler == handlers().end()) {
    std::vector<std::string> known;
    for (const auto& [name, unused] : handlers()) known.push_back(name);
    call.unsupported("this op is not supported; {} are", fmt::join(known, ", "));
  }
  if (node.output.empty()) call.unsupported("it has no output");
  try {
    handler->second(call);
  } catch (const Error& e) {
    if (e.code() != ExitCode::config) throw;
    call.complain(e.what());  // a rule of the graph: shapes that do not fit
  }
  call.check_attributes();
  for (std::size_t i = 1; i < node.output.size(); ++i)
    if (!node.output[i].empty() && !operands_.contains(node.output[i]) && !readers(node.output[i]).empty())
      call.unsupported("its output '{}' is used; only the first one is supported", node.output[i]);
}

Imported Importer::run() {
  choose_output();
  find_live_nodes();
  add_input();
  for (const NodeProto& node : model_.graph.node)
    if (live_.contains(&node)) import_node(node);
  const auto found = operands_.find(output_);
  if (found == operands_.end() || found->second.value < 0)
    fail(ExitCode::checkpoint, "{}: its output '{}' does not depend on the input", model_.path.string(),
         output_);
  NodeProto end;
  end.op_type = "Output";
  end.name = output_;
  end.output = {output_};
  const Call call(*this, end);
  const Operand& o = found->second;
  if (o.form != Form::image && o.form != Form::line && o.form != Form::column && o.form != Form::flat)
    call.unsupported("it is [n, {}] in an order that cannot be kept", fmt::join(o.dims, ", "));
  const bool flat = o.form == Form::flat || o.pooled || (o.form == Form::image && o.dims.size() == 1);
  const ValueId value = flat ? features(call, o) : any(call, o);
  for (const auto& [dtype, count] : converted_)
    note(fmt::format("{} tensors of {} were converted to float32.", count, espalier::name_of(dtype)));
  Imported out{builder_.finish({value}), std::move(weights_), ending_, std::move(notices_)};
  if (builder_.find(output_) < 0) out.graph.values[value].name = output_;
  for (ParameterSpec& p : out.graph.parameters)
    p.init = [t = out.weights.at(p.name)](std::span<Real> to, Random&) {
      std::copy(t.values().begin(), t.values().end(), to.begin());
    };
  return out;
}

Imported import_model(const ModelProto& model, const ImportOptions& options) {
  return Importer(model, options).run();
}

}  // namespace espalier::onnx
