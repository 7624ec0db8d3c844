// experiment.h: an experiment of `espalier reproduce`: one folder, configs/reproduce/NAME/, whose
// experiment.json says which runs make its tables. Its parts are run in order; every part is a table of
// methods x values x seeds, and every cell of it an ordinary run of train, prune, sweep or curvature with a
// config put together as
//
//   experiment.config <- part.config <- method.config <- value <- quick.config   (later ones win, key by key)
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "framework/config/fields.h"

namespace espalier {

/// A row of a part's table.
struct ExperimentMethod {
  std::string name, config = "{}";
  std::string published;  ///< row of the published table that it is held against; empty: none
  void fields(Fields& f);
};

struct ExperimentPart {
  std::string name, title, verb = "prune";
  std::string start_from;   ///< earlier train part: its network with the same seed is the checkpoint
  std::string choose_from;  ///< earlier part: for each value (or over all levels) only its best method is run
  std::string config = "{}", vary, values = "[]";
  std::vector<ExperimentMethod> methods;
  std::vector<int> seeds;
  std::vector<std::string> show{"test_accuracy"};  ///< columns of the results that are tabled and drawn
  std::vector<std::string> pictures;               ///< of the first seed's runs, kept by --record
  bool every_level = false;  ///< a run has a result for each level of its schedule, not one at its end
  /// Last name of the path `vary`; empty: nothing varies.
  std::string varied() const { return vary.substr(vary.rfind('.') + 1); }
  std::string heading() const { return title.empty() ? name : title; }
  std::vector<std::string> method_names() const;
  void fields(Fields& f);
};

/// What `--quick` changes.
struct ExperimentQuick {
  std::string config = "{}", values = "[]";
  std::vector<std::string> parts;
  std::vector<int> seeds{1};
  void fields(Fields& f);
};

struct Experiment {
  std::string title, about, data, published, config = "{}";
  std::vector<std::string> differences;
  std::vector<int> seeds{1, 2, 3};
  std::vector<ExperimentPart> parts;
  ExperimentQuick quick;
  std::filesystem::path folder;  ///< where experiment.json lies

  void fields(Fields& f);
  const ExperimentPart& part(const std::string& name) const;
};

/// Reads `folder`/experiment.json. Throws Error(config) on what the field lists refuse, on names given twice,
/// and on parts that refer to others that do not come before them.
Experiment read_experiment(const std::filesystem::path& folder);

/// Places that experiments name by ${DATA}, ${CHECKPOINTS} and ${EXPERIMENT} in strings of their configs.
struct ExperimentPlaces {
  std::filesystem::path data, checkpoints, runs;  ///< `runs`: folder of this experiment's runs
};

/// One run.
struct ExperimentCell {
  const ExperimentPart* part = nullptr;
  const ExperimentMethod* method = nullptr;  ///< null: the part has none
  std::string value;                         ///< JSON; empty: nothing varies
  int seed = 1;
  std::string config;                 ///< the run's config, as JSON
  std::filesystem::path folder;       ///< of the run
  std::filesystem::path starts_from;  ///< folder of the run whose network it takes; empty: none of ours
  /// "part/method/value/seed 1", for people.
  std::string label() const;
  /// Name of the method; empty: the part has none.
  std::string method_name() const { return method ? method->name : std::string(); }
  /// The value as tables show it: a number as "{:g}", a string without quotes.
  std::string shown_value() const;
  /// Where its metrics, resolved config and plots lie: a study of curvature has a folder within its own.
  std::filesystem::path results_folder() const;
};

/// A value of "values" (JSON text) as tables show it; see ExperimentCell::shown_value.
std::string shown(const std::string& value);

/// Name of the best method of an earlier part at a value (JSON text; "": over all); empty: not known yet.
using BestMethod = std::function<std::string(const ExperimentPart& among, const std::string& value)>;

/// All cells of a part in the order in which they are run: seed by seed,
/// so that a first table is there early.
std::vector<ExperimentCell> cells_of(const Experiment& experiment, const ExperimentPart& part,
                                     const ExperimentPlaces& places, bool quick, const BestMethod& best);

}  // namespace espalier
