// more_verbs.h: the verbs around a run: a config to begin with, a look at a run that goes on, and the program's own
// completion and manual.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

namespace espalier {

struct MoreVerbs;
/// Adds init, watch, completion and manual. What is returned must live as long as `app`.
std::shared_ptr<MoreVerbs> add_more_verbs(CLI::App& app, const std::string& footer);

}  // namespace espalier
