#include "framework/io/index_file.h"

#include <map>
#include <nlohmann/json.hpp>

#include "framework/io/json_text.h"

namespace espalier {

std::vector<Index> read_index_file(const std::filesystem::path& path, const std::string& setting) {
  const nlohmann::ordered_json json = read_json(path, ExitCode::data);
  const auto& list = json.is_object() && json.contains("indices") ? json["indices"] : json;
  if (!list.is_array() || list.empty())
    fail(ExitCode::data, "{}: {} must hold a JSON list of example numbers, or an object with \"indices\"",
         path.string(), setting);
  std::vector<Index> indices;
  std::map<Index, std::size_t> seen;
  std::vector<std::string> repeated;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto& v = list[i];
    if (!v.is_number_integer() || (v.is_number_unsigned() && v.get<std::uint64_t>() > INT64_MAX) ||
        v.get<Index>() < 0)
      fail(ExitCode::data, "{}: entry {} is {}; example numbers are whole and count from 0", path.string(), i,
           shown(v));
    const auto [before, fresh] = seen.emplace(v.get<Index>(), i);
    if (!fresh) repeated.push_back(fmt::format("{} (entries {} and {})", v.get<Index>(), before->second, i));
    indices.push_back(v.get<Index>());
  }
  if (!repeated.empty()) {
    const std::size_t count = repeated.size();
    repeated.resize(std::min<std::size_t>(count, 5));
    fail(ExitCode::data,
         "{}: {} example(s) are named more than once, and would count so often: {}{}; remove "
         "the repetitions",
         path.string(), count, fmt::join(repeated, ", "), count > 5 ? ", ..." : "");
  }
  return indices;
}

}  // namespace espalier
