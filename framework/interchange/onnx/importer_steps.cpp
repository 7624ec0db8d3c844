// importer_steps.cpp: the network's input, and how steps are added to its Graph.
#include <algorithm>

#include "framework/interchange/onnx/importer.h"

namespace espalier::onnx {

void Importer::add_input() {
  const std::string file = model_.path.string();
  const ValueInfoProto* input = nullptr;
  for (const ValueInfoProto& v : model_.graph.input) {
    if (initializers_.contains(v.name) || sparse_.contains(v.name))
      continue;  // before IR 4 those are listed too
    const auto& all = readers(v.name);
    if (std::none_of(all.begin(), all.end(), [&](const NodeProto* n) { return live_.contains(n); })) continue;
    if (input)
      fail(ExitCode::checkpoint, "{}: has the inputs '{}' and '{}'; a network of one input is wanted", file,
           input->name, v.name);
    input = &v;
  }
  if (!input) fail(ExitCode::checkpoint, "{}: its output '{}' does not depend on an input", file, output_);
  const auto complain = [&](const std::string& what) {
    std::vector<std::string> dims;
    for (const Dimension& d : input->shape)
      dims.push_back(d.value > 0 ? std::to_string(d.value) : d.parameter.empty() ? "?" : d.parameter);
    fail(ExitCode::checkpoint, "{}: input '{}' [{}]: {}", file, input->name, fmt::join(dims, ", "), what);
  };
  if (input->elem_type == 0) complain("is no tensor");
  const std::size_t rank = input->shape.size();
  if (rank < 2 || rank > 4) complain("images [n, c, h, w], lines [n, c, l] or features [n, f] are supported");
  Operand x;
  const auto& all = readers(input->name);
  const bool last = rank == 4 && std::all_of(all.begin(), all.end(), [](const NodeProto* n) {
                      const AttributeProto* perm = n->find("perm");
                      return n->op_type == "Transpose" && perm && perm->ints == Dims{0, 3, 1, 2};
                    });
  x.form = last ? Form::image_last : rank == 4 ? Form::image : rank == 3 ? Form::line : Form::flat;
  for (std::size_t a = 1; a < rank; ++a) x.dims.push_back(input->shape[a].value);
  batch_ = input->shape[0].value > 0 ? input->shape[0].value : -1;
  const Shape& given = options_.image;
  if (given.rank() == 3) {
    const Dims wanted = x.form == Form::image        ? Dims{given[2], given[0], given[1]}
                        : x.form == Form::image_last ? Dims{given[0], given[1], given[2]}
                        : x.form == Form::line       ? Dims{given[2], given[1]}
                                                     : Dims{given.size()};
    for (std::size_t a = 0; a < wanted.size(); ++a) {
      if (x.dims[a] > 0 && x.dims[a] != wanted[a])
        complain(fmt::format("does not take images of height {}, width {} and {} channels", given[0],
                             given[1], given[2]));
      x.dims[a] = wanted[a];
    }
    if (x.form == Form::line && given[0] != 1) complain("takes lines, not images of several rows");
  }
  for (const std::int64_t d : x.dims)
    if (d < 1) complain("the model leaves the image's size open; it must be given");
  const Dims& d = x.dims;
  const Shape image = x.form == Form::image        ? Shape{d[1], d[2], d[0]}
                      : x.form == Form::image_last ? Shape{d[0], d[1], d[2]}
                      : x.form == Form::line       ? Shape{1, d[1], d[0]}
                      : given.rank() == 3          ? given
                                                   : Shape{d[0]};
  names_.insert(input->name);
  x.value = builder_.input(input->name, image);
  if (x.form == Form::flat && image.rank() == 3) x.value = add("flatten", FlattenOp(), {x.value});
  set(input->name, x);
}

std::string Importer::step_name(const Call& call, const Constant* weight) const {
  std::string name;
  constexpr std::string_view suffix = ".weight";
  if (weight && weight->initializer.ends_with(suffix)) {
    name = weight->initializer.substr(0, weight->initializer.size() - suffix.size());
  } else {
    name = call.node.name.empty() ? call.node.output[0] : call.node.name;
    // PyTorch: "/layer1/layer1.0/conv1/Conv" is layer1.0.conv1.
    if (name.starts_with('/')) {
      name.erase(0, 1);
      std::string path;
      for (std::size_t begin = 0; begin <= name.size();) {
        const std::size_t end = std::min(name.find('/', begin), name.size());
        const std::string part = name.substr(begin, end - begin);
        path = path.empty() || part.starts_with(path + ".") ? part : path + "." + part;
        begin = end + 1;
      }
      name = path;
    }
  }
  std::string unique = name.empty() ? "step" : name;
  for (int i = 2; names_.contains(unique); ++i) unique = fmt::format("{}_{}", name, i);
  return unique;
}

ValueId Importer::add(const std::string& name, std::shared_ptr<const Op> op,
                      const std::vector<ValueId>& inputs, std::vector<std::vector<float>> weights) {
  std::string unique = name;
  for (int i = 2; names_.contains(unique); ++i) unique = fmt::format("{}_{}", name, i);
  names_.insert(unique);
  const std::size_t first_parameter = builder_.graph().parameters.size(),
                    first_statistic = builder_.graph().statistics.size();
  const ValueId made = builder_.add(unique, std::move(op), inputs);
  const auto& parameters = builder_.graph().parameters;
  const auto& statistics = builder_.graph().statistics;
  require(weights.size() == parameters.size() - first_parameter + statistics.size() - first_statistic,
          "[onnx] step '{}' with {} weights", unique, weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::size_t p = first_parameter + i, s = first_statistic + p - parameters.size();
    const bool parameter = p < parameters.size();
    const std::string& full = parameter ? parameters[p].name : statistics[s].name;
    const Shape shape = parameter ? parameters[p].shape : Shape{statistics[s].size};
    require(static_cast<Index>(weights[i].size()) == shape.size(), "[onnx] {}: {} values for {}", full,
            weights[i].size(), shape);
    Tensor t = Tensor::uninitialized(shape);
    std::copy(weights[i].begin(), weights[i].end(), t.data());
    weights_.tensors[full] = t;
  }
  return made;
}

ValueId Importer::image(const Call& call, const Operand& o) {
  if (o.value < 0) call.unsupported("its input is a constant where the network's values are wanted");
  if (o.pooled) {
    const Shape& s = shape(o.value);
    AveragePoolOp pool;
    pool.pool.kernel_h = s[0];
    pool.pool.kernel_w = s[1];
    return add(step_name(call) + ".pool", pool, {o.value});
  }
  if (o.form != Form::image && o.form != Form::line)
    call.unsupported("its input of [n, {}] is no image as this op needs it here", fmt::join(o.dims, ", "));
  return o.value;
}

ValueId Importer::features(const Call& call, const Operand& o) {
  if (o.value < 0) call.unsupported("its input is a constant where the network's values are wanted");
  if (o.pooled) return add(step_name(call) + ".pool", GlobalAveragePoolOp(), {o.value});
  if (o.form == Form::flat) return o.value;
  const Shape& s = shape(o.value);
  if (s.rank() == 3 && s[0] == 1 && s[1] == 1)
    return add(step_name(call) + ".flatten", FlattenOp(), {o.value});
  call.unsupported("its input of [n, {}] is an image; features are wanted (Flatten before it)",
                   fmt::join(o.dims, ", "));
}

ValueId Importer::any(const Call& call, const Operand& o) {
  if (!o.pads.empty())
    call.unsupported("it follows a Pad, which only convolutions and poolings take into themselves");
  return o.pooled ? image(call, o) : o.value;
}

}  // namespace espalier::onnx
