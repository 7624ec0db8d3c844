// classify.cpp: a program of somebody else that uses a network made by `espalier compress`:
//   find_package(espalier REQUIRED)
//   target_link_libraries(classify PRIVATE espalier::espalier)
#include <algorithm>
#include <cstdio>

#include "framework/deploy/classifier.h"

int main(int argc, char** argv) try {
  if (argc < 3) return std::fprintf(stderr, "usage: classify NETWORK PICTURE...\n"), 2;
  const espalier::Classifier classify{std::filesystem::path(argv[1])};
  for (int i = 2; i < argc; ++i) {
    const std::vector<double> p = classify(std::filesystem::path(argv[i]));
    const auto best = std::max_element(p.begin(), p.end());
    std::printf("%s: %s (%.1f %%)\n", argv[i], classify.classes()[best - p.begin()].c_str(), 100 * *best);
  }
} catch (const std::exception& e) {
  return std::fprintf(stderr, "%s\n", e.what()), 1;
}
