#include "tests/fuzz/targets.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/config/reader.h"
#include "framework/config/writer.h"
#include "framework/data/decode_image.h"
#include "framework/io/index_file.h"
#include "framework/io/metrics.h"
#include "framework/io/safetensors.h"
#include "tools/explain/quadratic_problem.h"
#include "tools/report/report_run.h"
#include "tools/run/run_config.h"

namespace espalier::fuzz {
namespace {

namespace fs = std::filesystem;

std::string text_of(Input input) { return {reinterpret_cast<const char*>(input.data()), input.size()}; }

/// The input as a file in memory, under a path.
class MemoryFile {
 public:
  explicit MemoryFile(Input input) : descriptor_(::memfd_create("input", 0)) {
    if (descriptor_ < 0 ||
        ::write(descriptor_, input.data(), input.size()) != static_cast<ssize_t>(input.size()))
      std::abort();
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

/// A folder for targets that read several files; one for each process, left to the system's cleaning.
const fs::path& folder() {
  static const fs::path made = [] {
    std::string name = (fs::temp_directory_path() / "espalier-fuzz-XXXXXX").string();
    if (!::mkdtemp(name.data())) std::abort();
    return fs::path(name);
  }();
  return made;
}

void write(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void config(Input input) {
  RunConfig read;
  read_config(JsonDocument::parse(text_of(input), "input"), read);
  const std::string once = resolved_json(read);
  RunConfig again;
  read_config(JsonDocument::parse(once, "resolved"), again);
  require(resolved_json(again) == once, "a resolved config reads back to another one");
}

void safetensors(Input input) {
  const MemoryFile file(input);
  for (const StoredTensor& t : read_safetensors(file.path()).tensors) (void)to_doubles(t);
}

/// The first byte says which of the four files the rest is; the others are whole.
void idx(Input input) {
  const std::string images("\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\2\1\2\3\4\5\6\7\10", 24),
      labels("\0\0\10\1\0\0\0\2\3\4", 10);
  constexpr const char* names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                   "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
  const std::size_t changed = input.empty() ? 0 : input[0] % 4;
  for (std::size_t i = 0; i < 4; ++i)
    write(folder() / names[i], i == changed ? text_of(input.subspan(std::min<std::size_t>(1, input.size())))
                               : i % 2      ? labels
                                            : images);
  DataConfig data;
  data.source.choose("mnist");
  JsonDocument settings = JsonDocument::parse("{}", "input");
  settings.apply_override(
      "source={\"type\": \"mnist\", \"path\": " + nlohmann::json(folder().string()).dump() + "}");
  read_config(settings, data);
  (void)open_data(data);
}

void cifar(Input input) {
  write(folder() / "input.bin", text_of(input));
  DataConfig data;
  JsonDocument settings = JsonDocument::parse("{}", "input");
  settings.apply_override(
      "source={\"type\": \"cifar10\", \"train_files\": [\"input.bin\"], \"test_files\": "
      "[\"input.bin\"], \"path\": " +
      nlohmann::json(folder().string()).dump() + "}");
  read_config(settings, data);
  (void)open_data(data);
}

void image(Input input) {
  const MemoryFile file(input);
  (void)decode_image(file.path(), input.size() % 2 ? 1 : 3);
}

/// A list of pictures; one that it may name is there.
void list(Input input) {
  const fs::path root = folder() / "list";
  fs::create_directories(root / "train");
  write(root / "train/a.png", std::string_view("P6 1 1 255 abc"));  // told by its bytes: a PPM
  write(root / "train.txt", text_of(input));
  DataConfig data;
  JsonDocument settings = JsonDocument::parse("{}", "input");
  settings.apply_override(
      "source={\"type\": \"image_folder\", \"train_list\": \"train.txt\", \"test_share\": 0.5, \"path\": " +
      nlohmann::json(root.string()).dump() + "}");
  settings.apply_override("resize=2");
  read_config(settings, data);
  (void)open_data(data);
}

void metrics(Input input) {
  const MemoryFile file(input);
  (void)read_metrics(file.path());
}

void indices(Input input) {
  const MemoryFile file(input);
  (void)read_index_file(file.path(), "prune.index_file");
}

void problem(Input input) {
  const MemoryFile file(input);
  const QuadraticProblem read = read_problem(file.path());
  if (read.d() > 8 || read.n() > 8) return;  // more would only take longer
  const QuadraticSolution solved = solve(read);
  (void)solution_json(read, solved);
  (void)derivation(read, solved);
}

/// Parts divided by lines of "---" are the files of a run folder.
void report(Input input) {
  const std::string text = text_of(input);
  constexpr const char* names[] = {"config.json",    "metrics.jsonl",   "tour.json",
                                   "saliency.jsonl", "experiment.json", "checkpoint.safetensors"};
  const fs::path run = folder() / "run";
  fs::create_directories(run);
  std::size_t at = 0;
  for (const char* name : names) {
    const std::size_t end = at == std::string::npos ? at : text.find("\n---\n", at);
    write(run / name, at == std::string::npos ? "" : std::string_view(text).substr(at, end - at));
    at = end == std::string::npos ? end : end + 5;
  }
  (void)read_run(run, 1 << 16).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

const std::vector<Target>& targets() {
  static const std::vector<Target> all{{"config", config},   {"safetensors", safetensors},
                                       {"idx", idx},         {"cifar", cifar},
                                       {"image", image},     {"list", list},
                                       {"metrics", metrics}, {"indices", indices},
                                       {"problem", problem}, {"report", report}};
  return all;
}

void run(const Target& target, Input input) {
  try {
    target.run(input);
  } catch (const Error& e) {
    if (e.code() == ExitCode::internal || e.code() == ExitCode::interrupted) throw;
  }
}

}  // namespace espalier::fuzz
