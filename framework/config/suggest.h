// suggest.h: "did you mean": the candidate closest to a mistyped word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace espalier {

/// Number of insertions, deletions, substitutions and swaps of neighbours between two words
/// (Damerau-Levenshtein, restricted), ignoring case.
int edit_distance(std::string_view a, std::string_view b);

/// `; did you mean "x"?` for the closest candidate, or an empty string if none is close (at most a third of
/// the word's length away, at least 2) nor contains the word.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace espalier
