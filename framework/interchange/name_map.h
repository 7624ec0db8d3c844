// name_map.h: other people's names of tensors as ours. A file of lines "theirs ours", or a JSON object
// {"theirs": "ours"}:
//
//     # of a timm checkpoint
//     backbone.* *                  one * on each side stands for the same text
//     head.fc.weight fc.weight
//     aux.* -                       left out
//
// Text from # on is no part of a line. The first line that fits a name counts. In JSON null leaves out.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/io/compact/weights_file.h"

namespace espalier {

class NameMap {
 public:
  struct Rule {
    std::string theirs, ours;  ///< with one * each or none; ours may be "-"
    int line;                  ///< in the file; its position in JSON
  };
  NameMap() = default;
  /// Throws Error(config) naming file and line: no two names, a * on one side alone, several of them, a name twice.
  static NameMap read(const std::filesystem::path& path);
  static NameMap parse(std::string_view text, const std::string& file);

  /// From ours to theirs; rules that leave out have no inverse and go.
  NameMap inverse() const;
  /// Renames the tensors of a file. Throws Error(config) naming the line if a rule fits none of them, or if two come to
  /// the same name. `weights` is for messages.
  void apply(WeightsFile& file, const std::filesystem::path& weights) const;
  const std::vector<Rule>& rules() const { return rules_; }

 private:
  std::string file_;
  std::vector<Rule> rules_;
};

/// A tensor by name and shape.
struct NamedShape {
  std::string name;
  std::vector<std::int64_t> shape;
};
/// Lines of a map that would give every tensor of `wanted` one of `found`, as far as shapes are equal and names or their
/// order are alike. Those that begin differently and end alike are one line with *, unless it would fit one of `settled`,
/// the names that are right already.
std::vector<std::string> suggest_renames(const std::vector<NamedShape>& wanted,
                                         const std::vector<NamedShape>& found,
                                         const std::vector<std::string>& settled = {});

}  // namespace espalier
