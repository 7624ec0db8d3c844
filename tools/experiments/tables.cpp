#include "tools/experiments/tables.h"

#include <algorithm>
#include <cmath>

#include "framework/io/table.h"

namespace espalier {
namespace {

using Line = std::vector<std::string>;

std::string percent(const CellStatistics& cell) {
  if (cell.seeds == 0) return "-";
  return cell.seeds == 1 ? fmt::format("{:.2f}", cell.mean)
                         : fmt::format("{:.2f} ±{:.2f}", cell.mean, cell.deviation);
}

/// Of a quantity other than accuracy.
std::string plain_number(const CellStatistics& cell) {
  if (cell.seeds == 0) return "-";
  return cell.seeds == 1 ? fmt::format("{:.3g}", cell.mean)
                         : fmt::format("{:.3g} ±{:.1g}", cell.mean, cell.deviation);
}

/// The methods that a part lists, or those that it chooses from.
std::vector<ExperimentMethod> methods_of(const Experiment& e, const ExperimentPart& part) {
  return part.choose_from.empty() ? part.methods : e.part(part.choose_from).methods;
}

/// The published row that a method of the part is held against; null: none.
const PublishedRow* published_for(const Experiment& e, const ExperimentPart& part, const std::string& method,
                                  const Published& published) {
  for (const ExperimentMethod& m : methods_of(e, part))
    if (m.name == method)
      for (const PublishedRow& row : published.rows)
        if (row.method == m.published) return &row;
  return nullptr;
}

/// "+0.12 within" at each value that both have.
Line judged(const std::string& head, const std::vector<CellStatistics>& ours, const PublishedRow& theirs,
            const std::vector<std::string>& values) {
  Line line{head};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto found = theirs.accuracy.find(values[i]);
    line.push_back(
        found == theirs.accuracy.end() || !ours[i].seeds
            ? ""
            : fmt::format("{:+.2f} {}", ours[i].mean - found->second, verdict(ours[i], found->second)));
  }
  return line;
}

std::vector<CellStatistics> cells_of_method(const std::vector<Result>& results, const std::string& method,
                                            const Axes& axes) {
  std::vector<CellStatistics> cells;
  for (const std::string& v : axes.values) cells.push_back(statistics_of(results, method, v));
  return cells;
}

Line accuracy_line(const std::string& head, const std::vector<CellStatistics>& cells) {
  Line line{head};
  for (const CellStatistics& cell : cells) line.push_back(percent(cell));
  return line;
}

/// Seconds of a run: the mean over all, or with "every_level", where they count until the level, the longest.
std::string seconds_text(const std::vector<CellStatistics>& cells, bool longest_counts) {
  double seconds = 0, longest = 0;
  int runs = 0;
  for (const CellStatistics& cell : cells) {
    seconds += cell.seconds * cell.seeds;
    longest = std::max(longest, cell.seconds);
    runs += cell.seeds;
  }
  return runs ? fmt::format("{:.1f}", longest_counts ? longest : seconds / runs) : "-";
}

/// Of a part that chooses: whichever method is best for a value, in one row, held against every published one.
void add_choice(ResultTable& table, const std::vector<Result>& results, const Axes& axes,
                const Published& published, std::vector<const PublishedRow*>& shown) {
  std::vector<CellStatistics> best;
  for (const std::string& v : axes.values) {
    CellStatistics cell;
    for (const std::string& m : axes.methods)
      if (const CellStatistics c = statistics_of(results, m, v); c.seeds) cell = c;
    best.push_back(cell);
  }
  table.rows.push_back(accuracy_line("chosen, whichever it was", best));
  for (const PublishedRow& p : published.rows) {
    if (std::none_of(axes.values.begin(), axes.values.end(),
                     [&](const std::string& v) { return p.accuracy.contains(v); }))
      continue;
    table.rows.push_back(judged("  beside " + p.method, best, p, axes.values));
    shown.push_back(&p);
  }
}

/// Accuracies of a part, each method above what it is held against, and the published rows below.
ResultTable judged_table(const Experiment& e, const ExperimentPart& part, const std::vector<Result>& results,
                         const Published& published) {
  const Axes axes = axes_of(results, part.method_names());
  ResultTable table = accuracy_table(part.heading(), results, axes);
  table.header.push_back("seconds a run");
  std::vector<const PublishedRow*> shown;
  std::vector<Line> lines;
  for (std::size_t m = 0; m < axes.methods.size(); ++m) {
    const std::vector<CellStatistics> cells = cells_of_method(results, axes.methods[m], axes);
    lines.push_back(table.rows[m]);
    lines.back().push_back(seconds_text(cells, part.every_level));
    const PublishedRow* theirs = published_for(e, part, axes.methods[m], published);
    if (!theirs) continue;
    lines.push_back(judged("  beside published", cells, *theirs, axes.values));
    if (std::find(shown.begin(), shown.end(), theirs) == shown.end()) shown.push_back(theirs);
  }
  table.rows = std::move(lines);
  if (!part.choose_from.empty()) add_choice(table, results, axes, published, shown);
  std::vector<const PublishedRow*> in_order;
  for (const PublishedRow& p : published.rows)
    if (std::find(shown.begin(), shown.end(), &p) != shown.end()) in_order.push_back(&p);
  add_published(table, in_order, axes.values);
  return table;
}

ResultTable quantity_table(const ExperimentPart& part, const std::vector<Result>& results,
                           const std::string& quantity) {
  const Axes axes = axes_of(results, part.method_names(), quantity);
  ResultTable table{fmt::format("{}: {}", part.heading(), words(quantity)), {words(quantity)}, {}};
  table.header.insert(table.header.end(), axes.values.begin(), axes.values.end());
  for (const std::string& method : axes.methods) {
    table.rows.push_back({method.empty() ? "-" : method});
    for (const std::string& v : axes.values)
      table.rows.back().push_back(plain_number(statistics_of(results, method, v, quantity)));
  }
  return table;
}

/// Sparsity [%] of each layer, as the ranking distributed it; mean over the seeds.
ResultTable layer_table(const ExperimentPart& part, const std::vector<Result>& results) {
  const std::string prefix = "sparsity.";
  std::vector<std::string> layers;
  for (const Result& r : results)
    for (const auto& [name, value] : r.row)
      if (name.starts_with(prefix)) add_once(layers, name.substr(prefix.size()));
  const Axes axes = axes_of(results, part.method_names(), "sparsity");
  ResultTable table{part.heading() + ": sparsity of each layer [%]", {"", "sparsity"}, {}};
  table.header.insert(table.header.end(), layers.begin(), layers.end());
  for (const std::string& method : axes.methods)
    for (const std::string& v : axes.values) {
      table.rows.push_back({method, v});
      for (const std::string& layer : layers)
        table.rows.back().push_back(
            fmt::format("{:.1f}", 100 * statistics_of(results, method, v, prefix + layer).mean));
    }
  return table;
}

}  // namespace

std::string words(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  if (const auto dot = name.find('.'); dot != std::string::npos) name.replace(dot, 1, ", ");
  return name;
}

std::string ResultTable::markdown() const {
  const auto line = [&](const Line& cells) {
    std::string out = "|";
    for (std::size_t i = 0; i < header.size(); ++i)
      out += fmt::format(" {} |", i < cells.size() ? cells[i] : "");
    return out + "\n";
  };
  std::string out = fmt::format("**{}**\n\n{}|---|", title, line(header));
  for (std::size_t i = 1; i < header.size(); ++i) out += "---:|";
  out += "\n";
  for (const Line& row : rows)
    if (!row.empty()) out += line(row);
  return out + "\n";
}

std::string ResultTable::text() const {
  Table out(header);
  for (const Line& row : rows) row.empty() ? out.rule() : out.add(row);
  return fmt::format("\n{}\n{}", title, out.str("  "));
}

ResultTable accuracy_table(const std::string& title, const std::vector<Result>& results, const Axes& axes) {
  ResultTable table{title, {"test accuracy [%]"}, {}};
  table.header.insert(table.header.end(), axes.values.begin(), axes.values.end());
  for (const std::string& method : axes.methods)
    table.rows.push_back(
        accuracy_line(method.empty() ? "-" : method, cells_of_method(results, method, axes)));
  return table;
}

void add_published(ResultTable& table, const std::vector<const PublishedRow*>& rows,
                   const std::vector<std::string>& values) {
  if (!rows.empty()) table.rows.push_back({});
  for (const PublishedRow* p : rows) {
    Line line{"published: " + p->method};
    for (const std::string& v : values) {
      const auto found = p->accuracy.find(v);
      line.push_back(found == p->accuracy.end() ? "" : fmt::format("{:.2f}", found->second));
    }
    table.rows.push_back(line);
  }
}

Published published_of(const Experiment& experiment) {
  return read_published(experiment.published.empty() ? std::filesystem::path()
                                                     : experiment.folder / experiment.published);
}

std::string experiment_tables(const Experiment& experiment, const std::vector<Result>& results,
                              bool markdown) {
  const Published published = published_of(experiment);
  std::string out;
  for (const ExperimentPart& part : experiment.parts) {
    const std::vector<Result> mine = of_part(results, part.name);
    for (const std::string& quantity : part.show) {
      const ResultTable table = quantity == accuracy ? judged_table(experiment, part, mine, published)
                                : quantity == "layer_sparsity" ? layer_table(part, mine)
                                                               : quantity_table(part, mine, quantity);
      if (!table.rows.empty()) out += markdown ? table.markdown() : table.text();
    }
  }
  return out;
}

}  // namespace espalier
