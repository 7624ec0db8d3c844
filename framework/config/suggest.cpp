#include "framework/config/suggest.h"

#include <algorithm>
#include <cctype>

namespace espalier {
namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

}  // namespace

int edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the table are enough; a swap looks two rows back.
  std::vector<int> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string* best = nullptr;
  int distance = std::max(2, static_cast<int>(word.size()) / 3) + 1;
  for (const std::string& c : candidates) {
    const int d = edit_distance(word, c);
    if (d < distance && d < static_cast<int>(std::max(word.size(), c.size()))) {
      distance = d;
      best = &c;
    }
  }
  if (!best && word.size() >= 3)
    for (const std::string& c : candidates)
      if (c.find(word) != std::string::npos || (c.size() >= 3 && word.find(c) != std::string::npos))
        best = &c;
  return best ? "; did you mean \"" + *best + "\"?" : "";
}

}  // namespace espalier
