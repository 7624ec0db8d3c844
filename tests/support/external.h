// external.h: programs of others that some tests are held against: Debian's PyTorch and ONNX, npm's ONNX
// Runtime.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "framework/core/check.h"
#include "paths.h"

namespace espalier::testing {

/// Debian's Python; a newer one on the path does not see its packages.
inline std::string python() {
  const char* named = std::getenv("ESPALIER_PYTHON");
  return named ? named : "/usr/bin/python3";
}
inline bool python_has(const std::string& module) {
  static std::map<std::string, bool> known;
  const auto found = known.find(module);
  if (found != known.end()) return found->second;
  return known[module] =
             std::system(fmt::format("{} -c 'import {}' 2>/dev/null", python(), module).c_str()) == 0;
}

/// The folder where `npm install --ignore-scripts onnxruntime-node` was run (.ci/run does); empty if there is none.
inline std::string onnxruntime() {
  const char* named = std::getenv("ESPALIER_ORT");
  const std::string folder = named ? named : ESPALIER_SOURCE_DIR "/build/onnxruntime";
  return std::filesystem::exists(folder + "/node_modules/onnxruntime-node") ? folder : std::string();
}

inline std::vector<float> read_floats(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) throw std::runtime_error(path.string() + " is missing");
  std::vector<float> values(static_cast<std::size_t>(in.tellg()) / sizeof(float));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(values.data()),
          static_cast<std::streamsize>(values.size() * sizeof(float)));
  return values;
}

inline void write_floats(const std::filesystem::path& path, std::span<const float> values) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
}

/// Runs every NAME.onnx in `folder` on NAME.f32 of the shape in NAME.shape; the outputs are in NAME.ort.f32.
inline bool run_onnxruntime(const std::filesystem::path& folder) {
  const std::string command = fmt::format("node {}/tests/interchange/run_onnxruntime.js {} {}",
                                          ESPALIER_SOURCE_DIR, onnxruntime(), folder.string());
  return std::system(command.c_str()) == 0;
}

/// What onnx's checker (Debian: python3-onnx) says of all .onnx files in `folder`, shapes included; empty if it accepts
/// them, as it does where it is not installed.
inline std::string onnx_complaints(const std::filesystem::path& folder) {
  if (!python_has("onnx")) return "";
  const std::string out = (folder / "checker.txt").string();
  const std::string script =
      "import glob, onnx, sys\n"
      "for f in sorted(glob.glob(sys.argv[1] + '/*.onnx')):\n"
      "  m = onnx.load(f)\n"  // its inference of types knows no sparse weights
      "  onnx.checker.check_model(m, full_check=not m.graph.sparse_initializer)\n";
  if (std::system(fmt::format("{} -c \"{}\" {} > {} 2>&1", python(), script, folder.string(), out).c_str()) ==
      0)
    return "";
  std::ifstream in(out);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Images [n, c, h, w] as {n, h, w, c}.
inline std::vector<float> channels_last(const std::vector<float>& nchw, std::int64_t n, std::int64_t c,
                                        std::int64_t pixels) {
  std::vector<float> out(nchw.size());
  for (std::int64_t e = 0; e < n; ++e)
    for (std::int64_t k = 0; k < c; ++k)
      for (std::int64_t p = 0; p < pixels; ++p)
        out[(e * pixels + p) * c + k] = nchw[(e * c + k) * pixels + p];
  return out;
}

}  // namespace espalier::testing
