#include "tools/report/report_text.h"

#include <openssl/evp.h>

#include <algorithm>

#include "framework/core/check.h"
#include "framework/data/hash.h"

namespace espalier {

std::string base64(std::span<const std::uint8_t> bytes) {
  // EVP_EncodeBlock counts in int: so in parts, each but the last a multiple of 3 bytes, which joins without padding.
  constexpr std::size_t most = 3 << 20;
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // it ends what it writes with a zero
  std::size_t at = 0;
  for (std::size_t i = 0; i < bytes.size(); i += most) {
    const std::span<const std::uint8_t> part = bytes.subspan(i, std::min(most, bytes.size() - i));
    at += static_cast<std::size_t>(::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data() + at),
                                                     part.data(), static_cast<int>(part.size())));
  }
  text.resize(at);
  return text;
}

std::string escape_json_for_html(std::string_view json) {
  std::string text;
  text.reserve(json.size() + json.size() / 16);
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '<' || c == '>' || c == '&') {
      text += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else if (json.substr(i, 2) == "\xE2\x80" && i + 2 < json.size() &&
               (json[i + 2] == '\xA8' || json[i + 2] == '\xA9')) {
      text += json[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      text += c;
    }
  }
  return text;
}

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '<')
      escaped += "&lt;";
    else if (c == '>')
      escaped += "&gt;";
    else if (c == '&')
      escaped += "&amp;";
    else if (c == '"')
      escaped += "&quot;";
    else if (c == '\'')
      escaped += "&#39;";
    else
      escaped += c;
  }
  return escaped;
}

std::string script_source(std::string_view script) {
  const std::string hex = sha256(script);
  std::vector<std::uint8_t> digest;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    digest.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  return "'sha256-" + base64(digest) + "'";
}

std::string fill_template(std::string_view page, const std::map<std::string, std::string>& parts) {
  std::string filled;
  for (std::size_t at = 0;;) {
    const std::size_t open = page.find("{{", at);
    filled += page.substr(at, open - at);
    if (open == std::string_view::npos) return filled;
    const std::size_t close = page.find("}}", open);
    const std::string name(page.substr(open + 2, close - open - 2));
    const auto part = parts.find(name);
    require(part != parts.end(), "[report] page.html: nothing to put in place of {{{{{}}}}}", name);
    filled += part->second;
    at = close + 2;
  }
}

}  // namespace espalier
