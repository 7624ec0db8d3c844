#include "framework/config/reader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "framework/config/document.h"
#include "framework/config/suggest.h"
#include "framework/io/json_text.h"

namespace espalier {

using Json = nlohmann::ordered_json;

namespace {

std::string join_path(const std::string& parent, std::string_view key) {
  return parent.empty() ? std::string(key) : fmt::format("{}.{}", parent, key);
}

std::string describe(const Limits& l) {
  const bool low = std::isfinite(l.low), high = std::isfinite(l.high);
  std::string text;
  if (low) text = fmt::format("{} {}", l.low_open ? "greater than" : "at least", l.low);
  if (high) text += fmt::format("{}{} {}", low ? " and " : "", l.high_open ? "less than" : "at most", l.high);
  return text;
}

bool within(double v, const Limits& l) {
  return std::isfinite(v) && (l.low_open ? v > l.low : v >= l.low) &&
         (l.high_open ? v < l.high : v <= l.high);
}

struct Problems {
  const JsonDocument& document;
  std::vector<std::string> found;
  /// `at`: whose file is named, where that is another path than the message begins with.
  void add(const std::string& path, const std::string& message, const std::string& at = {}) {
    const std::string& file = document.impl().origin_of(at.empty() ? path : at, document.name());
    const std::string text =
        path.empty() ? fmt::format("{}: {}", file, message) : fmt::format("{}: {} {}", file, path, message);
    if (std::find(found.begin(), found.end(), text) == found.end()) found.push_back(text);
  }
};

class Reader final : public Fields {
 public:
  Reader(const Json& object, std::string path, Problems& problems)
      : object_(object), path_(std::move(path)), problems_(problems) {}

  /// To be called when all fields have been declared: what is left over is unknown.
  void finish(const std::vector<std::string>& also_known = {}) {
    std::vector<std::string> known = declared_;
    known.insert(known.end(), also_known.begin(), also_known.end());
    for (const auto& [key, value] : object_.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      if (value.is_string() && ((key == "$schema" && path_.empty()) || key == "comment")) continue;
      std::vector<std::string> sorted = known;
      std::sort(sorted.begin(), sorted.end());
      problems_.add(path_,
                    fmt::format("has no setting \"{}\"{} (known here: {})", key, did_you_mean(key, known),
                                sorted.empty() ? "none" : fmt::format("{}", fmt::join(sorted, ", "))),
                    join_path(path_, key));
    }
  }
  void rule(bool holds, const std::string& message) override {
    if (!holds) problems_.add(path_, (path_.empty() ? "" : "is contradictory: ") + message);
  }

 protected:
  void on_bool(const Field& f, bool& v) override {
    if (const Json* j = value(f)) j->is_boolean() ? void(v = j->get<bool>()) : wrong(f, *j, "true or false");
  }
  void on_integer(const Field& f, std::int64_t& v, const Limits& l) override {
    const Json* j = value(f);
    if (!j) return;
    std::int64_t read = 0;
    if (!integer(*j, read)) return wrong(f, *j, "an integer");
    if (in_range(f, static_cast<double>(read), l, *j)) v = read;
  }
  void on_unsigned(const Field& f, std::uint64_t& v) override {
    const Json* j = value(f);
    if (!j) return;
    std::int64_t read = 0;
    if (j->is_number_unsigned()) return void(v = j->get<std::uint64_t>());
    if (!integer(*j, read) || read < 0) return wrong(f, *j, "an integer from 0 to 18446744073709551615");
    v = static_cast<std::uint64_t>(read);
  }
  void on_number(const Field& f, double& v, const Limits& l) override {
    const Json* j = value(f);
    if (!j) return;
    if (!j->is_number()) return wrong(f, *j, "a number");
    if (in_range(f, j->get<double>(), l, *j)) v = j->get<double>();
  }
  void on_automatic(const Field& f, std::optional<double>& v, const Limits& l, bool whole) override {
    const Json* j = value(f);
    if (!j) return;
    if (*j == "auto") return v.reset();
    std::int64_t read = 0;
    if (whole ? !integer(*j, read) : !j->is_number())
      return wrong(f, *j, whole ? "an integer or \"auto\"" : "a number or \"auto\"");
    if (in_range(f, j->get<double>(), l, *j)) v = j->get<double>();
  }
  void on_string(const Field& f, std::string& v, const std::vector<std::string>& allowed) override {
    const Json* j = value(f);
    if (!j) return;
    if (!j->is_string())
      return wrong(f, *j, allowed.empty() ? "a string" : fmt::format("one of {}", fmt::join(allowed, ", ")));
    const auto text = j->get<std::string>();
    if (text.find('\0') != std::string::npos)
      return problems_.add(at(f), fmt::format("is {}; it must not hold the character NUL", shown(*j)));
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), text) == allowed.end())
      return problems_.add(at(f), fmt::format("is \"{}\"{} (one of {})", text, did_you_mean(text, allowed),
                                              fmt::join(allowed, ", ")));
    v = text;
  }
  void on_path(const Field& f, std::string& v) override {
    const std::string before = v;
    on_string(f, v, {});
    if (v != before || object_.contains(f.key)) v = problems_.document.impl().located(at(f), v, problems_.document);
  }
  void on_integers(const Field& f, std::vector<int>& v, const Limits& l) override {
    list(f, v, "a list of integers", [&](const Json& j, int& element) {
      std::int64_t read = 0;
      if (!integer(j, read)) return wrong(f, j, "a list of integers");
      if (in_range(f, static_cast<double>(read), l, j)) element = static_cast<int>(read);
    });
  }
  void on_numbers(const Field& f, std::vector<double>& v, const Limits& l) override {
    list(f, v, "a list of numbers", [&](const Json& j, double& element) {
      if (!j.is_number()) return wrong(f, j, "a list of numbers");
      if (in_range(f, j.get<double>(), l, j)) element = j.get<double>();
    });
  }
  void on_sides(const Field& f, const std::vector<std::int64_t*>& v, const Limits& l) override {
    const Json* j = value(f);
    if (!j) return;
    const std::string expected = fmt::format("an integer or a list of {} integers", v.size());
    if (j->is_array() && j->size() != v.size()) return wrong(f, *j, expected);
    for (std::size_t i = 0; i < v.size(); ++i) {
      const Json& side = j->is_array() ? (*j)[i] : *j;
      std::int64_t read = 0;
      if (!integer(side, read)) return wrong(f, side, expected);
      if (!in_range(f, static_cast<double>(read), l, side)) return;
      *v[i] = read;
    }
  }
  void on_strings(const Field& f, std::vector<std::string>& v) override {
    list(f, v, "a list of strings", [&](const Json& j, std::string& element) {
      if (!j.is_string()) return wrong(f, j, "a list of strings");
      element = j.get<std::string>();
      if (element.find('\0') != std::string::npos)
        problems_.add(at(f), fmt::format("holds {}; it must not hold the character NUL", shown(j)));
    });
  }
  void on_json(const Field& f, std::string& v) override {
    if (const Json* j = value(f)) v = j->dump();
  }
  void on_object(const Field& f, const Body& body) override {
    static const Json empty = Json::object();
    const Json* j = value(f);
    nested(f, j ? *j : empty, body);
  }
  void on_object_or_string(const Field& f, const std::string& member, const Body& body,
                           const Body&) override {
    const Json* j = value(f);
    if (!j) return nested(f, Json::object(), body);
    Json object = *j;
    if (j->is_string()) object = Json{{member, *j}};
    // --set makes an object of a string as variants have it, {"type": string}.
    if (object.is_object() && object.contains("type") && !object.contains(member)) {
      object[member] = object["type"];
      object.erase("type");
    }
    if (!object.is_object()) return wrong(f, *j, fmt::format("a string, or an object with \"{}\"", member));
    nested(f, object, body);
  }
  void on_optional_object(const Field& f, bool& present, const Body& body) override {
    const Json* j = value(f);
    if (!j) return;
    present = !j->is_null();
    if (present) nested(f, *j, body);
  }
  void on_objects(const Field& f, std::size_t, const std::function<void(std::size_t)>& resize,
                  const std::function<void(std::size_t, Fields&)>& element) override {
    const Json* j = value(f);
    if (!j) return;
    if (!j->is_array()) return wrong(f, *j, "a list of objects");
    resize(j->size());
    for (std::size_t i = 0; i < j->size(); ++i)
      nested(
          {std::to_string(i), "", false}, (*j)[i], [&](Fields& fields) { element(i, fields); }, at(f));
  }
  void on_variant(const Field& f, VariantAccess& choice, bool nullable) override {
    const Json* j = value(f);
    if (!j || (nullable && j->is_null())) {
      // A default choice still declares its fields, so that its own required ones are noticed.
      if (!j && !choice.type().empty())
        nested(f, Json::object(), [&](Fields& fields) { choice.fields(fields); });
      return;
    }
    variant(at(f), *j, choice);
  }
  void on_variants(const Field& f, VariantAccess&, std::size_t,
                   const std::function<void(std::size_t)>& resize,
                   const std::function<std::unique_ptr<VariantAccess>(std::size_t)>& element) override {
    const Json* j = value(f);
    if (!j) return;
    if (!j->is_array()) return wrong(f, *j, "a list");
    resize(j->size());
    for (std::size_t i = 0; i < j->size(); ++i)
      variant(join_path(at(f), std::to_string(i)), (*j)[i], *element(i));
  }

 private:
  std::string at(const Field& f) const { return join_path(path_, f.key); }

  const Json* value(const Field& f) {
    declared_.push_back(f.key);
    const auto found = object_.find(f.key);
    if (found != object_.end()) return &*found;
    if (f.required) problems_.add(path_, fmt::format("needs the setting \"{}\": {}", f.key, f.help));
    return nullptr;
  }
  void wrong(const Field& f, const Json& j, const std::string& expected) {
    problems_.add(at(f), fmt::format("is {} ({}); it must be {}", shown(j), j.type_name(), expected));
  }
  bool in_range(const Field& f, double v, const Limits& l, const Json& j) {
    if (within(v, l)) return true;
    problems_.add(at(f), fmt::format("is {}; it must be {}", shown(j), describe(l)));
    return false;
  }
  static bool integer(const Json& j, std::int64_t& out) {
    if (j.is_number_unsigned() && j.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
      return false;
    if (j.is_number_integer()) return out = j.get<std::int64_t>(), true;
    if (!j.is_number()) return false;
    const double d = j.get<double>();  // 1e3 is an integer too
    if (d != std::floor(d) || std::abs(d) > 9e15) return false;
    return out = static_cast<std::int64_t>(d), true;
  }
  template <class T, class Convert>
  void list(const Field& f, std::vector<T>& v, const char* expected, Convert convert) {
    const Json* j = value(f);
    if (!j) return;
    if (!j->is_array()) return wrong(f, *j, expected);
    v.assign(j->size(), T());
    for (std::size_t i = 0; i < j->size(); ++i) convert((*j)[i], v[i]);
  }
  void nested(const Field& f, const Json& j, const Body& body, const std::string& parent = {}) {
    const std::string path = parent.empty() ? at(f) : join_path(parent, f.key);
    if (!j.is_object())
      return problems_.add(path,
                           fmt::format("is {} ({}); it must be an object {{...}}", shown(j), j.type_name()));
    Reader inner(j, path, problems_);
    body(inner);
    inner.finish();
  }
  void variant(const std::string& path, const Json& j, VariantAccess& choice) {
    static const Json empty = Json::object();
    const auto options = choice.names();
    std::vector<std::string> names;
    std::string menu;
    for (const auto& [name, help] : options) {
      names.push_back(name);
      menu += fmt::format("\n    {:<20} {}", name, help);
    }
    if (!j.is_string() && !j.is_object())
      return problems_.add(
          path, fmt::format("is {} ({}); it must be an object with \"{}\", or that name alone: {}", shown(j),
                            j.type_name(), choice.tag(), fmt::join(names, ", ")));
    const Json& object = j.is_object() ? j : empty;
    std::string type = choice.type();
    const std::string tag = choice.tag(), at_tag = path + "." + tag;
    if (j.is_string()) {
      type = j.get<std::string>();
    } else if (const auto given = j.find(tag); given != j.end()) {
      if (!given->is_string())
        return problems_.add(at_tag, fmt::format("is {}; it must be a string", shown(*given)));
      type = given->get<std::string>();
    }
    if (type.empty())
      return problems_.add(path,
                           fmt::format("needs {} \"{}\"; one of:{}", tag == "op" ? "an" : "a", tag, menu));
    if (std::find(names.begin(), names.end(), type) == names.end())
      return problems_.add(
          at_tag, fmt::format("is \"{}\"{} It must be one of:{}", type, did_you_mean(type, names), menu));
    if (type != choice.type()) choice.choose(type);
    Reader inner(object, path, problems_);
    choice.fields(inner);
    inner.finish({tag});
  }

  const Json& object_;
  std::string path_;
  Problems& problems_;
  std::vector<std::string> declared_;
};

}  // namespace

void read_fields(const JsonDocument& document, const std::function<void(Fields&)>& fn, ExitCode code) {
  Problems problems{document, {}};
  Reader reader(document.impl().json(), "", problems);
  fn(reader);
  reader.finish();
  if (problems.found.empty()) return;
  constexpr std::size_t most = 10;
  if (problems.found.size() > most) {
    const std::size_t more = problems.found.size() - most;
    problems.found.resize(most);
    problems.found.push_back(fmt::format("... and {} more", more));
  }
  throw Error(code, fmt::format("{}", fmt::join(problems.found, "\n")));
}

}  // namespace espalier
