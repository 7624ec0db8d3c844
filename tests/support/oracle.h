// oracle.h: numeric cases with expected values, computed independently of this program (exact fractions, KKT
// systems, brute force). ESPALIER_ORACLE is the path of cases.json.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace espalier {

/// All cases of one kind; empty if ESPALIER_ORACLE is not set.
inline std::vector<nlohmann::json> oracle_cases(const std::string& kind) {
  const char* path = std::getenv("ESPALIER_ORACLE");
  std::vector<nlohmann::json> chosen;
  if (!path) return chosen;
  std::ifstream in(path);
  const auto all = nlohmann::json::parse(in);
  for (const auto& c : all["cases"])
    if (c["kind"] == kind) chosen.push_back(c);
  return chosen;
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
