// describe.h: the command line as other programs read it: shell completion and manual pages, made from the same
// declarations that parse it, so that they cannot fall behind.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

namespace espalier {

/// The completion script of "bash", "zsh" or "fish".
std::string completion_script(const CLI::App& app, const std::string& shell);

/// Manual pages in roff: {"espalier.1", text} of the program and {"espalier-VERB.1", text} of each verb.
std::vector<std::pair<std::string, std::string>> manual_pages(const CLI::App& app, const std::string& version);

}  // namespace espalier
