// published.h: accuracies from the literature, which ours are shown beside.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace espalier {

/// Name of the file in a folder of results of `espalier reproduce` that holds what they are held against.
constexpr const char* published_file = "published.json";

/// Published accuracies [%] by method and value (a sparsity, as "{:g}").
struct PublishedRow {
  std::string method;
  std::map<std::string, double> accuracy;
};
struct Published {
  std::string source;
  std::vector<PublishedRow> rows;
};
/// A file as configs/published/*.json; an empty path: nothing.
/// Throws Error(config) if it holds anything else.
Published read_published(const std::filesystem::path& path);

}  // namespace espalier
