#include "framework/config/schema.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

Json typed(const char* type) { return {{"type", type}}; }

Json bounded(const char* type, const Limits& l) {
  Json s = typed(type);
  const bool integer = std::string_view(type) == "integer";
  const auto bound = [&](double v) {
    return integer && std::abs(v) < 9.1e15 ? Json(static_cast<std::int64_t>(v)) : Json(v);
  };
  if (std::isfinite(l.low)) s[l.low_open ? "exclusiveMinimum" : "minimum"] = bound(l.low);
  if (std::isfinite(l.high)) s[l.high_open ? "exclusiveMaximum" : "maximum"] = bound(l.high);
  return s;
}

Json automatic_value(const std::optional<double>& v, bool integer) {
  return !v ? Json("auto") : integer ? Json(static_cast<std::int64_t>(*v)) : Json(*v);
}

/// Fills the schema of one object. Every registry of variants becomes one definition, named after its
/// identity, so that a layer may contain layers.
class SchemaWriter final : public Fields {
 public:
  SchemaWriter(Json& object, Json& definitions) : object_(object), definitions_(definitions) {
    object_["type"] = "object";
    object_["additionalProperties"] = false;
    object_["properties"]["comment"] = typed("string");
  }
  void rule(bool, const std::string&) override {}

 protected:
  void on_bool(const Field& f, bool& v) override { put(f, typed("boolean"), v); }
  void on_integer(const Field& f, std::int64_t& v, const Limits& l) override {
    put(f, bounded("integer", l), v);
  }
  void on_unsigned(const Field& f, std::uint64_t& v) override {
    put(f, {{"type", "integer"}, {"minimum", 0}, {"maximum", std::numeric_limits<std::uint64_t>::max()}}, v);
  }
  void on_number(const Field& f, double& v, const Limits& l) override { put(f, bounded("number", l), v); }
  void on_automatic(const Field& f, std::optional<double>& v, const Limits& l, bool integer) override {
    const Json schema{
        {"anyOf", Json::array({bounded(integer ? "integer" : "number", l), {{"const", "auto"}}})}};
    put(f, schema, automatic_value(v, integer));
  }
  void on_string(const Field& f, std::string& v, const std::vector<std::string>& allowed) override {
    put(f, allowed.empty() ? typed("string") : Json{{"enum", allowed}}, v);
  }
  void on_integers(const Field& f, std::vector<int>& v, const Limits& l) override {
    put(f, {{"type", "array"}, {"items", bounded("integer", l)}}, v);
  }
  void on_numbers(const Field& f, std::vector<double>& v, const Limits& l) override {
    put(f, {{"type", "array"}, {"items", bounded("number", l)}}, v);
  }
  void on_sides(const Field& f, const std::vector<std::int64_t*>& v, const Limits& l) override {
    const Json side = bounded("integer", l);
    const Json list{{"type", "array"}, {"items", side}, {"minItems", v.size()}, {"maxItems", v.size()}};
    put(f, {{"anyOf", Json::array({side, list})}}, *v[0]);
  }
  void on_strings(const Field& f, std::vector<std::string>& v) override {
    put(f, {{"type", "array"}, {"items", typed("string")}}, v);
  }
  void on_json(const Field& f, std::string& v) override { put(f, Json::object(), Json::parse(v)); }
  void on_object(const Field& f, const Body& body) override { put(f, nested(body)); }
  void on_object_or_string(const Field& f, const std::string&, const Body& body, const Body&) override {
    put(f, {{"oneOf", Json::array({typed("string"), nested(body)})}});
  }
  void on_optional_object(const Field& f, bool&, const Body& body) override {
    put(f, {{"oneOf", Json::array({nested(body), typed("null")})}});
  }
  void on_objects(const Field& f, std::size_t count, const std::function<void(std::size_t)>&,
                  const std::function<void(std::size_t, Fields&)>& element) override {
    put(f, {{"type", "array"},
            {"items", nested([&](Fields& inner) { element(count, inner); })}});  // a fresh element
  }
  void on_variant(const Field& f, VariantAccess& choice, bool nullable) override {
    Json s = reference(choice);
    if (nullable) s = {{"oneOf", Json::array({s, typed("null")})}};
    if (choice.type().empty())
      put(f, s);
    else
      put(f, {{"allOf", Json::array({s})}}, choice.type());
  }
  void on_variants(const Field& f, VariantAccess& sample, std::size_t,
                   const std::function<void(std::size_t)>&,
                   const std::function<std::unique_ptr<VariantAccess>(std::size_t)>&) override {
    put(f, {{"type", "array"}, {"items", reference(sample)}});
  }

 private:
  void put(const Field& f, Json schema) {
    if (!f.help.empty()) schema["description"] = f.help;
    object_["properties"][f.key] = std::move(schema);
    if (f.required) object_["required"].push_back(f.key);
  }
  template <class T>
  void put(const Field& f, Json schema, const T& initial) {
    if (!f.required) schema["default"] = initial;
    put(f, std::move(schema));
  }
  Json nested(const Body& body) {
    Json s;
    SchemaWriter inner(s, definitions_);
    body(inner);
    return s;
  }
  Json reference(VariantAccess& choice) {
    const std::string tag = choice.tag();
    std::string id;
    for (const auto& [name, help] : choice.names()) id += (id.empty() ? "" : "-or-") + name;
    if (tag != "type") id = tag + "-" + id;
    id = id.substr(0, 80);
    if (!definitions_.contains(id)) {
      definitions_[id] = Json::object();  // before the fields are described: they may refer to it
      Json options = Json::array(), names = Json::array();
      for (const auto& [name, help] : choice.names()) {
        Json s;
        SchemaWriter inner(s, definitions_);
        Json type{{"const", name}, {"description", help}};
        s["properties"][tag] = type;
        choice.fields_of(name, inner);
        const bool is_default = name == choice.type();
        if (!is_default) s["required"].push_back(tag);
        if (!s.contains("required") || s["required"] == Json::array({tag})) names.push_back(name);
        options.push_back(std::move(s));
      }
      options.push_back(
          {{"enum", std::move(names)}, {"description", "the name alone: all settings at their defaults"}});
      definitions_[id] = {{"anyOf", std::move(options)}};
    }
    return {{"$ref", "#/definitions/" + id}};
  }
  Json& object_;
  Json& definitions_;
};

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
    text.replace(at, 1, "\\|");
  return text;
}

class MarkdownWriter final : public Fields {
 public:
  MarkdownWriter(std::string& text, std::string path, std::vector<std::string>& open)
      : text_(text), path_(std::move(path)), open_(open) {}
  void rule(bool, const std::string&) override {}

 protected:
  void on_bool(const Field& f, bool& v) override { row(f, "true, false", Json(v).dump()); }
  void on_integer(const Field& f, std::int64_t& v, const Limits& l) override {
    row(f, "integer" + range(l), Json(v).dump());
  }
  void on_unsigned(const Field& f, std::uint64_t& v) override {
    row(f, "integer in [0, 18446744073709551615]", Json(v).dump());
  }
  void on_number(const Field& f, double& v, const Limits& l) override {
    row(f, "number" + range(l), Json(v).dump());
  }
  void on_automatic(const Field& f, std::optional<double>& v, const Limits& l, bool integer) override {
    row(f, (integer ? "integer" : "number") + range(l) + ", or auto", automatic_value(v, integer).dump());
  }
  void on_string(const Field& f, std::string& v, const std::vector<std::string>& allowed) override {
    std::string type = allowed.empty() ? "string" : "";
    for (const std::string& a : allowed) type += (type.empty() ? "" : ", ") + a;
    row(f, type, v.empty() ? "" : v);
  }
  void on_integers(const Field& f, std::vector<int>& v, const Limits& l) override {
    row(f, "integers" + range(l), Json(v).dump());
  }
  void on_numbers(const Field& f, std::vector<double>& v, const Limits& l) override {
    row(f, "numbers" + range(l), Json(v).dump());
  }
  void on_sides(const Field& f, const std::vector<std::int64_t*>& v, const Limits& l) override {
    row(f, fmt::format("integer{}, or a list of {}", range(l), v.size()), Json(*v[0]).dump());
  }
  void on_strings(const Field& f, std::vector<std::string>& v) override { row(f, "strings", Json(v).dump()); }
  void on_json(const Field& f, std::string& v) override { row(f, "JSON", v); }
  void on_object(const Field& f, const Body& body) override {
    row(f, "object", "");
    nested(join(f.key), body);
  }
  void on_object_or_string(const Field& f, const std::string& member, const Body& body,
                           const Body&) override {
    row(f, fmt::format("object, or {} alone", member), "");
    nested(join(f.key), body);
  }
  void on_optional_object(const Field& f, bool&, const Body& body) override {
    row(f, "object or null", "null");
    nested(join(f.key), body);
  }
  void on_objects(const Field& f, std::size_t count, const std::function<void(std::size_t)>&,
                  const std::function<void(std::size_t, Fields&)>& element) override {
    row(f, "list of objects", "[]");
    nested(join(f.key) + "[]", [&](Fields& inner) { element(count, inner); });
  }
  void on_variant(const Field& f, VariantAccess& choice, bool nullable) override {
    row(f, nullable ? "variant or null" : "variant", choice.type().empty() ? "" : choice.type());
    options(join(f.key), choice);
  }
  void on_variants(const Field& f, VariantAccess& sample, std::size_t,
                   const std::function<void(std::size_t)>&,
                   const std::function<std::unique_ptr<VariantAccess>(std::size_t)>&) override {
    row(f, "list of variants", "[]");
    options(join(f.key) + "[]", sample);
  }

 private:
  std::string join(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  static std::string range(const Limits& l) {
    if (!std::isfinite(l.low) && !std::isfinite(l.high)) return "";
    return fmt::format(" in {}{}, {}{}", l.low_open || !std::isfinite(l.low) ? "(" : "[",
                       std::isfinite(l.low) ? fmt::format("{}", l.low) : "-inf",
                       std::isfinite(l.high) ? fmt::format("{}", l.high) : "inf",
                       l.high_open || !std::isfinite(l.high) ? ")" : "]");
  }
  void row(const Field& f, const std::string& type, const std::string& initial) {
    text_ += fmt::format("| `{}` | {} | {} | {} |\n", join(f.key), cell(type),
                         f.required        ? "**required**"
                         : initial.empty() ? ""
                                           : "`" + cell(initial) + "`",
                         cell(f.help));
  }
  void nested(const std::string& path, const Body& body) {
    MarkdownWriter inner(text_, path, open_);
    body(inner);
  }
  void options(const std::string& path, VariantAccess& choice) {
    std::string id = choice.tag();
    for (const auto& [name, help] : choice.names()) id += "," + name;
    for (const std::string& seen : open_)
      if (seen == id) return;  // a layer within a layer: described once
    open_.push_back(id);
    for (const auto& [name, help] : choice.names()) {
      text_ += fmt::format("| `{}.{}` | `\"{}\"` | | *{}* |\n", path, choice.tag(), name, cell(help));
      MarkdownWriter inner(text_, path, open_);
      choice.fields_of(name, inner);
    }
  }
  std::string& text_;
  std::string path_;
  std::vector<std::string>& open_;
};

}  // namespace

std::string schema_of(const std::function<void(Fields&)>& fn, const std::string& title) {
  Json root{{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", title}},
      definitions = Json::object();
  SchemaWriter writer(root, definitions);
  fn(writer);
  root["properties"]["$schema"] = typed("string");
  root["properties"]["extends"] = typed("string");
  root["properties"]["extends"]["description"] =
      "config, relative to this file, that has what this one does not say; merged key by key";
  root["definitions"] = std::move(definitions);
  return root.dump(1);
}

std::string markdown_of(const std::function<void(Fields&)>& fn) {
  std::string text = "| setting | type | default | meaning |\n|---|---|---|---|\n";
  std::vector<std::string> open;
  MarkdownWriter writer(text, "", open);
  fn(writer);
  return text;
}

}  // namespace espalier
