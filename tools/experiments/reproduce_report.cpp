#include "tools/experiments/reproduce_report.h"

#include <algorithm>
#include <cmath>

#include "framework/io/plot.h"
#include "framework/io/table.h"

namespace espalier {
namespace {

/// Methods and values of a part in the order in which its rows came.
struct Axes {
  std::vector<std::string> methods, values;
};

void add_once(std::vector<std::string>& list, const std::string& name) {
  if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
}

bool is_number(const std::string& text) {
  char* end = nullptr;
  (void)std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0';
}

Axes axes_of(const std::vector<MetricsRow>& rows, const ExperimentPart& part, const std::string& quantity) {
  Axes axes;
  for (const ExperimentMethod& m : part.methods)
    if (std::any_of(rows.begin(), rows.end(), [&](const MetricsRow& r) {
          return text(r, "part") == part.name && text(r, "method") == m.name;
        }))
      axes.methods.push_back(m.name);
  for (const MetricsRow& r : rows) {
    if (text(r, "part") != part.name || !std::isfinite(number(r, quantity))) continue;
    add_once(axes.methods, text(r, "method"));
    add_once(axes.values, text(r, "value"));
  }
  if (std::all_of(axes.values.begin(), axes.values.end(), is_number))
    std::sort(axes.values.begin(), axes.values.end(),
              [](const std::string& a, const std::string& b) { return std::stod(a) < std::stod(b); });
  return axes;
}

/// The published row that a method of the part is held against; null: none.
const PublishedRow* published_for(const Experiment& e, const ExperimentPart& part, const std::string& method,
                                  const Published& published) {
  const ExperimentPart& source = part.choose_from.empty() ? part : e.part(part.choose_from);
  for (const ExperimentMethod& m : source.methods)
    if (m.name == method)
      for (const PublishedRow& row : published.rows)
        if (row.method == m.published) return &row;
  return nullptr;
}

bool is_accuracy(const std::string& quantity) { return quantity == "test_accuracy"; }

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

/// "predicted_loss_change" and "cosine.empirical_fisher" as people read them.
std::string words(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  if (const auto dot = name.find('.'); dot != std::string::npos) name.replace(dot, 1, ", ");
  return name;
}

std::string title_of(const ExperimentPart& part) { return part.title.empty() ? part.name : part.title; }

/// A part's table: its heading, column titles, and rows; a row of one element is a rule.
struct PartTable {
  std::string title;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};

PartTable table_of(const Experiment& e, const ExperimentPart& part, const std::vector<MetricsRow>& rows,
                   const Published& published) {
  const Axes axes = axes_of(rows, part, "test_accuracy");
  PartTable table{title_of(part), {"test accuracy [%]"}, {}};
  for (const std::string& v : axes.values) table.header.push_back(v.empty() ? "" : v);
  table.header.push_back("seconds a run");
  std::vector<const PublishedRow*> shown;
  const bool chosen = !part.choose_from.empty();
  for (const std::string& method : axes.methods) {
    const PublishedRow* theirs = published_for(e, part, method, published);
    std::vector<std::string> line{method.empty() ? "-" : method}, judged{"  beside published"};
    double seconds = 0, longest = 0;
    int runs = 0;
    for (const std::string& v : axes.values) {
      const CellStatistics cell = statistics_of(rows, part.name, method, v);
      line.push_back(percent(cell));
      seconds += cell.seconds * cell.seeds;
      longest = std::max(longest, cell.seconds);  // "every_level": seconds until there
      runs += cell.seeds;
      const auto found = theirs ? theirs->accuracy.find(v) : std::map<std::string, double>::const_iterator();
      judged.push_back(
          theirs && cell.seeds && found != theirs->accuracy.end()
              ? fmt::format("{:+.2f} {}", cell.mean - found->second, verdict(cell, found->second))
              : "");
    }
    line.push_back(runs ? fmt::format("{:.1f}", part.every_level ? longest : seconds / runs) : "-");
    table.rows.push_back(line);
    if (theirs) {
      table.rows.push_back(judged);
      if (std::find(shown.begin(), shown.end(), theirs) == shown.end()) shown.push_back(theirs);
    }
  }
  if (chosen) {  // whichever method is best for a value: one row, held against every published one
    std::vector<std::string> line{"chosen, whichever it was"};
    std::vector<CellStatistics> best;
    for (const std::string& v : axes.values) {
      CellStatistics cell;
      for (const std::string& m : axes.methods)
        if (const CellStatistics c = statistics_of(rows, part.name, m, v); c.seeds) cell = c;
      best.push_back(cell);
      line.push_back(percent(cell));
    }
    table.rows.push_back(line);
    for (const PublishedRow& p : published.rows) {
      std::vector<std::string> judged{"  beside " + p.method};
      bool any = false;
      for (std::size_t i = 0; i < axes.values.size(); ++i) {
        const auto found = p.accuracy.find(axes.values[i]);
        any = any || found != p.accuracy.end();
        judged.push_back(
            found == p.accuracy.end() || !best[i].seeds
                ? ""
                : fmt::format("{:+.2f} {}", best[i].mean - found->second, verdict(best[i], found->second)));
      }
      if (any) {
        table.rows.push_back(judged);
        shown.push_back(&p);
      }
    }
  }
  if (!shown.empty()) table.rows.push_back({});
  for (const PublishedRow& p : published.rows) {
    if (std::find(shown.begin(), shown.end(), &p) == shown.end()) continue;
    std::vector<std::string> line{"published: " + p.method};
    for (const std::string& v : axes.values) {
      const auto found = p.accuracy.find(v);
      line.push_back(found == p.accuracy.end() ? "" : fmt::format("{:.2f}", found->second));
    }
    table.rows.push_back(line);
  }
  return table;
}

PartTable quantity_table(const ExperimentPart& part, const std::vector<MetricsRow>& rows,
                         const std::string& quantity) {
  const Axes axes = axes_of(rows, part, quantity);
  PartTable table{fmt::format("{}: {}", title_of(part), words(quantity)), {words(quantity)}, {}};
  for (const std::string& v : axes.values) table.header.push_back(v);
  for (const std::string& method : axes.methods) {
    table.rows.push_back({method.empty() ? "-" : method});
    for (const std::string& v : axes.values)
      table.rows.back().push_back(plain_number(statistics_of(rows, part.name, method, v, quantity)));
  }
  return table;
}

/// Sparsity [%] of each layer, as the ranking distributed it; mean over the seeds.
PartTable layer_table(const ExperimentPart& part, const std::vector<MetricsRow>& rows) {
  const std::string prefix = "sparsity.";
  std::vector<std::string> layers;
  for (const MetricsRow& r : rows)
    if (text(r, "part") == part.name)
      for (const auto& [name, value] : r)
        if (name.starts_with(prefix)) add_once(layers, name.substr(prefix.size()));
  const Axes axes = axes_of(rows, part, "sparsity");
  PartTable table{title_of(part) + ": sparsity of each layer [%]", {"", "sparsity"}, {}};
  table.header.insert(table.header.end(), layers.begin(), layers.end());
  for (const std::string& method : axes.methods)
    for (const std::string& v : axes.values) {
      table.rows.push_back({method, v});
      for (const std::string& layer : layers)
        table.rows.back().push_back(
            fmt::format("{:.1f}", 100 * statistics_of(rows, part.name, method, v, prefix + layer).mean));
    }
  return table;
}

std::string as_markdown(const PartTable& table) {
  std::string text = fmt::format("**{}**\n\n|", table.title);
  for (const std::string& h : table.header) text += fmt::format(" {} |", h);
  text += "\n|" + [&] {
    std::string rule = "---|";
    for (std::size_t i = 1; i < table.header.size(); ++i) rule += "---:|";
    return rule;
  }() + "\n";
  for (const auto& row : table.rows) {
    if (row.empty()) continue;
    text += "|";
    for (std::size_t i = 0; i < table.header.size(); ++i)
      text += fmt::format(" {} |", i < row.size() ? row[i] : "");
    text += "\n";
  }
  return text + "\n";
}

std::string as_text(const PartTable& table) {
  Table out(table.header);
  for (const auto& row : table.rows) row.empty() ? out.rule() : out.add(row);
  return fmt::format("\n{}\n{}", table.title, out.str("  "));
}

LineChart chart_of(const ExperimentPart& part, const Axes& axes, const std::vector<MetricsRow>& rows,
                   const std::string& quantity, const Published& published) {
  LineChart chart{.title = title_of(part),
                  .x_title = words(part.varied()),
                  .y_title = is_accuracy(quantity) ? "test accuracy [%]" : words(quantity)};
  if (chart.x_title.empty()) chart.x_title = part.verb == "curvature" ? "examples" : "sparsity";
  const double first = std::stod(axes.values.front()), last = std::stod(axes.values.back());
  chart.log_x = first > 0 && last / first > 50;
  for (const std::string& method : axes.methods) {
    Series line{.label = method, .style = Series::Style::line_points};
    for (const std::string& v : axes.values)
      if (const CellStatistics cell = statistics_of(rows, part.name, method, v, quantity); cell.seeds) {
        line.x.push_back(std::stod(v));
        line.y.push_back(cell.mean);
      }
    chart.series.push_back(line);
  }
  for (const PublishedRow& p : published.rows) {
    Series line{.label = "published: " + p.method, .style = Series::Style::points};
    for (const std::string& v : axes.values)
      if (const auto found = p.accuracy.find(v); found != p.accuracy.end()) {
        line.x.push_back(std::stod(v));
        line.y.push_back(found->second);
      }
    if (!line.x.empty()) chart.series.push_back(line);
  }
  return chart;
}

bool shows(const ExperimentPart& part, const std::string& quantity) {
  return std::find(part.show.begin(), part.show.end(), quantity) != part.show.end();
}

/// Measured against predicted change of the loss, a point a run.
ScatterChart loss_chart(const ExperimentPart& part, const std::vector<MetricsRow>& rows) {
  ScatterChart chart{
      .title = title_of(part), .x_title = "predicted change of the loss", .y_title = "measured"};
  for (const std::string& method : axes_of(rows, part, "measured_loss_change").methods) {
    Series points{.label = method, .style = Series::Style::points};
    for (const MetricsRow& r : rows)
      if (text(r, "part") == part.name && text(r, "method") == method) {
        points.x.push_back(number(r, "predicted_loss_change"));
        points.y.push_back(number(r, "measured_loss_change"));
      }
    chart.series.push_back(points);
  }
  return chart;
}

/// Accuracy over epochs for one value, a line a method: at every pruning step it drops from what it was to
/// what is left. Of the first seed. No series where no step lies between epochs.
LineChart epochs_chart(const ExperimentPart& part, const std::string& value,
                       const std::vector<CurvePoint>& curves) {
  const std::string of = words(part.varied());
  LineChart chart{.title = title_of(part),
                  .x_title = value.empty() ? "epoch" : fmt::format("epoch ({} {})", of, value),
                  .y_title = "test accuracy [%]"};
  std::vector<std::string> methods;
  int seed = -1;
  for (const CurvePoint& p : curves) {
    if (p.part != part.name || p.value != value) continue;
    if (seed < 0) seed = p.seed;
    add_once(methods, p.method);
  }
  for (const std::string& method : methods) {
    Series line{.label = method};
    for (const CurvePoint& p : curves) {
      if (p.part != part.name || p.value != value || p.method != method || p.seed != seed) continue;
      if (p.step) {
        line.x.push_back(p.epoch);
        line.y.push_back(100 * p.accuracy_before);
      }
      line.x.push_back(p.epoch);
      line.y.push_back(100 * p.accuracy);
      if (!p.step || method != methods.front()) continue;
      const std::string reached = fmt::format("{:.0f} %", 100 * p.sparsity);
      if (!chart.markers.empty() && chart.markers.back().x == p.epoch)
        chart.markers.back().label = reached;  // the last sub-step of a step
      else
        chart.markers.push_back({p.epoch, reached});
    }
    chart.series.push_back(line);
  }
  if (chart.markers.empty()) chart.series.clear();
  return chart;
}

}  // namespace

Published published_of(const Experiment& experiment) {
  return read_published(experiment.published.empty() ? std::filesystem::path()
                                                     : experiment.folder / experiment.published);
}

CellStatistics statistics_of(const std::vector<MetricsRow>& rows, const std::string& part,
                             const std::string& method, const std::string& value,
                             const std::string& quantity) {
  CellStatistics cell;
  double squares = 0;
  for (const MetricsRow& row : rows) {
    const double x = (is_accuracy(quantity) ? 100 : 1) * number(row, quantity);
    if (text(row, "part") != part || text(row, "method") != method || text(row, "value") != value ||
        !std::isfinite(x))
      continue;
    ++cell.seeds;
    const double before = cell.mean;
    cell.mean += (x - before) / cell.seeds;
    squares += (x - before) * (x - cell.mean);
    cell.seconds += (number(row, "seconds") - cell.seconds) / cell.seeds;
    if (const double n = number(row, "test_images"); std::isfinite(n)) cell.test_images = std::llround(n);
  }
  if (cell.seeds > 1) cell.deviation = std::sqrt(squares / (cell.seeds - 1));
  return cell;
}

double noise_of(const CellStatistics& cell) {
  const double p = cell.mean / 100,
               images = cell.test_images > 0 ? 1e4 * p * (1 - p) / static_cast<double>(cell.test_images) : 0;
  return 1.96 * std::sqrt(images + cell.deviation * cell.deviation / std::max(cell.seeds, 1));
}

std::string verdict(const CellStatistics& ours, double published) {
  const double difference = ours.mean - published;
  if (std::abs(difference) < 0.00501) return "equal";
  if (std::abs(difference) <= noise_of(ours)) return "within";
  return difference > 0 ? "above" : "below";
}

std::string experiment_tables(const Experiment& experiment, const std::vector<MetricsRow>& rows,
                              bool markdown) {
  const Published published = published_of(experiment);
  std::string out;
  for (const ExperimentPart& part : experiment.parts)
    for (const std::string& quantity : part.show) {
      const PartTable table = is_accuracy(quantity)          ? table_of(experiment, part, rows, published)
                              : quantity == "layer_sparsity" ? layer_table(part, rows)
                                                             : quantity_table(part, rows, quantity);
      if (!table.rows.empty()) out += markdown ? as_markdown(table) : as_text(table);
    }
  return out;
}

void draw_experiment(const Experiment& experiment, const std::vector<MetricsRow>& rows,
                     const std::vector<CurvePoint>& curves, const std::filesystem::path& folder) {
  const Published published = published_of(experiment);
  for (const auto& file : std::filesystem::directory_iterator(folder))
    std::filesystem::remove(file.path());  // pictures of parts that are gone
  for (const ExperimentPart& part : experiment.parts) {
    // Candidates are judged on held-out images: published accuracies have no place there.
    const bool beside = !part.choose_from.empty() ||
                        std::any_of(part.methods.begin(), part.methods.end(),
                                    [](const ExperimentMethod& m) { return !m.published.empty(); });
    const bool both = shows(part, "predicted_loss_change") && shows(part, "measured_loss_change");
    if (both) write_plot(folder / (part.name + "_loss"), loss_chart(part, rows));
    for (const std::string& quantity : part.show) {
      if (both && quantity.ends_with("_loss_change")) continue;
      const Axes axes = axes_of(rows, part, quantity);
      if (axes.values.size() < 2 || !std::all_of(axes.values.begin(), axes.values.end(), is_number)) continue;
      write_plot(
          folder / (is_accuracy(quantity) ? part.name : part.name + "_" + quantity),
          chart_of(part, axes, rows, quantity, beside && is_accuracy(quantity) ? published : Published{}));
    }
    for (const std::string& value : axes_of(rows, part, "test_accuracy").values)
      if (const LineChart chart = epochs_chart(part, value, curves); !chart.series.empty())
        write_plot(folder / fmt::format("{}_{}_epochs", part.name, value.empty() ? "all" : value), chart);
  }
}

}  // namespace espalier
