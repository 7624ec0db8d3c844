// quadratic_problem.h: a pruning problem small enough to be shown whole: a few gradients, weights and a
// dampening, from a JSON file, and everything that mathematics.md says about it.
// `espalier explain` prints it.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "pruning/inverse/inverse.h"

namespace espalier {

struct QuadraticProblem {
  std::string file;                              ///< where it was read, for messages
  std::vector<std::vector<double>> gradients;    ///< N rows of d
  std::vector<std::vector<double>> per_example;  ///< the examples that the rows are means of; may be empty
  double damp = 0;                               ///< "lambda"
  std::vector<double> w, g;
  std::vector<std::vector<Index>> blocks, sets;
  std::size_t d() const { return w.size(); }
  std::size_t n() const { return gradients.size(); }
};

/// Reads {"gradients", "lambda", "weights", and optionally "gradient_vector" (default: the mean of the
/// gradients), "blocks" (default: one), "sets_removed", "per_example_gradients"}, or an object that holds
/// these under "inputs". Throws Error(config) naming file, key, value and rule.
QuadraticProblem read_problem(const std::string& path);

/// Weights block by block, so that every block is a range.
std::vector<Index> block_order(const QuadraticProblem& problem);

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;

/// A set of weights removed: exactly (joint), and by the paper's sum of single updates.
struct Removal {
  std::vector<Index> removed;
  Vector delta, simultaneous, zeroed;  ///< zeroed: simultaneous, then removed weights set to 0
  double loss = 0, zeroed_loss = 0;    ///< change of the quadratic model
};

/// The best set of k weights among all, and the one of lowest rho.
struct BestSubset {
  std::size_t k = 0;
  std::vector<Index> best, lowest;
  double best_loss = 0, lowest_loss = 0;
  std::int64_t examined = 0;
};

struct QuadraticSolution {
  Matrix F, inverse;
  Vector h;  ///< F^-1 g
  Vector magnitude, obd_damped, diagonal_fisher, woodfisher, woodtaylor;
  double constant = 0;                                ///< -1/2 g'F^-1 g
  std::array<std::vector<Removal>, 2> singles, sets;  ///< [0] WoodFisher (g = 0), [1] WoodTaylor
  std::vector<BestSubset> subsets;                    ///< of each size below d, for 2 to 16 weights
};

QuadraticSolution solve(const QuadraticProblem& problem);
/// The weights in the order in which a score removes them.
std::vector<Index> ranking(const Vector& score);
/// Removal of one set at the problem's w; `taylor`: with the gradient.
Removal remove_set(const QuadraticProblem& problem, const QuadraticSolution& s, const std::vector<Index>& set,
                   bool taylor);

/// The recursion: F_n^-1 after each of the first `kept` gradients, beginning with F_0^-1, and after all of
/// them, blocks and all.
struct Recursion {
  std::vector<Matrix> steps;
  Matrix last;
};
Recursion recursion(const QuadraticProblem& problem, std::size_t kept);

/// One JSON object; its keys depend on the sizes of the problem and on what it asks for, never on values
/// (explain_schema.h).
std::string solution_json(const QuadraticProblem& problem, const QuadraticSolution& s);
/// The derivation with its numbers, for people.
std::string derivation(const QuadraticProblem& problem, const QuadraticSolution& s);

}  // namespace espalier
