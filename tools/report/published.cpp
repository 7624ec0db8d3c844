#include "tools/report/published.h"

#include <nlohmann/json.hpp>

#include "framework/io/atomic_file.h"

namespace espalier {

using Json = nlohmann::ordered_json;

Published read_published(const std::filesystem::path& path) {
  Published published;
  if (path.empty()) return published;
  try {
    const Json file = Json::parse(read_whole_file(path, ExitCode::config), nullptr, true, true);
    published.source = file.value("source", "");
    for (const Json& r : file.at("rows")) {
      PublishedRow row{r.at("method"), {}};
      for (const auto& [value, accuracy] : r.at("accuracy").items())
        row.accuracy[fmt::format("{:g}", std::stod(value))] = accuracy.get<double>();
      published.rows.push_back(row);
    }
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    fail(ExitCode::config,
         "{}: must hold {{\"source\": .., \"rows\": [{{\"method\": .., \"accuracy\": {{\"0.9\": 91.2, "
         "..}}}}]}}: {}",
         path.string(), e.what());
  }
  return published;
}

}  // namespace espalier
