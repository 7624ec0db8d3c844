// A graph in JSON: what is said, what may be left out, and how mistakes are answered.
#include "framework/graph/json.h"

#include <gtest/gtest.h>

#include "framework/graph/ops.h"
#include "framework/graph/passes.h"
#include "tests/support/curvature.h"
#include "tests/support/expect_error.h"

namespace espalier::test {
namespace {

Graph parsed(const std::string& steps, const std::string& more = "") {
  return from_json(R"({"input": [8, 8, 3], "steps": )" + steps + more + "}", "net.json");
}
std::vector<std::string> names(const Graph& g) {
  std::vector<std::string> all;
  for (const Step& s : g.steps) {
    std::string text = s.name + "(";
    for (const ValueId id : s.inputs) text += (text.back() == '(' ? "" : ",") + g.value(id).name;
    all.push_back(text + ")");
  }
  return all;
}

TEST(GraphJson, AStepReadsTheOneBeforeItUnlessItSaysOtherwise) {
  const Graph g =
      parsed(R"([{"op": "conv", "name": "stem", "out": 4, "kernel": [1, 3], "pad": [0, 1, 0, 1]}, "relu",
    {"op": "conv", "name": "left", "out": 2, "kernel": 1}, {"op": "max_pool", "name": "right", "in": ["1"], "kernel": 3, "stride": 1},
    {"op": "conv", "name": "cut", "in": ["left"], "out": 2, "kernel": 3}, {"op": "concat", "name": "both", "in": ["cut", "right"]}])");
  EXPECT_EQ(names(g), (std::vector<std::string>{"stem(input)", "1(stem)", "left(1)", "right(1)", "cut(left)",
                                                "both(cut,right)"}));
  EXPECT_EQ(g.shape(g.outputs[0]), (Shape{6, 6, 6}));
}

TEST(GraphJson, TheOrderOfTheListIsFree) {
  const Graph g =
      parsed(R"([{"op": "add", "name": "sum", "in": ["a", "b"]}, {"op": "relu", "name": "a", "in": ["c"]},
    {"op": "tanh", "name": "b", "in": ["c"]}, {"op": "conv", "name": "c", "in": ["input"], "out": 3, "kernel": 1}])",
             R"(, "output": "sum")");
  EXPECT_EQ(names(g), (std::vector<std::string>{"c(input)", "a(c)", "b(c)", "sum(a,b)"}));
}

TEST(GraphJson, MistakesAreExplained) {
  const auto complaint = [](std::initializer_list<std::string> parts, const std::string& steps,
                            const std::string& more = "") {
    espalier::testing::expect_error(ExitCode::config, parts, [&] { parsed(steps, more); });
  };
  complaint({"step 'sum' (add)", "'steem'", "no step makes", "did you mean \"stem\"?"},
            R"([{"op": "relu", "name": "stem"}, {"op": "add", "name": "sum", "in": ["stem", "steem"]}])");
  complaint(
      {"cycle", "'a' -> 'b' -> 'a'"},
      R"([{"op": "add", "name": "a", "in": ["input", "b"]}, {"op": "relu", "name": "b", "in": ["a"]}])");
  complaint({"'x' is defined twice", "step '0'", "step '1'"},
            R"([{"op": "relu", "value": "x"}, {"op": "tanh", "value": "x"}])");
  complaint({"'input' is defined twice", "the network's input"}, R"([{"op": "relu", "name": "input"}])");
  complaint({"no step reads the value 'b'"}, R"([{"op": "relu", "name": "a"}, {"op": "relu", "name": "b"}])",
            R"(, "output": "a")");
  complaint(
      {"'add'", "inputs 'a' {8,8,4} and 'input' {8,8,3}"},
      R"([{"op": "conv", "name": "a", "out": 4, "kernel": 1}, {"op": "add", "name": "add", "in": ["a", "input"]}])");
  complaint({"output 'fcc'", "did you mean \"fc\"?"}, R"([{"op": "relu", "name": "fc"}])",
            R"(, "output": "fcc")");
  complaint({"net.json", "steps.0.op", "\"konv\"", "did you mean \"conv\"?"}, R"([{"op": "konv"}])");
  complaint({"steps.0 needs an \"op\""}, R"([{"out": 3}])");
  complaint({"steps.0.kernel", "list of 2 integers"}, R"([{"op": "conv", "out": 3, "kernel": [1, 2, 3]}])");
  complaint({"steps.0.pad", "at least 0"}, R"([{"op": "conv", "out": 3, "pad": [0, -1, 0, 0]}])");
  complaint({"at least one step"}, "[]");
}

TEST(GraphJson, WhatIsWrittenReadsBackAsTheSameGraph) {
  for (const auto& model : {conv_net(), branching_net()}) {
    const std::string text = to_json(model->graph());
    const Graph again = from_json(text, "again");
    EXPECT_EQ(to_json(again), text);
    ASSERT_EQ(names(again), names(model->graph()));
    for (std::size_t p = 0; p < again.parameters.size(); ++p)
      EXPECT_EQ(again.parameters[p].name, model->graph().parameters[p].name);
    // A joined activation is written as the step that it was.
    const Graph joined = join_activations(model->graph(), Joined::all);
    EXPECT_LT(joined.steps.size(), again.steps.size());
    EXPECT_EQ(from_json(to_json(joined), "joined").steps.size(), again.steps.size());
  }
}

}  // namespace
}  // namespace espalier::test
