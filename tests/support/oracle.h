// oracle.h: the numeric cases of tests/oracle, whose expected values were computed independently of this
// program (exact fractions, KKT systems, brute force). tests/oracle/README.md defines every quantity.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace espalier {

inline const nlohmann::json& oracle() {
  static const nlohmann::json all = [] {
    const std::string path = ESPALIER_SOURCE_DIR "/tests/oracle/cases.json";
    std::ifstream in(path);
    if (!in) throw std::runtime_error(path + " cannot be read");
    return nlohmann::json::parse(in)["cases"];
  }();
  return all;
}

/// All cases of one kind, at least one.
inline std::vector<nlohmann::json> oracle_cases(const std::string& kind) {
  std::vector<nlohmann::json> chosen;
  for (const auto& c : oracle())
    if (c["kind"] == kind) chosen.push_back(c);
  if (chosen.empty()) throw std::runtime_error("tests/oracle/cases.json has no case of kind " + kind);
  return chosen;
}

inline const nlohmann::json& oracle_case(const std::string& id) {
  for (const auto& c : oracle())
    if (c["id"] == id) return c;
  throw std::runtime_error("tests/oracle/cases.json has no case " + id);
}

/// Every value within `relative` of the largest expected one, or of `scale` where that is larger (values that
/// are zero but for rounding need to be told what they are small against).
inline void expect_close(const nlohmann::json& expected, std::span<const double> got, double relative,
                         const std::string& what, double scale = 1e-300) {
  ASSERT_EQ(expected.size(), got.size()) << what;
  for (const auto& e : expected) scale = std::max(scale, std::abs(e.get<double>()));
  for (std::size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i], expected[i].get<double>(), relative * scale) << what << "[" << i << "]";
}

}  // namespace espalier
