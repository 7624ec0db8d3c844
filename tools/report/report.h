// report.h: `espalier report`: run folders as one self-contained HTML page. The page's looks and charts are
// in tools/report; report_run.h reads the folders.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace espalier {

struct ReportOptions {
  std::vector<std::string> runs;  ///< run folders, in the order in which the page names them
  std::string output;  ///< the page; empty: report.html in the run's folder, or here for several runs
  std::vector<std::string> published;  ///< JSON files of published accuracies (configs/published)
};

/// Reads the folders and writes the page as a whole; returns its path. What is wrong inside a folder becomes
/// a notice on the page. Throws Error(usage) if a path is no folder or holds no run, Error(config) if a file
/// of published rows is not one, Error(io) if the page cannot be written.
std::filesystem::path write_report(const ReportOptions& options);

/// The page of one finished run, for the end of its verb: the line that says where it lies, or why there is
/// none. What cannot be shown is no reason for a run to fail; Error(io) if the page cannot be written.
std::string report_line(const std::filesystem::path& run);

/// The verb: writes the page and prints where it lies.
void report_command(const ReportOptions& options);

}  // namespace espalier
