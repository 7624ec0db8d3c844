#include "framework/interchange/onnx/export.h"

#include <algorithm>
#include <array>

#include "framework/graph/passes.h"
#include "framework/interchange/onnx/exporter.h"
#include "framework/io/atomic_file.h"

namespace espalier::onnx {
namespace {

void write_tensor(ProtoWriter& to, const std::string& name, std::int64_t type,
                  const std::vector<std::int64_t>& dims, std::string_view raw) {
  to.integers(1, dims);
  to.integer(2, type);
  to.bytes(8, name);
  to.bytes(9, raw);
}

template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

void write_value_info(ProtoWriter& to, int field, const std::string& name, std::int64_t type, const Shape& s,
                      bool channels_last) {
  ProtoWriter shape;
  const auto dimension = [&](std::int64_t extent) {
    ProtoWriter d;
    if (extent < 0)
      d.bytes(2, "n");
    else
      d.integer(1, extent);
    shape.message(1, d);
  };
  dimension(-1);
  if (s.rank() == 1) {
    dimension(s[0]);
  } else {
    for (const int axis : channels_last ? std::array{0, 1, 2} : std::array{2, 0, 1}) dimension(s[axis]);
  }
  ProtoWriter tensor, kind, info;
  tensor.integer(1, type);
  tensor.message(2, shape);
  kind.message(1, tensor);
  info.bytes(1, name);
  info.message(2, kind);
  to.message(field, info);
}

}  // namespace

std::string Exporter::unique(const std::string& name) {
  std::string u = name;
  for (int i = 2; !taken_.insert(u).second; ++i) u = fmt::format("{}_{}", name, i);
  return u;
}

std::string Exporter::node(const std::string& type, const std::vector<std::string>& inputs,
                           const std::string& output, const std::vector<Attribute>& attributes) {
  const std::string out = values_.erase(output) > 0 ? output : unique(output);
  ProtoWriter n;
  for (const std::string& in : inputs) n.bytes(1, in);
  n.bytes(2, out);
  n.bytes(3, out + "/" + type);
  n.bytes(4, type);
  for (const Attribute& a : attributes) {
    ProtoWriter w;
    w.bytes(1, a.name);
    if (a.type == AttributeProto::FLOAT) w.real(2, a.f);
    if (a.type == AttributeProto::INT) w.integer(3, a.i);
    if (a.type == AttributeProto::INTS)
      for (const std::int64_t v : a.ints) w.integer(8, v);  // not packed: onnx.proto is of protobuf 2
    w.integer(20, a.type);
    n.message(5, w);
  }
  body_.message(1, n);
  return out;
}

std::string Exporter::tensor(const std::string& name, const std::vector<std::int64_t>& dims,
                             std::span<const float> values) {
  const std::string own = unique(name);
  ProtoWriter t;
  const auto kept = std::count_if(values.begin(), values.end(), [](float v) { return v != 0; });
  if (!options_.sparse || dims.size() < 2 || 2 * static_cast<std::size_t>(kept) > values.size()) {
    write_tensor(t, own, FLOAT, dims, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
    body_.message(5, t);
    return own;
  }
  std::vector<float> numbers;
  std::vector<std::int64_t> places;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] != 0) {
      numbers.push_back(values[i]);
      places.push_back(static_cast<std::int64_t>(i));
    }
  ProtoWriter stored, indices;
  write_tensor(stored, own, FLOAT, {kept}, bytes_of(numbers));
  write_tensor(indices, own + "_indices", INT64, {kept}, bytes_of(places));
  t.message(1, stored);
  t.message(2, indices);
  t.integers(3, dims);
  body_.message(15, t);
  return own;
}

std::string Exporter::tensor(const std::string& name, const std::vector<std::int64_t>& values) {
  const std::string own = unique(name);
  ProtoWriter t;
  write_tensor(t, own, INT64, {static_cast<std::int64_t>(values.size())}, bytes_of(values));
  body_.message(5, t);
  return own;
}

std::string Exporter::scalar(const std::string& name, double value) {
  const auto v = static_cast<float>(value);
  return tensor(name, {}, std::span(&v, 1));
}

std::string Exporter::parameter(const Step& step, std::size_t i) {
  const ParameterSpec& spec = graph_.parameters[step.parameters[i]];
  const Tensor& t = weights_.at(spec.name);
  const Shape& s = t.shape();
  std::vector<float> values(t.values().begin(), t.values().end());
  if (s.rank() != 4) {
    std::vector<std::int64_t> dims;
    for (int a = 0; a < s.rank(); ++a) dims.push_back(s[a]);
    return tensor(spec.name, dims, values);
  }
  const Index pixels = s[1] * s[2];
  for (Index o = 0, to = 0; o < s[0]; ++o)  // OHWI -> OIHW
    for (Index c = 0; c < s[3]; ++c)
      for (Index p = 0; p < pixels; ++p, ++to)
        values[to] = static_cast<float>(t.data()[(o * pixels + p) * s[3] + c]);
  return tensor(spec.name, {s[0], s[3], s[1], s[2]}, values);
}

std::string Exporter::statistic(const Step& step, std::size_t i) {
  const StatisticSpec& spec = graph_.statistics[step.statistics[i]];
  const Tensor& t = weights_.at(spec.name);
  const std::vector<float> values(t.values().begin(), t.values().end());
  return tensor(spec.name, {spec.size}, values);
}

void Exporter::add_input() {
  const Value& in = graph_.value(graph_.input);
  if (!options_.pixels) {
    names_[graph_.input] = in.name;
    values_.erase(in.name);
    write_value_info(body_, 11, in.name, FLOAT, in.shape, false);
    return;
  }
  const PixelNormalization& n = *options_.pixels;
  require(in.shape.rank() == 3 && static_cast<Index>(n.mean.size()) == in.shape[2] &&
              n.std.size() == n.mean.size(),
          "[onnx] pixels of {} channels for an input {}", n.mean.size(), in.shape);
  const bool bytes = n.form == PixelNormalization::Form::bytes;
  const std::string pixels = unique("pixels");
  write_value_info(body_, 11, pixels, bytes ? UINT8 : FLOAT, in.shape, bytes);
  std::vector<float> scale, shift;
  for (std::size_t c = 0; c < n.mean.size(); ++c) {
    scale.push_back(static_cast<float>(1 / ((bytes ? 255 : 1) * n.std[c])));
    shift.push_back(static_cast<float>(-n.mean[c] / n.std[c]));
  }
  const std::vector<std::int64_t> dims{1, in.shape[2], 1, 1};
  std::string real = pixels;
  if (bytes) {
    real = node("Transpose", {pixels}, "pixels.transposed", {Attribute::integers("perm", {0, 3, 1, 2})});
    real = node("Cast", {real}, "pixels.real", {Attribute::integer("to", FLOAT)});
  }
  const std::string scaled = node("Mul", {real, tensor("pixels.scale", dims, scale)}, "pixels.scaled");
  names_[graph_.input] = node("Add", {scaled, tensor("pixels.shift", dims, shift)}, in.name);
}

std::string Exporter::run() {
  for (const Value& v : graph_.values) taken_.insert(v.name);
  values_ = taken_;
  add_input();
  const std::string result = graph_.value(graph_.outputs[0]).name;
  if (!options_.ending.empty()) values_.erase(result);  // is what the last node makes
  for (const Step& step : graph_.steps) add_step(step);
  if (!options_.ending.empty()) {
    values_.insert(result);
    const Attribute axis = Attribute::integer("axis", 1);
    names_[graph_.outputs[0]] = node(options_.ending, {names_.at(graph_.outputs[0])}, result, {axis});
  }
  for (const ValueId id : graph_.outputs)
    write_value_info(body_, 12, names_.at(id), FLOAT, graph_.shape(id), false);
  body_.bytes(2, "espalier");
  ProtoWriter model, opset;
  model.integer(1, export_ir);
  model.bytes(2, "espalier");
  model.bytes(3, ESPALIER_VERSION);
  model.message(7, body_);
  opset.integer(2, export_opset);
  model.message(8, opset);
  for (const auto& [key, value] : options_.metadata) {
    ProtoWriter entry;
    entry.bytes(1, key);
    entry.bytes(2, value);
    model.message(14, entry);
  }
  return model.contents();
}

std::string export_model(const Graph& graph, const Weights& weights, const ExportOptions& options) {
  if (options.keep_batch_norm) return Exporter(graph, weights, options).run();
  const auto [folded, folded_weights] = fold_batch_norm(graph, weights);
  return Exporter(folded, folded_weights, options).run();
}

void write_model(const std::filesystem::path& path, const Graph& graph, const Weights& weights,
                 const ExportOptions& options) {
  write_file_atomically(path, export_model(graph, weights, options));
}

}  // namespace espalier::onnx
