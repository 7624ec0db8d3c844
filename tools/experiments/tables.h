// tables.h: results as tables for a terminal, or as Markdown.
#pragma once

#include <string>
#include <vector>

#include "tools/experiments/experiment.h"
#include "tools/experiments/results.h"

namespace espalier {

/// A heading, column titles, and rows; a row of none is a rule.
struct ResultTable {
  std::string title;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  std::string text() const;
  std::string markdown() const;
};

/// Accuracy [%] of each method (rows) at each value (columns).
ResultTable accuracy_table(const std::string& title, const std::vector<Result>& results, const Axes& axes);
/// Published accuracies at the same values, below a rule.
void add_published(ResultTable& table, const std::vector<const PublishedRow*>& rows,
                   const std::vector<std::string>& values);

/// The published accuracies of the experiment's folder; none: empty.
Published published_of(const Experiment& experiment);

/// Tables of all quantities that the parts show.
std::string experiment_tables(const Experiment& experiment, const std::vector<Result>& results,
                              bool markdown);

/// "predicted_loss_change" and "cosine.empirical_fisher" as people read them.
std::string words(std::string name);

}  // namespace espalier
