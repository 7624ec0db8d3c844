// report_text.h: text that may stand in a page: escapes, base64, and the page's policy on scripts.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace espalier {

/// RFC 4648, with padding.
std::string base64(std::span<const std::uint8_t> bytes);
/// JSON that may stand between <script> tags: "<", ">", "&" and the line separators U+2028 and U+2029 become
/// \u escapes. In JSON they occur only inside strings, so the value is unchanged.
std::string escape_json_for_html(std::string_view json);
/// Text that may stand in HTML, also in attributes.
std::string escape_html(std::string_view text);
/// The source of a Content-Security-Policy that allows exactly this script: 'sha256-...'.
std::string script_source(std::string_view script);
/// `page` with every {{name}} replaced by its part; what was put in is not searched again. Throws
/// Error(internal) if a name has no part.
std::string fill_template(std::string_view page, const std::map<std::string, std::string>& parts);

}  // namespace espalier
