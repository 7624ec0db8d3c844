// channels.cpp: channels side by side, and parts of them.
#include <algorithm>

#include "framework/interchange/onnx/importer.h"

namespace espalier::onnx {
namespace {

void concat(Call& c) {
  std::vector<Operand> x;
  for (std::size_t i = 0; i < c.inputs(); ++i) x.push_back(c.value(i));
  if (x.empty()) c.unsupported("it has no inputs");
  const std::int64_t axis = positive(c.integer("axis", 1), x[0].dims.size() + 1);
  const bool last = x[0].form == Form::image_last;
  if (axis != (last ? static_cast<std::int64_t>(x[0].dims.size()) : 1))
    c.unsupported("its attribute axis is {}; channels and features (1) are supported", axis);
  std::vector<ValueId> ids;
  const bool flat = x[0].dims.size() == 1;
  for (const Operand& o : x) {
    if (!flat && (o.form != x[0].form || o.form == Form::grouped || o.form == Form::shuffled))
      c.unsupported("its inputs lie differently");
    if (o.dims.size() != x[0].dims.size())
      c.unsupported("its inputs have {} and {} dimensions", x[0].dims.size(), o.dims.size());
    ids.push_back(flat ? c.importer.features(c, o) : c.importer.any(c, o));
  }
  Operand y = x[0];
  y.pooled = false;
  if (flat) y.form = Form::flat;
  y.dims[axis - 1] = 0;
  for (const Operand& o : x) y.dims[axis - 1] += o.dims[axis - 1];
  y.value = c.importer.add(c.importer.step_name(c), ConcatOp(), ids);
  c.importer.set(c.node.output[0], y);
}

/// Channels [begin, begin + count) of `x` as `output`.
void narrow(Call& c, const Operand& x, std::int64_t begin, std::int64_t count, const std::string& output) {
  Operand y = x;
  y.dims[0] = count;
  if (begin != 0 || count != x.dims[0]) {
    if (x.form != Form::image && x.form != Form::line && x.form != Form::flat)
      c.unsupported("its channels are not on axis 1");
    y.value = c.importer.add(c.importer.step_name(c), ChannelsOp(begin, count), {c.importer.any(c, x)});
    y.pooled = false;
  }
  c.importer.set(output, y);
}

void split(Call& c) {
  const Operand x = c.value(0);
  const std::int64_t axis = positive(c.integer("axis", 0), x.dims.size() + 1);
  if (axis != 1) c.unsupported("its axis is {}; channels (1) are supported", axis);
  c.ignore("num_outputs");
  const auto parts = static_cast<std::int64_t>(c.node.output.size());
  Dims sizes = c.integers_at("split", 1).value_or(Dims{});
  if (sizes.empty()) {
    const std::int64_t size = (x.dims[0] + parts - 1) / parts;
    for (std::int64_t i = 0; i < parts; ++i) sizes.push_back(std::min(size, x.dims[0] - i * size));
  }
  std::int64_t begin = 0;
  for (std::int64_t i = 0; i < parts; ++i) {
    if (i >= static_cast<std::int64_t>(sizes.size()) || sizes[i] < 1 || sizes[i] > x.dims[0] - begin)
      c.unsupported("its parts [{}] do not make {} channels", fmt::join(sizes, ", "), x.dims[0]);
    if (!c.importer.readers(c.node.output[i]).empty()) narrow(c, x, begin, sizes[i], c.node.output[i]);
    begin += sizes[i];
  }
}

void slice(Call& c) {
  const Operand x = c.value(0);
  const Dims starts = c.integers_at("starts", 1).value_or(Dims{}),
             ends = c.integers_at("ends", 2).value_or(Dims{}),
             axes = c.integers_at("axes", 3).value_or(Dims{0}),
             steps = c.integers_at("steps", 4).value_or(Dims{1});
  if (starts.size() != 1 || ends.size() != 1 || axes.size() != 1 || steps != Dims{1} ||
      positive(axes[0], x.dims.size() + 1) != 1)
    c.unsupported("it cuts axes [{}]; neighbouring channels (axis 1) are supported", fmt::join(axes, ", "));
  const std::int64_t size = x.dims[0];
  const auto within = [&](std::int64_t v) { return std::clamp(v < 0 ? v + size : v, std::int64_t{0}, size); };
  const std::int64_t begin = within(starts[0]), end = within(ends[0]);
  if (begin >= end) c.unsupported("nothing of {} channels is left from {} to {}", size, starts[0], ends[0]);
  narrow(c, x, begin, end - begin, c.node.output[0]);
}

/// Channels by their numbers.
void gather(Call& c) {
  const Operand x = c.value(0);
  const std::int64_t axis = positive(c.integer("axis", 0), x.dims.size() + 1);
  if (axis != 1 || (x.form != Form::image && x.form != Form::line && x.form != Form::flat))
    c.unsupported("its axis is {} of [n, {}]; channels (1) are supported", axis, fmt::join(x.dims, ", "));
  const ConstantPtr indices = c.constant(1, "indices");
  if (!indices->whole || indices->dims.size() != 1)
    c.unsupported("its indices have {} dimensions; a list of channels is supported", indices->dims.size());
  std::vector<int> channels;
  for (std::int64_t i : indices->integers) {
    if (i < 0) i += x.dims[0];
    if (i < 0 || i >= x.dims[0]) c.unsupported("its indices hold {} of {} channels", i, x.dims[0]);
    if (std::find(channels.begin(), channels.end(), static_cast<int>(i)) != channels.end())
      c.unsupported("its indices hold {} twice; each channel once is supported", i);
    channels.push_back(static_cast<int>(i));
  }
  Operand y = x;
  y.dims[0] = static_cast<std::int64_t>(channels.size());
  y.value = c.importer.add(c.importer.step_name(c), PickChannelsOp(channels), {c.importer.any(c, x)});
  y.pooled = false;
  c.importer.set(c.node.output[0], y);
}

}  // namespace

void add_channels(std::map<std::string, Handler, std::less<>>& table) {
  table["Concat"] = concat;
  table["Split"] = split;
  table["Slice"] = slice;
  table["Gather"] = gather;
}

}  // namespace espalier::onnx
