// Reading configs strictly. Each test is a mistake a user makes, and what the message must tell: file, JSON
// path, rule, and what was probably meant.
#include "framework/config/reader.h"

#include <gtest/gtest.h>

#include <optional>

#include "framework/config/suggest.h"
#include "framework/config/writer.h"
#include "framework/core/random.h"

namespace espalier {
namespace {

struct Shape2 {
  int width = 3, height = 4;
  void fields(Fields& f) {
    f("width", width, "in pixels", {.low = 1, .high = 10});
    f("height", height, "in pixels", {.low = 1});
    f.rule(width <= height, fmt::format("width {} is greater than height {}", width, height));
  }
};
struct Animal {
  virtual ~Animal() = default;
  virtual void fields(Fields& f) = 0;
};
struct Dog final : Animal {
  double weight = 20;
  void fields(Fields& f) override { f("weight", weight, "in kilograms", {.low = 0, .low_open = true}); }
};
struct Herd final : Animal {
  std::vector<Variant<Animal>> members;
  void fields(Fields& f) override { f.variants("members", members, "animals, which may be herds"); }
};
struct Cat final : Animal {
  std::string name;
  void fields(Fields& f) override { f.required()("name", name, "what it listens to"); }
};
const bool known = Registry<Animal>::add<Dog>("dog", "barks") &&
                   Registry<Animal>::add<Herd>("herd", "many") && Registry<Animal>::add<Cat>("cat", "meows");
enum class Colour { red, green };
struct File {
  std::string path;
  bool partial = false;
  void fields(Fields& f) {
    f("path", path, "where it is");
    f("partial", partial, "a part will do");
  }
};
struct Settings {
  bool flag = false;
  std::int64_t count = 7;
  double share = 0.5;
  std::string text = "x";
  std::vector<int> list{1, 2};
  std::vector<double> numbers;
  std::vector<std::string> words;
  Colour colour = Colour::red;
  Shape2 shape;
  std::optional<Shape2> extra;
  std::vector<Shape2> shapes;
  Variant<Animal> pet;
  File file;
  void fields(Fields& f) {
    f("flag", flag, "a switch");
    f("count", count, "how many", {.low = 0});
    f("share", share, "a share", {.low = 0, .high = 1, .high_open = true});
    f("text", text, "some text");
    f("list", list, "integers", {.low = 0});
    f("numbers", numbers, "numbers");
    f("words", words, "words");
    f.one_of("colour", colour, {{"red", Colour::red}, {"green", Colour::green}}, "a colour");
    f.object("shape", shape, "a shape");
    f.optional_object("extra", extra, "another shape");
    f.object_or_string("file", file, "path", "a file");
    f.objects("shapes", shapes, "more shapes");
    f.variant("pet", pet, "an animal", true);
  }
};

Settings read(const std::string& text) {
  Settings s;
  read_config(JsonDocument::parse(text, "a.json"), s);
  return s;
}
std::string error(const std::string& text) {
  try {
    read(text);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::config);
    return e.what();
  }
  return "accepted";
}
void expect_parts(const std::string& message, std::initializer_list<const char*> parts) {
  for (const char* part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << "no '" << part << "' in:\n" << message;
}

TEST(Reader, ReadsEveryKindOfField) {
  const Settings s = read(
      R"({"flag": true, "count": 1e3, "share": 0, "text": "y", "list": [], "numbers": [1, 2.5], "words": ["a"],
    "colour": "green", "shape": {"width": 2}, "extra": {"height": 9}, "shapes": [{}, {"width": 1}], "pet": {"type": "dog", "weight": 3}})");
  EXPECT_TRUE(s.flag);
  EXPECT_EQ(s.count, 1000);
  EXPECT_EQ(s.share, 0);
  EXPECT_TRUE(s.list.empty());
  EXPECT_EQ(s.numbers[1], 2.5);
  EXPECT_EQ(s.colour, Colour::green);
  EXPECT_EQ(s.shape.width, 2);
  EXPECT_EQ(s.shape.height, 4) << "what is absent keeps its default";
  EXPECT_EQ(s.extra->height, 9);
  EXPECT_EQ(s.shapes[1].width, 1);
  EXPECT_EQ(static_cast<const Dog&>(*s.pet.settings).weight, 3);
}
TEST(Reader, VariantsByNameAloneAndNested) {
  EXPECT_EQ(read(R"({"pet": "dog"})").pet.type, "dog");
  const Settings s = read(
      R"({"pet": {"type": "herd", "members": ["dog", {"type": "herd", "members": [{"type": "cat", "name": "Tom"}]}]}})");
  const auto& herd = static_cast<const Herd&>(*s.pet.settings);
  const auto& inner = static_cast<const Herd&>(*herd.members[1].settings);
  EXPECT_EQ(static_cast<const Cat&>(*inner.members[0].settings).name, "Tom");
}
TEST(Reader, CommentsAndSchemaAreAllowed) {
  EXPECT_EQ(read("{\"$schema\": \"s\", // why\n \"comment\": \"x\", \"shape\": {\"comment\": \"y\"}}").count,
            7);
}
TEST(Reader, UnknownKeysComeWithASuggestion) {
  expect_parts(error(R"({"shape": {"widht": 2}})"), {"a.json: shape has no setting \"widht\"",
                                                     "did you mean \"width\"?", "known here: height, width"});
  expect_parts(error(R"({"pet": {"type": "dog", "wieght": 2}})"),
               {"pet has no setting \"wieght\"", "did you mean \"weight\"?"});
  const std::string far = error(R"({"zzzzzzzz": 1})");
  EXPECT_EQ(far.find("did you mean"), std::string::npos) << "nothing is close: " << far;
}
TEST(Reader, AStringAloneIsShortForAnObjectOfItsMainMember) {
  EXPECT_EQ(read(R"({"file": "a"})").file.path, "a");
  Settings s = read(R"({"file": {"path": "a", "partial": true}})");
  EXPECT_TRUE(s.file.partial);
  EXPECT_NE(resolved_json(s).find(R"("path": "a")"), std::string::npos);
  s.file.partial = false;
  EXPECT_NE(resolved_json(s).find(R"("file": "a")"), std::string::npos) << "and is written where it says all";
  JsonDocument document = JsonDocument::parse(R"({"file": "a"})", "a.json");
  document.apply_override("file.partial=true");
  Settings overridden;
  read_config(document, overridden);
  EXPECT_EQ(overridden.file.path, "a");
  EXPECT_TRUE(overridden.file.partial);
  expect_parts(error(R"({"file": 3})"), {"file is 3", "a string, or an object with \"path\""});
  expect_parts(error(R"({"file": {"paht": "a"}})"),
               {"file has no setting \"paht\"", "did you mean \"path\"?"});
}
TEST(Reader, WrongTypesNameValueAndRule) {
  expect_parts(error(R"({"count": "7"})"), {"a.json: count is \"7\" (string); it must be an integer"});
  expect_parts(error(R"({"count": 1.5})"), {"count is 1.5", "integer"});
  expect_parts(error(R"({"flag": 1})"), {"flag is 1", "true or false"});
  expect_parts(error(R"({"list": [1, "b"]})"), {"list is \"b\"", "integers"});
  expect_parts(error(R"({"shape": 3})"), {"shape is 3", "object"});
  expect_parts(error(R"({"pet": 3})"), {"pet is 3", "dog"});
  expect_parts(error(R"({"shapes": {}})"), {"shapes", "list"});
}
TEST(Reader, NumbersOutOfRange) {
  expect_parts(error(R"({"share": 1})"), {"share is 1; it must be at least 0 and less than 1"});
  expect_parts(error(R"({"pet": {"type": "dog", "weight": 0}})"), {"pet.weight is 0", "greater than 0"});
  expect_parts(error(R"({"count": 99999999999999999999})"), {"count"});
  expect_parts(error(R"({"shape": {"height": 3000000000}})"), {"shape.height"});
}
TEST(Reader, NamesFromAList) {
  expect_parts(error(R"({"colour": "grene"})"),
               {"colour is \"grene\"", "did you mean \"green\"?", "one of red, green"});
  expect_parts(error(R"({"pet": "dgo"})"), {"pet.type is \"dgo\"", "did you mean \"dog\"?", "barks"});
  expect_parts(error(R"({"pet": {"weight": 1}})"), {"pet needs a \"type\"", "dog"});
}
TEST(Reader, MissingAndContradictory) {
  expect_parts(error(R"({"pet": "cat"})"), {"pet needs the setting \"name\": what it listens to"});
  expect_parts(error(R"({"shape": {"width": 9}})"),
               {"shape is contradictory: width 9 is greater than height 4"});
}
TEST(Reader, ReportsAllProblemsAtOnce) {
  expect_parts(error(R"({"count": -1, "shape": {"width": 0}, "nonsense": 1})"),
               {"count is -1", "shape.width is 0", "nonsense"});
}
TEST(Reader, SyntaxErrorsShowThePlace) {
  expect_parts(error("{\n  \"count\": 1,\n  \"flag\" true\n}"),
               {"a.json: not valid JSON at line 3, column", "\"flag\" true"});
  expect_parts(error("[1]"), {"holds array"});
  expect_parts(error(""), {"empty file"});
}
TEST(Reader, AKeyGivenTwiceIsAnError) {
  expect_parts(error(R"({"count": 1, "count": 2})"), {"\"count\" is given twice"});
  EXPECT_EQ(error(R"({"shape": {"width": 1}, "extra": {"width": 1}})"), "accepted")
      << "the same key in two objects is fine";
}
TEST(Reader, ANumberTooLargeForADoubleIsAnErrorOfTheConfig) {
  expect_parts(error(R"({"share": 1e400})"), {"a.json: ", "1e400", "1.8e308"});
}
TEST(Reader, NestingThatWouldOverflowTheStackIsRefused) {
  const auto nested = [](const std::string& open, const std::string& close, int n) {
    std::string text;
    for (int i = 0; i < n; ++i) text += open;
    for (int i = 0; i < n; ++i) text += close;
    return text;
  };
  expect_parts(error("{\"count\": " + nested("[", "]", 300'000) + "}"), {"a.json: ", "200 deep"});
  const std::string herds = nested(R"({"type": "herd", "members": [)", "]}", 50'000);
  expect_parts(error("{\"pet\": " + herds + "}"), {"a.json: ", "200 deep"});
}
TEST(Reader, MissingFile) {
  try {
    JsonDocument::load("/nonexistent/x.json");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::config);
    expect_parts(e.what(), {"/nonexistent/x.json"});
  }
}

TEST(Override, SetsValuesByPath) {
  JsonDocument d =
      JsonDocument::parse(R"({"pet": "dog", "list": [1, 2], "shapes": [{"width": 1}]})", "a.json");
  for (const char* set : {"count=12", "shape.width=2", "list.1=9", "shapes.0.width=3", "text=plain words",
                          "extra={\"width\": 2}", "pet.weight=5", "flag=true"})
    d.apply_override(set);
  Settings s;
  read_config(d, s);
  EXPECT_EQ(s.count, 12);
  EXPECT_EQ(s.shape.width, 2);
  EXPECT_EQ(s.list[1], 9);
  EXPECT_EQ(s.shapes[0].width, 3);
  EXPECT_EQ(s.text, "plain words");
  EXPECT_EQ(s.extra->width, 2);
  EXPECT_EQ(static_cast<const Dog&>(*s.pet.settings).weight, 5) << "a variant given by name can be refined";
}
TEST(Override, MistakesAreUsageErrors) {
  for (const char* set : {"count", "=3", "list.7=1", "list.x=1", "count.a=1", "a..b=1", "count.=1",
                          "text=\xff", "\xff=1", "shape={\"width\": 1, \"width\": 2}"}) {
    JsonDocument d = JsonDocument::parse(R"({"list": [1], "count": 3})", "a.json");
    try {
      d.apply_override(set);
      ADD_FAILURE() << set;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::usage) << set;
    }
  }
  JsonDocument d = JsonDocument::parse("{}", "a.json");
  std::string path = "a";
  for (int i = 0; i < 50'000; ++i) path += ".a";
  for (const std::string& set : {"text=" + std::string(100'000, '['), path + "=1"}) {
    try {
      d.apply_override(set);
      ADD_FAILURE();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::usage);
      EXPECT_LT(std::string(e.what()).size(), 300U);
    }
  }
}

TEST(Writer, ResolvedConfigReadsBackToItself) {
  Settings s = read(
      R"({"share": 0.1, "extra": {"height": 9}, "shapes": [{}], "pet": {"type": "herd", "members": ["dog"]}, "colour": "green"})");
  const std::string once = resolved_json(s);
  Settings again = read(once);
  EXPECT_EQ(resolved_json(again), once);
  EXPECT_NE(once.find("\"weight\": 20"), std::string::npos) << "defaults are spelled out: " << once;
  EXPECT_NE(once.find("\"share\": 0.1"), std::string::npos) << "shortest form";
}

TEST(Suggest, CountsTyposAsPeopleMakeThem) {
  EXPECT_EQ(edit_distance("damp", "damp"), 0);
  EXPECT_EQ(edit_distance("dmap", "damp"), 1) << "a swap is one slip";
  EXPECT_EQ(edit_distance("Damp", "damp"), 0) << "case is ignored";
  EXPECT_EQ(edit_distance("dampening", "damp"), 5);
  EXPECT_EQ(did_you_mean("dampening", {"damp", "inverse"}), "; did you mean \"damp\"?")
      << "it contains the word";
  EXPECT_EQ(did_you_mean("qqqq", {"damp"}), "");
}

TEST(Reader, RandomDamageNeverCrashes) {
  const std::string good =
      R"({"flag": true, "count": 3, "list": [1, 2], "shape": {"width": 2}, "pet": {"type": "herd", "members": ["dog"]}})";
  Random random(1, Random::Use::test);
  const std::string alphabet = "{}[]\",:0123456789.eE-truefalsn \\\n";
  for (int i = 0; i < 5000; ++i) {
    std::string bad = good;
    for (std::uint64_t k = 0; k <= random.below(3); ++k) {
      const auto at = static_cast<std::size_t>(random.below(bad.size()));
      if (random.below(2))
        bad[at] = alphabet[random.below(alphabet.size())];
      else
        bad.erase(at, 1);
    }
    try {
      read(bad);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::config) << bad;
    }
  }
}

}  // namespace
}  // namespace espalier
