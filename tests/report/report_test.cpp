// What a page is made of, without a browser: text that cannot break out of it, folders that are damaged, and
// numbers that are those of the files.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "framework/core/check.h"
#include "framework/io/safetensors.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"
#include "tools/report/report_files.h"
#include "tools/report/report_layers.h"
#include "tools/report/report_run.h"
#include "tools/report/report_text.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;
using espalier::testing::expect_error;
using espalier::testing::TempFolder;

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::vector<int> decoded(const std::string& base64_text) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<int> values;
  unsigned bits = 0, count = 0;
  for (const char c : base64_text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<unsigned>(digits.find(c));
    count += 6;
    if (count >= 8) values.push_back(static_cast<std::int8_t>(bits >> (count -= 8) & 255U));
  }
  return values;
}

TEST(ReportText, Base64IsThatOfRfc4648) {
  for (const auto& [plain, coded] : std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                                                     {"f", "Zg=="},
                                                                                     {"fo", "Zm8="},
                                                                                     {"foo", "Zm9v"},
                                                                                     {"foob", "Zm9vYg=="},
                                                                                     {"fooba", "Zm9vYmE="},
                                                                                     {"foobar", "Zm9vYmFy"}})
    EXPECT_EQ(base64(bytes_of(plain)), coded);
}

TEST(ReportText, AScriptIsNamedByItsSha256) {
  // The well-known digest of nothing.
  EXPECT_EQ(script_source(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
}

TEST(ReportText, JsonBetweenScriptTagsKeepsItsValueAndCannotEndThem) {
  const Json value{{"</script><script>alert(1)</script>", "<!-- ]]> & \u2028 \u2029 \u20AC \xE2\x80"},
                   {"n", 1.5}};
  const std::string plain = value.dump(-1, ' ', false, Json::error_handler_t::replace),
                    escaped = escape_json_for_html(plain);
  EXPECT_EQ(escaped.find_first_of("<>&"), std::string::npos);
  EXPECT_EQ(escaped.find("\xE2\x80\xA8"), std::string::npos);
  EXPECT_EQ(escaped.find("\xE2\x80\xA9"), std::string::npos);
  EXPECT_EQ(Json::parse(escaped), Json::parse(plain));
}

TEST(ReportText, HtmlIsEscapedInTextAndAttributes) {
  EXPECT_EQ(escape_html("<b a=\"x\" b='y'>&amp;"), "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;");
}

TEST(ReportText, WhatFillsATemplateIsNotFilledAgain) {
  EXPECT_EQ(fill_template("a{{x}}b{{y}}c{{x}}", {{"x", "{{y}}"}, {"y", "2"}}), "a{{y}}b2c{{y}}");
  expect_error(ExitCode::internal, {"unknown"}, [] { fill_template("{{unknown}}", {}); });
}

class Folder : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) { folder.write_text(name, text); }
  TempFolder folder;
};

TEST_F(Folder, LinesThatAreNoRowsAreLeftOutAndSaid) {
  write("metrics.jsonl",
        "{\"event\":\"epoch\",\"epoch\":1}\nnot json\n{\"event\":\"epoch\",\"epoch\":NaN}\n[1]\n"
        "{\"deep\":{\"a\":1}}\n{\"event\":\"epoch\",\"epoch\":2}\n{\"event\":\"ep");
  FolderReader reader(folder.path());
  const Json rows = reader.rows("metrics.jsonl", true, 100);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1]["epoch"], 2);
  ASSERT_EQ(reader.notices.size(), 1U);
  EXPECT_NE(reader.notices[0].find("5 of 7 lines"), std::string::npos) << reader.notices[0];
  EXPECT_NE(reader.notices[0].find("line 2"), std::string::npos) << reader.notices[0];
}

TEST_F(Folder, OfTooManyRowsEvenlySpacedOnesAreKeptWithTheFirstAndTheLast) {
  for (const std::size_t count : {4U, 5U, 9U, 10U, 100U, 1000U}) {
    std::string lines;
    for (std::size_t i = 0; i < count; ++i)
      lines += "{\"event\":\"epoch\",\"epoch\":" + std::to_string(i) + "}\n{\"event\":\"prune\"}\n";
    lines += "{\"event\":\"done\"}\n";
    write("metrics.jsonl", lines);
    FolderReader reader(folder.path());
    std::vector<std::size_t> kept;
    std::size_t done = 0;
    for (const Json& row : reader.rows("metrics.jsonl", true, 5)) {
      if (row["event"] == "epoch") kept.push_back(row["epoch"]);
      done += row["event"] == "done";
    }
    std::vector<std::size_t> expected;  // i (count - 1) / 4, rounded down
    for (std::size_t i = 0; i < std::min<std::size_t>(5, count); ++i)
      expected.push_back(count <= 5 ? i : i * (count - 1) / 4);
    EXPECT_EQ(kept, expected) << count;
    EXPECT_EQ(done, 1U);
    EXPECT_EQ(reader.notices.empty(), count <= 5);
  }
}

/// Two layers: a convolution [2, 1, 2, 2] with a mask, and a linear one [2, 3] without.
TensorFile network(float scale) {
  TensorFile file;
  std::vector<float> conv{-1, 0.5F, 0.25F, 0, 1, -0.5F, 0.125F, 0.75F}, fc{0.1F, 0.2F, 0, -0.3F, 0, 0};
  for (float& v : conv) v *= scale;
  const std::vector<std::uint8_t> mask{1, 0, 1, 0, 1, 1, 0, 1}, fc_mask{1, 1, 0, 1, 0, 0};
  file.add("conv.weight", {2, 1, 2, 2}, std::span<const float>(conv));
  file.add("conv.weight_mask", {2, 1, 2, 2}, std::span<const std::uint8_t>(mask));
  file.add("conv.bias", {2}, std::span<const float>(std::vector<float>{1, 2}));
  file.add("fc.weight", {2, 3}, std::span<const float>(fc));
  file.add("fc.weight_mask", {2, 3}, std::span<const std::uint8_t>(fc_mask));
  return file;
}

TEST_F(Folder, LayersAreCountedAsTheirFileHasThem) {
  write_safetensors(folder.path() / "after.safetensors", network(1));
  write_safetensors(folder.path() / "dense.safetensors", network(2));
  std::vector<std::string> notices;
  const Json layers =
      read_layers(folder.path() / "after.safetensors", folder.path() / "dense.safetensors", 1 << 20, notices);
  EXPECT_TRUE(notices.empty());
  ASSERT_EQ(layers.size(), 2U);
  const Json &conv = layers[0], &fc = layers[1];
  EXPECT_EQ(conv["name"], "conv");
  EXPECT_EQ(conv["weights"], 8);
  EXPECT_EQ(conv["kept"], 5);
  EXPECT_EQ(conv["histogram"]["high"], 2.0);  // the dense network's largest weight
  const auto total = [](const Json& counts) {
    int sum = 0;
    for (const Json& c : counts) sum += c.get<int>();
    return sum;
  };
  EXPECT_EQ(total(conv["histogram"]["after"]), 5);
  EXPECT_EQ(total(conv["histogram"]["before"]), 5);
  const std::size_t bins = conv["histogram"]["after"].size();
  EXPECT_EQ(conv["histogram"]["after"][bins / 4], 1) << "the weight -1, on an axis from -2 to 2";
  EXPECT_EQ(fc["inputs"], Json({2, 1, 0}));
  EXPECT_FALSE(fc.contains("tiles"));

  const std::vector<int> tile = decoded(conv["tiles"]["after"]);
  const std::vector<double> values{-1, NAN, 0.25, NAN, 1, -0.5, NAN, 0.75};
  ASSERT_EQ(tile.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i]))
      EXPECT_EQ(tile[i], -128) << i;
    else
      EXPECT_NEAR(tile[i] / 127.0 * 2, values[i], 0.5 / 127 * 2) << i;
  }
}

TEST_F(Folder, TilesThatWouldNotFitAreLeftOutAndSaid) {
  write_safetensors(folder.path() / "after.safetensors", network(1));
  std::vector<std::string> notices;
  const Json layers = read_layers(folder.path() / "after.safetensors", "", 5, notices);
  EXPECT_FALSE(layers[0].contains("tiles"));
  ASSERT_EQ(notices.size(), 1U);
  EXPECT_NE(notices[0].find("conv"), std::string::npos);
}

TEST_F(Folder, ACheckpointThatIsCutOffOrNotFiniteIsSaid) {
  write_safetensors(folder.path() / "nan.safetensors", network(NAN));
  std::vector<std::string> notices;
  const Json layers = read_layers(folder.path() / "nan.safetensors", "", 1 << 20, notices);
  EXPECT_EQ(layers.size(), 2U);
  ASSERT_EQ(notices.size(), 1U);
  EXPECT_NE(notices[0].find("no finite numbers"), std::string::npos);
  write("cut.safetensors", "\x40\0\0\0\0\0\0\0{\"conv");
  EXPECT_TRUE(read_layers(folder.path() / "cut.safetensors", "", 1 << 20, notices).empty());
  EXPECT_NE(notices.back().find("cut.safetensors"), std::string::npos);
}

TEST_F(Folder, ARunIsToldByItsRows) {
  const auto kind = [&](const std::string& rows, const std::string& config = "{\"prune\": null}") {
    write("metrics.jsonl", rows);
    write("config.json", config);
    return read_run(folder.path(), 1 << 20)["kind"].get<std::string>();
  };
  EXPECT_EQ(kind("{\"event\":\"epoch\"}\n"), "train");
  EXPECT_EQ(kind("{\"event\":\"epoch\"}\n", "{\"prune\": {}}"), "prune");
  EXPECT_EQ(kind("{\"event\":\"prune\"}\n"), "prune");
  EXPECT_EQ(kind("{\"event\":\"dense\"}\n{\"event\":\"cell\"}\n"), "sweep");
  EXPECT_EQ(kind("{\"event\":\"start\"}\n{\"event\":\"curvature\"}\n"), "curvature");
  EXPECT_EQ(kind("{\"part\":\"a\",\"seed\":1,\"config_sha256\":\"0\"}\n"), "reproduce");
}

TEST_F(Folder, ACurvatureStudyInTheFolderComesWithTheRun) {
  write("config.json", "{\"name\": \"mine\"}");
  write("metrics.jsonl", "{\"event\":\"epoch\",\"epoch\":1}\n");
  EXPECT_TRUE(read_run(folder.path(), 1 << 20)["curvature"].empty());
  std::filesystem::create_directory(folder.path() / "curvature");
  write("curvature/config.json", "{\"name\": \"study\"}");
  write("curvature/metrics.jsonl",
        "{\"event\":\"start\"}\n{\"event\":\"curvature\",\"layer\":\"fc\",\"cosine.empirical_fisher\":0.25}"
        "\ncut");
  write("curvature/tour.json", "{\"version\": 2}");
  const Json run = read_run(folder.path(), 1 << 20);
  EXPECT_EQ(run["kind"], "train") << "the study does not change what the run is";
  EXPECT_EQ(run["config"]["name"], "mine");
  EXPECT_EQ(run["metrics"].size(), 1U);
  ASSERT_EQ(run["curvature"].size(), 2U);
  EXPECT_EQ(run["curvature"][1]["cosine.empirical_fisher"], 0.25);
  EXPECT_EQ(run["tour"]["version"], 2);
  ASSERT_EQ(run["notices"].size(), 1U);
  EXPECT_NE(run["notices"][0].get<std::string>().find("curvature/metrics.jsonl: 1 of 3"), std::string::npos)
      << run["notices"];
  write("tour.json", "{\"version\": 1}");
  EXPECT_EQ(read_run(folder.path(), 1 << 20)["tour"]["version"], 1) << "the run's own tour goes first";

  const Json study = read_run(folder.path() / "curvature", 1 << 20);
  EXPECT_EQ(study["kind"], "curvature");
  EXPECT_EQ(study["metrics"].size(), 2U);
  EXPECT_TRUE(study["curvature"].empty());
}

TEST_F(Folder, OfAStepThatWasRepeatedTheLastHistogramCounts) {
  write("config.json", "{}");
  write("metrics.jsonl", "{\"event\":\"prune\",\"epoch\":2,\"sub_step\":1}\n");
  write("saliency.jsonl",
        "{\"epoch\":2,\"sub_step\":1,\"layer\":\"a\",\"low\":1}\n{\"epoch\":2,\"sub_step\":1,\"layer\":\"b\","
        "\"low\":1}\n"
        "{\"epoch\":2,\"sub_step\":1,\"layer\":\"a\",\"low\":2}\n{\"epoch\":3,\"sub_step\":1,\"layer\":\"a\","
        "\"low\":3}\n");
  const Json steps = read_run(folder.path(), 1 << 20)["saliency"];
  ASSERT_EQ(steps.size(), 2U);  // of step 3 the metrics know nothing: the run was stopped in it
  EXPECT_EQ(steps[0]["layer"], "b");
  EXPECT_EQ(steps[1]["low"], 2);
}

TEST_F(Folder, WhatIsNoRunIsAnErrorAndWhatIsDamagedIsNot) {
  expect_error(ExitCode::usage, {"missing", "is no folder"},
               [&] { (void)read_run(folder.path() / "missing", 1000); });
  expect_error(ExitCode::usage, {"holds no run", "metrics.jsonl"},
               [&] { (void)read_run(folder.path(), 1000); });
  write("config.json", "{\"name\": \"cut o");
  const Json run = read_run(folder.path(), 1 << 20);
  EXPECT_TRUE(run["config"].is_null());
  EXPECT_EQ(run["notices"].size(), 2U);  // config damaged, metrics missing
  EXPECT_EQ(run["name"], folder.path().filename().string());
}

}  // namespace
}  // namespace espalier
