// data_sets.h: opening data sets as a config would name them, and the real ones where they are.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "framework/config/reader.h"
#include "framework/data/data_config.h"

namespace espalier::testing {

/// The "data" section of a config, as text.
inline DataConfig read_data_config(const std::string& json) {
  DataConfig config;
  read_config(JsonDocument::parse(json, "test.json"), config);
  return config;
}

/// The data set `type` with `settings`, such as {{"path", "/data"}}.
inline DataSource open_source(const std::string& type, nlohmann::json settings) {
  settings["type"] = type;
  return read_data_config(nlohmann::json{{"source", settings}}.dump()).source->open();
}

/// The folder in the environment variable `name`, or "" if it is unset.
inline std::filesystem::path folder_from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace espalier::testing

/// Declares `folder` = $variable / below; skips the test where there is no such folder.
#define ESPALIER_NEEDS_FOLDER(folder, variable, below)                                                   \
  const std::filesystem::path folder = ::espalier::testing::folder_from_environment(variable) / (below); \
  if (!std::getenv(variable) || !std::filesystem::exists(folder))                                        \
  GTEST_SKIP() << "needs " << (below) << " in the folder that " << (variable) << " names"
