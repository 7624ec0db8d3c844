#include "tools/verbs/watch.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "framework/core/check.h"
#include "framework/core/interrupt.h"
#include "framework/io/atomic_file.h"
#include "tools/report/report.h"
#include "tools/run/rows.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

struct ChartPoint {
  double epoch = 0, accuracy = 0;
  bool pruned = false;
};

std::vector<ChartPoint> points_of(const std::vector<MetricsRow>& rows) {
  std::vector<ChartPoint> points;
  for (const MetricsRow& row : rows) {
    if (const auto e = read_row<EpochRow>(row))
      points.push_back({static_cast<double>(e->epoch), e->test_accuracy, false});
    if (const auto p = read_row<PruneRow>(row))
      points.push_back({static_cast<double>(p->epoch), p->test_accuracy, true});
  }
  std::erase_if(points, [](const ChartPoint& p) { return !std::isfinite(p.accuracy); });
  return points;
}

/// A grid of characters: '.' after an epoch, 'o' just after a pruning step; the axis at the left has three marks.
std::string chart(const std::vector<ChartPoint>& points, std::size_t columns) {
  constexpr std::size_t height = 12, margin = 9;
  const std::size_t width = std::clamp<std::size_t>(columns, 40, 120) - margin;
  const auto by = [](auto member) { return [member](const ChartPoint& a, const ChartPoint& b) { return a.*member < b.*member; }; };
  const auto [lowest, highest] = std::minmax_element(points.begin(), points.end(), by(&ChartPoint::accuracy));
  const double last = std::max_element(points.begin(), points.end(), by(&ChartPoint::epoch))->epoch;
  double low = lowest->accuracy, high = highest->accuracy;
  if (high - low < 0.01) low = std::max(0.0, high - 0.01);
  std::vector<std::string> grid(height, std::string(width, ' '));
  for (const ChartPoint& p : points) {
    const auto x = static_cast<std::size_t>(std::llround(last > 0 ? p.epoch / last * static_cast<double>(width - 1) : 0));
    const auto y = static_cast<std::size_t>(std::llround((high - p.accuracy) / (high - low) * (height - 1)));
    char& at = grid[std::min(y, height - 1)][x];
    if (at != 'o') at = p.pruned ? 'o' : '.';
  }
  std::string text;
  for (std::size_t y = 0; y < height; ++y) {
    const double value = high - (high - low) * static_cast<double>(y) / (height - 1);
    text += (y % 5 == 0 || y == height - 1 ? fmt::format("{:6.2f} % ", 100 * value) : std::string(margin, ' ')) + "|" + grid[y] + "\n";
  }
  return text + fmt::format("{}0{:>{}} epochs; . after an epoch, o just after a pruning step\n", std::string(margin + 1, ' '), last, width - 1);
}

bool is_over(const std::vector<MetricsRow>& rows) {
  return !rows.empty() && read_row<DoneRow>(rows.back()).has_value();
}

/// Rows so far; a last line that is just being written is left for the next look.
std::vector<MetricsRow> rows_so_far(const std::string& run) { return read_metrics(fs::path(run) / "metrics.jsonl"); }

std::size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void check_is_run(const std::string& run) {
  std::error_code unknown;
  const fs::path folder = run;
  if (!fs::exists(folder, unknown) || fs::exists(folder / "metrics.jsonl", unknown) || fs::exists(folder / "config.json", unknown) ||
      (fs::is_directory(folder, unknown) && fs::is_empty(folder, unknown)))
    return;
  fail(ExitCode::usage, "{}: holds no run (neither config.json nor metrics.jsonl); give the folder that train or prune writes",
       run);
}

/// The page of a run that goes on looks again by itself.
void write_page(const WatchOptions& o, bool over) {
  write_report({.runs = {o.run}, .output = o.page, .published = {}});
  if (over) return;
  std::string page = read_whole_file(o.page);
  const std::string head = "<head>";
  if (const auto at = page.find(head); at != std::string::npos)
    page.insert(at + head.size(), fmt::format("\n<meta http-equiv=\"refresh\" content=\"{:.0f}\">", std::max(5.0, o.seconds)));
  write_file_atomically(o.page, page);
}

}  // namespace

std::string watch_text(const std::vector<MetricsRow>& rows, const std::string& name, std::size_t columns) {
  if (rows.empty()) return fmt::format("{}: nothing yet\n", name);
  std::string state = is_over(rows) ? "done" : "running";
  for (auto row = rows.rbegin(); row != rows.rend(); ++row)
    if (const auto e = read_row<EpochRow>(*row)) {
      state += fmt::format("; epoch {}, training loss {:.4f}, test accuracy {:.2f} %, {:.0f} images/s", e->epoch, e->train_loss,
                           100 * e->test_accuracy, e->images_per_second);
      break;
    }
  for (auto row = rows.rbegin(); row != rows.rend(); ++row)
    if (const auto p = read_row<PruneRow>(*row)) {
      state += fmt::format("; pruned to {:.2f} % after {} epochs", 100 * p->sparsity, p->epoch);
      break;
    }
  const std::size_t cells = rows_of<CellRow>(rows).size();
  if (cells > 0) state += fmt::format("; {} cells of a sweep", cells);
  const std::vector<ChartPoint> points = points_of(rows);
  return fmt::format("{}: {}\n{}", name, state, points.empty() ? "" : "\n" + chart(points, columns));
}

void watch_command(const WatchOptions& o) {
  check_is_run(o.run);
  stop_gently_on_signals();
  const bool in_place = ::isatty(STDOUT_FILENO) && !o.once;
  std::size_t seen = std::size_t(-1);
  for (;;) {
    const std::vector<MetricsRow> rows = rows_so_far(o.run);
    const bool over = is_over(rows);
    if (rows.size() != seen) {
      seen = rows.size();
      if (!o.page.empty() && !rows.empty()) {
        write_page(o, over);
        fmt::print("{}  ({} rows)\n", o.page, rows.size());
      } else if (o.page.empty()) {
        fmt::print("{}{}", in_place ? "\x1b[H\x1b[2J" : "", watch_text(rows, o.run, terminal_columns()));
      }
      std::fflush(stdout);
    }
    if (over || o.once) return;
    for (double waited = 0; waited < o.seconds; waited += 0.1) {
      if (take_stop()) return;  // Ctrl-C ends the watching, and nothing else
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
}

}  // namespace espalier
