// reproduce_record.h: the results of an experiment with what is needed to repeat them,
// small enough for a repository.
#pragma once

#include <vector>

#include "tools/experiments/reproduce_report.h"

namespace espalier {

/// Epochs and pruning steps of all runs that train.
std::vector<CurvePoint> curves_of(const std::vector<ExperimentCell>& cells);

/// Writes into the experiment's own folder: results.jsonl and .csv, provenance.json (date, machine, hashes),
/// configs.jsonl (one resolved config a method), curves.csv, the pictures of `places.runs`/plots and of
/// single runs, and a page (README.md) of it all.
void record(const Experiment& experiment, const ExperimentPlaces& places,
            const std::vector<ExperimentCell>& cells, const std::vector<MetricsRow>& rows,
            const std::vector<CurvePoint>& curves);

}  // namespace espalier
