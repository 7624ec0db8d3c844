// record.h: the results of an experiment with what is needed to repeat them, small enough for a repository.
#pragma once

#include <filesystem>
#include <vector>

#include "tools/experiments/charts.h"

namespace espalier {

/// Writes into `folder` (created): results.jsonl and .csv, experiment.json as it was run, provenance.json (date, machine, hashes), configs.jsonl
/// (one resolved config a method), curves.csv, the pictures of `places.runs`/plots and of single runs, and a page
/// (README.md) of it all.
void record(const Experiment& experiment, const ExperimentPlaces& places,
            const std::vector<ExperimentCell>& cells, const std::vector<Result>& results,
            const std::vector<CurvePoint>& curves, const std::filesystem::path& folder);

}  // namespace espalier
