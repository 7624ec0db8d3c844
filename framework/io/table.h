// table.h: text tables with aligned columns, for terminals.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

enum class Align { left, right };

/// Columns a terminal needs for UTF-8 text: 0 for combining characters, 2 for East Asian wide ones, else 1.
std::size_t display_width(std::string_view text);

/// The longest beginning of `text` that needs at most `columns` columns.
std::string_view fit_width(std::string_view text, std::size_t columns);

class Table {
 public:
  /// Without `align` the first column is to the left and the others to the right. A header row of "" alone is
  /// not drawn.
  explicit Table(std::vector<std::string> header, std::vector<Align> align = {});
  /// Rows may be shorter than the header, never longer (Error(internal)).
  void add(std::vector<std::string> row);
  /// A line between the rows before and after.
  void rule() { rows_.emplace_back(); }
  /// Lines without trailing blanks, each ending in '\n'; every line begins with `indent`.
  std::string str(std::string_view indent = "") const;

 private:
  std::vector<std::string> header_;
  std::vector<Align> align_;
  std::vector<std::vector<std::string>> rows_;  // an empty one is a rule
};

}  // namespace espalier
