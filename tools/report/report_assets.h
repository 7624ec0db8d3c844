// report_assets.h: the files of tools/report as the build embeds them (tools/report/assets.cmake).
#pragma once

namespace espalier {

extern const char* const report_page;     ///< page.html, with {{name}} where the others go
extern const char* const report_style;    ///< CSS
extern const char* const report_vega;     ///< Vega's modules, joined
extern const char* const report_script;   ///< everything of tools/report/*.js
extern const char* const report_licence;  ///< of Vega

}  // namespace espalier
