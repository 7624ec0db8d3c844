#include "framework/io/compact/weights_file.h"

#include <algorithm>
#include <cmath>

#include "framework/core/check.h"
#include "framework/io/atomic_file.h"
#include "framework/io/compact/compact_file.h"
#include "framework/io/compact/positions.h"
#include "framework/io/compact/zstd.h"
#include "framework/io/safetensors.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view mask_suffix = "_mask", bits_suffix = "_mask_bits";

bool is_mask(const TensorFile& file, const StoredTensor& t) {
  for (const std::string_view suffix : {mask_suffix, bits_suffix})
    if (t.name.ends_with(suffix) && file.find(t.name.substr(0, t.name.size() - suffix.size()))) return true;
  return false;
}

std::vector<std::uint8_t> mask_of_values(const fs::path& path, const StoredTensor& mask,
                                         const StoredTensor& of) {
  if (mask.shape != of.shape)
    fail(ExitCode::checkpoint,
         "{}: '{}' has the shape {{{}}} and its weights {{{}}}; a mask has one value for each", path.string(),
         mask.name, fmt::join(mask.shape, ","), fmt::join(of.shape, ","));
  const std::vector<double> flags = to_doubles(mask);
  std::vector<std::uint8_t> kept(flags.size());
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (flags[i] != 0 && flags[i] != 1)
      fail(ExitCode::checkpoint,
           "{}: '{}' holds {} at index {} (counted row by row); a mask is 1 for a kept weight and 0 for a "
           "pruned one",
           path.string(), mask.name, flags[i], i);
    kept[i] = flags[i] == 1;
  }
  return kept;
}

std::vector<std::uint8_t> mask_of_bits(const fs::path& path, const StoredTensor& mask, std::size_t size) {
  const char* why = mask.dtype == DType::u8 ? nullptr : "its dtype is not U8";
  std::vector<std::uint8_t> kept;
  if (!why) kept = kept_of_bitmask(mask.bytes, size, why);
  if (why)
    fail(ExitCode::checkpoint, "{}: '{}' of {} {{{}}} is no mask of {} weights: {}. Write it again",
         path.string(), mask.name, name_of(mask.dtype), fmt::join(mask.shape, ","), size, why);
  return kept;
}

std::vector<float> floats_of(const fs::path& path, const StoredTensor& t) {
  const bool floating =
      t.dtype == DType::f16 || t.dtype == DType::bf16 || t.dtype == DType::f32 || t.dtype == DType::f64;
  if (!floating)
    fail(ExitCode::checkpoint,
         "{}: tensor '{}' is {}; weights must be F32 (F16, BF16 and F64 are converted). Whole numbers mean "
         "nothing "
         "without their scale: save the network with floats",
         path.string(), t.name, name_of(t.dtype));
  std::vector<float> values = to_floats(t);
  if (t.dtype != DType::f64) return values;
  const std::vector<double> exact = to_doubles(t);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (std::isfinite(exact[i]) && !std::isfinite(values[i]))
      fail(ExitCode::checkpoint,
           "{}: tensor '{}' holds {} at index {} (counted row by row); larger than float32 holds (3.4e38)",
           path.string(), t.name, exact[i], i);
  return values;
}

std::vector<std::uint8_t> find_mask(const fs::path& path, const TensorFile& file, const StoredTensor& t,
                                    const std::vector<float>& values) {
  if (const StoredTensor* mask = file.find(t.name + std::string(mask_suffix)))
    return mask_of_values(path, *mask, t);
  if (const StoredTensor* bits = file.find(t.name + std::string(bits_suffix)))
    return mask_of_bits(path, *bits, values.size());
  const auto rule = file.metadata.find("masks");
  if (rule == file.metadata.end() || rule->second != "zeros" || t.shape.size() < 2) return {};
  std::vector<std::uint8_t> kept(values.size());
  for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = values[i] != 0;
  return kept;
}

}  // namespace

const NamedWeights* WeightsFile::find(std::string_view name) const {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const NamedWeights& t) { return t.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

WeightsFile weights_in(const TensorFile& file, const fs::path& path) {
  WeightsFile out;
  out.metadata = file.metadata;
  out.metadata.erase("masks");  // is said by `kept` now
  std::vector<std::string> converted;
  for (const StoredTensor& t : file.tensors) {
    if (t.name.ends_with("num_batches_tracked") || is_mask(file, t)) continue;
    NamedWeights w{t.name, t.shape, floats_of(path, t), {}};
    w.kept = find_mask(path, file, t, w.values);
    if (std::find(w.kept.begin(), w.kept.end(), 0) == w.kept.end()) w.kept.clear();
    for (std::size_t i = 0; i < w.kept.size(); ++i)
      if (!w.kept[i]) w.values[i] = 0;
    if (t.dtype != DType::f32) converted.push_back(fmt::format("{} ({})", t.name, name_of(t.dtype)));
    out.tensors.push_back(std::move(w));
  }
  if (!converted.empty())
    out.notices.push_back(fmt::format(
        "{}: converted to float32: {}", path.string(),
        converted.size() <= 3 ? fmt::format("{}", fmt::join(converted, ", "))
                              : fmt::format("{} and {} other tensors", converted[0], converted.size() - 1)));
  return out;
}

WeightsFile read_weights_file(const fs::path& path) {
  std::string bytes = read_whole_file(path, ExitCode::checkpoint);
  if (is_zstd(bytes)) bytes = zstd_decompress(bytes, path);
  const TensorFile file = parse_safetensors(bytes, path);
  return is_compact(file) ? decode_compact(file, path) : weights_in(file, path);
}

void require_finite(const WeightsFile& file, const fs::path& path) {
  for (const NamedWeights& t : file.tensors)
    for (std::size_t i = 0; i < t.values.size(); ++i)
      if (!std::isfinite(t.values[i]))
        fail(ExitCode::checkpoint,
             "{}: tensor '{}' of shape {{{}}} holds {} at index {} (counted row by row); weights must be "
             "finite",
             path.string(), t.name, fmt::join(t.shape, ","), t.values[i], i);
}

}  // namespace espalier
