#include "framework/io/table.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "framework/core/check.h"

namespace espalier {
namespace {

struct Interval {
  std::uint32_t first, last;
};
// Not the whole of Unicode's tables: what names and units in a report can reasonably hold.
constexpr std::array<Interval, 6> combining{{{0x0300, 0x036f},
                                             {0x1ab0, 0x1aff},
                                             {0x200b, 0x200f},
                                             {0x20d0, 0x20ff},
                                             {0xfe00, 0xfe0f},
                                             {0xfe20, 0xfe2f}}};
constexpr std::array<Interval, 9> wide{{{0x1100, 0x115f},
                                        {0x2e80, 0x303e},
                                        {0x3041, 0xa4cf},
                                        {0xac00, 0xd7a3},
                                        {0xf900, 0xfaff},
                                        {0xfe30, 0xfe6f},
                                        {0xff00, 0xff60},
                                        {0x1f300, 0x1faff},
                                        {0x20000, 0x3fffd}}};

template <std::size_t N>
bool in(const std::array<Interval, N>& intervals, std::uint32_t c) {
  return std::any_of(intervals.begin(), intervals.end(),
                     [&](const Interval& i) { return i.first <= c && c <= i.last; });
}

/// Takes one code point from the front; a byte that is no UTF-8 counts as one character.
std::uint32_t take(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  std::uint32_t c = length == 1 ? lead : lead & (0xffU >> (length + 1));
  std::size_t used = 1;
  for (; used < std::min(length, text.size()) && (static_cast<unsigned char>(text[used]) & 0xc0) == 0x80;
       ++used)
    c = (c << 6) | (static_cast<unsigned char>(text[used]) & 0x3fU);
  text.remove_prefix(used);
  return used == length ? c : lead;
}

std::size_t width_of(std::uint32_t c) { return in(combining, c) ? 0 : in(wide, c) ? 2 : 1; }

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) width += width_of(take(text));
  return width;
}

std::string_view fit_width(std::string_view text, std::size_t columns) {
  std::string_view rest = text;
  std::size_t width = 0;
  while (!rest.empty()) {
    const std::size_t at = text.size() - rest.size();
    width += width_of(take(rest));
    if (width > columns) return text.substr(0, at);
  }
  return text;
}

Table::Table(std::vector<std::string> header, std::vector<Align> align)
    : header_(std::move(header)), align_(std::move(align)) {
  for (std::size_t i = align_.size(); i < header_.size(); ++i)
    align_.push_back(i == 0 ? Align::left : Align::right);
}

void Table::add(std::vector<std::string> row) {
  require(row.size() <= header_.size(), "[table] a row has {} cells, the header {}", row.size(),
          header_.size());
  row.resize(header_.size());
  rows_.push_back(std::move(row));
}

std::string Table::str(std::string_view indent) const {
  constexpr std::size_t gap = 2;
  std::vector<std::size_t> widths(header_.size());
  const auto measure = [&](const std::vector<std::string>& row) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  };
  measure(header_);
  for (const auto& row : rows_) measure(row);

  std::string text;
  const auto draw = [&](const std::vector<std::string>& row) {
    std::string line(indent);
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - display_width(row[i]), ' ');
      if (i > 0) line += std::string(gap, ' ');
      line += align_[i] == Align::left ? row[i] + padding : padding + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };
  std::size_t total = gap * (header_.size() - std::min<std::size_t>(header_.size(), 1));
  for (const std::size_t w : widths) total += w;
  const auto draw_rule = [&] { text += std::string(indent) + std::string(total, '-') + '\n'; };

  if (std::any_of(header_.begin(), header_.end(), [](const std::string& h) { return !h.empty(); })) {
    draw(header_);
    draw_rule();
  }
  for (const auto& row : rows_) {
    if (row.empty())
      draw_rule();
    else
      draw(row);
  }
  return text;
}

}  // namespace espalier
