#include "tools/report/published.h"

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "framework/io/json_text.h"

namespace espalier {

using Json = nlohmann::ordered_json;

Published read_published(const std::filesystem::path& path) {
  Published published;
  if (path.empty()) return published;
  const Json file = read_json(path, ExitCode::config);
  const auto wrong = [&](const std::string& where, const std::string& what) {
    fail(ExitCode::config,
         "{}: {} {}; the file holds {{\"source\": .., \"rows\": [{{\"method\": .., \"accuracy\": {{\"0.9\": "
         "91.2, ..}}}}]}}",
         path.string(), where, what);
  };
  if (!file.is_object() || !file.contains("rows") || !file["rows"].is_array())
    wrong("rows", "is missing or no list");
  if (file.contains("source")) {
    if (!file["source"].is_string()) wrong("source", "is no string");
    published.source = file["source"].get<std::string>();
  }
  for (std::size_t i = 0; i < file["rows"].size(); ++i) {
    const Json& r = file["rows"][i];
    const std::string at = fmt::format("rows.{}", i);
    if (!r.is_object() || !r.contains("method") || !r["method"].is_string())
      wrong(at + ".method", "is missing or no string");
    if (!r.contains("accuracy") || !r["accuracy"].is_object())
      wrong(at + ".accuracy", "is missing or no object");
    PublishedRow row{r["method"].get<std::string>(), {}};
    for (const auto& [value, accuracy] : r["accuracy"].items()) {
      char* end = nullptr;
      const double sparsity = std::strtod(value.c_str(), &end);
      if (value.empty() || *end != '\0' || !std::isfinite(sparsity))
        wrong(at + ".accuracy", fmt::format("has the key \"{}\", which is no number", printable(value, 40)));
      if (!accuracy.is_number()) wrong(fmt::format("{}.accuracy.{}", at, value), "is no number");
      row.accuracy[fmt::format("{:g}", sparsity)] = accuracy.get<double>();
    }
    published.rows.push_back(row);
  }
  return published;
}

}  // namespace espalier
