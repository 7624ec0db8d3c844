#include "framework/interchange/name_map.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "framework/config/suggest.h"
#include "framework/core/check.h"
#include "framework/io/atomic_file.h"
#include "framework/io/json_text.h"

namespace espalier {
namespace {

constexpr std::string_view left_out = "-";

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  line = line.substr(0, line.find('#'));
  while (true) {
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    words.emplace_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

/// What the rule makes of a name; nothing if it does not fit.
std::optional<std::string> renamed(const NameMap::Rule& rule, const std::string& name) {
  const std::size_t star = rule.theirs.find('*');
  if (star == std::string::npos) return name == rule.theirs ? std::optional(rule.ours) : std::nullopt;
  const std::string_view head = std::string_view(rule.theirs).substr(0, star),
                         tail = std::string_view(rule.theirs).substr(star + 1);
  if (name.size() < head.size() + tail.size() || !name.starts_with(head) || !name.ends_with(tail))
    return std::nullopt;
  if (rule.ours == left_out) return rule.ours;
  std::string ours = rule.ours;
  return ours.replace(ours.find('*'), 1, name.substr(head.size(), name.size() - head.size() - tail.size()));
}

}  // namespace

NameMap NameMap::parse(std::string_view text, const std::string& file) {
  NameMap map;
  map.file_ = file;
  const auto add = [&](const std::string& theirs, const std::string& ours, int line) {
    const auto complain = [&](const std::string& what) {
      fail(ExitCode::config, "{}: line {}: {}; a line is \"theirs ours\", with one * in both or in none",
           file, line, what);
    };
    const auto stars = [](const std::string& s) { return std::count(s.begin(), s.end(), '*'); };
    if (theirs.empty() || ours.empty()) complain("a name is empty");
    if (stars(theirs) > 1 || (ours != left_out && stars(ours) != stars(theirs)))
      complain(fmt::format("\"{}\" and \"{}\" have {} and {} times the character *", theirs, ours,
                           stars(theirs), stars(ours)));
    for (const Rule& r : map.rules_)
      if (r.theirs == theirs) complain(fmt::format("\"{}\" is renamed in line {} already", theirs, r.line));
    map.rules_.push_back({theirs, ours, line});
  };
  if (text.find_first_not_of(" \t\r\n") != std::string_view::npos &&
      text[text.find_first_not_of(" \t\r\n")] == '{') {
    const nlohmann::ordered_json json = parse_json(std::string(text), file, ExitCode::config);
    int entry = 0;
    for (const auto& [theirs, ours] : json.items()) {
      ++entry;
      if (!ours.is_string() && !ours.is_null())
        fail(ExitCode::config, "{}: \"{}\" is {}; it must be the new name, or null to leave the tensor out",
             file, theirs, shown(ours));
      add(theirs, ours.is_null() ? std::string(left_out) : ours.get<std::string>(), entry);
    }
    return map;
  }
  for (int line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::vector<std::string> words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty()) continue;
    if (words.size() != 2)
      fail(ExitCode::config, "{}: line {}: holds {} names; a line is \"theirs ours\"", file, line,
           words.size());
    add(words[0], words[1], line);
  }
  return map;
}

NameMap NameMap::read(const std::filesystem::path& path) {
  const std::string text = read_whole_file(path, ExitCode::config);
  if (!is_utf8(text))
    fail(ExitCode::config, "{}: is no text in UTF-8; a map is lines of \"theirs ours\"", path.string());
  return parse(text, path.string());
}

NameMap NameMap::inverse() const {
  NameMap back;
  back.file_ = file_;
  for (const Rule& r : rules_)
    if (r.ours != left_out) back.rules_.push_back({r.ours, r.theirs, r.line});
  // What is meant for one name alone goes before what fits many: the order was made for the other direction.
  std::stable_partition(back.rules_.begin(), back.rules_.end(),
                        [](const Rule& r) { return r.theirs.find('*') == std::string::npos; });
  return back;
}

void NameMap::apply(WeightsFile& file, const std::filesystem::path& weights) const {
  std::vector<bool> used(rules_.size(), false);
  std::map<std::string, std::string> before;  // by the new name
  std::vector<NamedWeights> kept;
  std::vector<std::string> names;
  for (NamedWeights& t : file.tensors) {
    names.push_back(t.name);
    std::string name = t.name;
    for (std::size_t r = 0; r < rules_.size(); ++r)
      if (const auto now = renamed(rules_[r], t.name)) {
        used[r] = true;
        name = *now;
        break;
      }
    if (name == left_out) continue;
    if (const auto [other, fresh] = before.emplace(name, t.name); !fresh)
      fail(ExitCode::config,
           "{}: '{}' and '{}' of {} would both be called '{}'; each needs a name of its own", file_,
           other->second, t.name, weights.string(), name);
    t.name = std::move(name);
    kept.push_back(std::move(t));
  }
  for (std::size_t r = 0; r < rules_.size(); ++r)
    if (!used[r])
      fail(ExitCode::config, "{}: line {}: no tensor of {} is called '{}', or a line before has taken it{}",
           file_, rules_[r].line, weights.string(), rules_[r].theirs, did_you_mean(rules_[r].theirs, names));
  file.tensors = std::move(kept);
}

namespace {

/// From 0 (nothing in common) to 1 (the same).
double likeness(const std::string& a, const std::string& b) {
  const auto longer = static_cast<double>(std::max<std::size_t>({a.size(), b.size(), 1}));
  return 1 - edit_distance(a, b) / longer;
}

std::string leaf_of(const std::string& name) { return name.substr(name.rfind('.') + 1); }

struct Pairing {
  std::size_t wanted, found;
};

/// Within tensors of one shape and one kind ("weight", "running_mean", ...): in order if there are as many of both and
/// their names are no more alike otherwise, else the most alike first.
void pair_up(const std::vector<NamedShape>& wanted, const std::vector<NamedShape>& found,
             const std::vector<std::size_t>& of_wanted, const std::vector<std::size_t>& of_found,
             std::vector<Pairing>& pairs) {
  struct Candidate {
    double likeness;
    std::size_t distance, w, f;
  };
  std::vector<Candidate> all;
  for (std::size_t w = 0; w < of_wanted.size(); ++w)
    for (std::size_t f = 0; f < of_found.size(); ++f)
      all.push_back(
          {likeness(wanted[of_wanted[w]].name, found[of_found[f]].name), w > f ? w - f : f - w, w, f});
  std::stable_sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
    return a.likeness != b.likeness ? a.likeness > b.likeness : a.distance < b.distance;
  });
  std::vector<Pairing> alike;
  std::vector<bool> has(of_wanted.size(), false), taken(of_found.size(), false);
  double sum = 0, in_order = 0;
  for (const Candidate& c : all) {
    if (c.w == c.f) in_order += c.likeness;
    if (has[c.w] || taken[c.f]) continue;
    has[c.w] = taken[c.f] = true;
    sum += c.likeness;
    alike.push_back({of_wanted[c.w], of_found[c.f]});
  }
  constexpr double clearly = 1.02;
  if (of_wanted.size() == of_found.size() && sum <= clearly * in_order) {
    alike.clear();
    for (std::size_t i = 0; i < of_wanted.size(); ++i) alike.push_back({of_wanted[i], of_found[i]});
  }
  pairs.insert(pairs.end(), alike.begin(), alike.end());
}

/// "a.layer1.conv1.weight" and "b.layer1.conv1.weight" as "a.*" and "b.*": what they end in alike, up to a point.
std::pair<std::string, std::string> heads_of(const std::string& theirs, const std::string& ours) {
  std::size_t same = 0;
  for (std::size_t n = 1;
       n <= std::min(theirs.size(), ours.size()) && theirs[theirs.size() - n] == ours[ours.size() - n]; ++n)
    if ((n == theirs.size() || theirs[theirs.size() - n - 1] == '.') &&
        (n == ours.size() || ours[ours.size() - n - 1] == '.'))
      same = n;
  return {theirs.substr(0, theirs.size() - same), ours.substr(0, ours.size() - same)};
}

}  // namespace

std::vector<std::string> suggest_renames(const std::vector<NamedShape>& wanted,
                                         const std::vector<NamedShape>& found,
                                         const std::vector<std::string>& settled) {
  constexpr std::size_t most = 2000;  // of each: pairs are compared one by one
  if (wanted.size() > most || found.size() > most) return {};
  using Key = std::pair<std::string, std::vector<std::int64_t>>;
  std::map<Key, std::pair<std::vector<std::size_t>, std::vector<std::size_t>>> groups;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    groups[{leaf_of(wanted[i].name), wanted[i].shape}].first.push_back(i);
  for (std::size_t i = 0; i < found.size(); ++i)
    groups[{leaf_of(found[i].name), found[i].shape}].second.push_back(i);
  std::vector<Pairing> pairs;
  for (const auto& [key, both] : groups) pair_up(wanted, found, both.first, both.second, pairs);
  std::sort(pairs.begin(), pairs.end(), [](const Pairing& a, const Pairing& b) { return a.wanted < b.wanted; });

  std::map<std::pair<std::string, std::string>, int> shared;
  for (const Pairing& p : pairs) ++shared[heads_of(found[p.found].name, wanted[p.wanted].name)];
  std::vector<std::string> lines;
  for (const Pairing& p : pairs) {
    const std::string &theirs = found[p.found].name, &ours = wanted[p.wanted].name;
    const auto heads = heads_of(theirs, ours);
    const bool common = shared[heads] > 1 && heads.first.size() < theirs.size() &&
                        std::none_of(settled.begin(), settled.end(),
                                     [&](const std::string& name) { return name.starts_with(heads.first); });
    const std::string line = common ? fmt::format("{}* {}*", heads.first, heads.second) : theirs + " " + ours;
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
  }
  return lines;
}

}  // namespace espalier
