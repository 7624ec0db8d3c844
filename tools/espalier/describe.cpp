#include "tools/espalier/describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

namespace espalier {
namespace {

std::vector<const CLI::App*> verbs_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

struct Flag {
  std::vector<std::string> names;  ///< "--set", "-o"
  std::string help, value;         ///< value: what it takes, "" : nothing
  bool positional = false;
};

/// What stands on the command line of a verb, in the order of its declaration.
std::vector<Flag> flags_of(const CLI::App& verb) {
  std::vector<Flag> all;
  for (const CLI::Option* option : verb.get_options()) {
    Flag flag{.names = {}, .help = option->get_description(), .value = "", .positional = option->get_positional()};
    for (const std::string& name : option->get_lnames()) flag.names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) flag.names.push_back("-" + name);
    if (flag.positional) flag.names = {option->get_name(true)};
    if (option->get_items_expected_max() > 0) flag.value = option->get_type_name().empty() ? "VALUE" : option->get_type_name();
    all.push_back(std::move(flag));
  }
  return all;
}

/// Within '...' of a POSIX shell.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string names(const std::vector<const CLI::App*>& verbs, const char* between) {
  std::vector<std::string> all;
  for (const CLI::App* v : verbs) all.push_back(v->get_name());
  return fmt::format("{}", fmt::join(all, between));
}

std::string for_bash(const CLI::App& app) {
  std::string cases;
  for (const CLI::App* verb : verbs_of(app)) {
    std::vector<std::string> flags, with_value;
    for (const Flag& f : flags_of(*verb)) {
      if (f.positional) continue;
      flags.insert(flags.end(), f.names.begin(), f.names.end());
      if (!f.value.empty()) with_value.insert(with_value.end(), f.names.begin(), f.names.end());
    }
    cases += fmt::format("    {}) flags={}; values={} ;;\n", verb->get_name(), quoted(fmt::format("{}", fmt::join(flags, " "))),
                         quoted(fmt::format(" {} ", fmt::join(with_value, " "))));
  }
  return fmt::format(R"(# bash completion of espalier, made by `espalier completion bash` from the program's own declarations
_espalier() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} flags= values=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{} --help --version' -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{}  esac
  if [[ $word == -* && $values != *" $before "* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$word"))
  else
    compopt -o filenames 2> /dev/null
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}}
complete -F _espalier espalier
)",
                     names(verbs_of(app), " "), cases);
}

/// A text within [...] of zsh's _arguments.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string for_zsh(const CLI::App& app) {
  std::string verbs, cases;
  for (const CLI::App* verb : verbs_of(app)) {
    verbs += fmt::format("    {}\n", quoted(verb->get_name() + ":" + zsh_text(verb->get_description())));
    cases += fmt::format("    {}) _arguments", verb->get_name());
    for (const Flag& f : flags_of(*verb)) {
      if (f.positional) continue;
      for (const std::string& name : f.names)
        cases += " \\\n      " + quoted(fmt::format("*{}[{}]{}", name, zsh_text(f.help), f.value.empty() ? "" : ":" + zsh_text(f.value) + ":_files"));
    }
    cases += " \\\n      '*:file:_files' ;;\n";
  }
  return fmt::format(R"(#compdef espalier
# zsh completion of espalier, made by `espalier completion zsh` from the program's own declarations
_espalier() {{
  local -a verbs
  verbs=(
{}  )
  if (( CURRENT == 2 )); then
    _describe 'verb' verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
{}  esac
}}
_espalier "$@"
)",
                     verbs, cases);
}

std::string for_fish(const CLI::App& app) {
  std::string out = "# fish completion of espalier, made by `espalier completion fish` from the program's own declarations\n";
  for (const CLI::App* verb : verbs_of(app))
    out += fmt::format("complete -c espalier -f -n __fish_use_subcommand -a {} -d {}\n", verb->get_name(),
                       quoted(verb->get_description()));
  for (const CLI::App* verb : verbs_of(app))
    for (const Flag& f : flags_of(*verb)) {
      if (f.positional) continue;
      out += fmt::format("complete -c espalier -n '__fish_seen_subcommand_from {}'", verb->get_name());
      for (const std::string& name : f.names)
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      out += fmt::format("{} -d {}\n", f.value.empty() ? "" : " -r", quoted(f.help));
    }
  return out;
}

/// Text of a man page: a line that begins with . or ' would be a request, - a hyphen.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string page_head(const std::string& name, const std::string& version, const std::string& what) {
  return fmt::format(".TH {} 1 \"\" \"espalier {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n", upper(name), version,
                     roff(name), roff(what));
}

std::string verb_page(const CLI::App& verb, const std::string& version) {
  const std::string name = "espalier-" + verb.get_name();
  std::string page = page_head(name, version, verb.get_description());
  std::string synopsis = ".SH SYNOPSIS\n.B espalier " + roff(verb.get_name()) + "\n", options;
  for (const Flag& f : flags_of(verb)) {
    if (f.positional) synopsis += fmt::format(".I {}\n", roff(f.names.front()));
    options += fmt::format(".TP\n\\fB{}\\fR{}\n{}\n", roff(fmt::format("{}", fmt::join(f.names, ", "))),
                           f.value.empty() || f.positional ? "" : " \\fI" + roff(f.value) + "\\fR", roff(f.help));
  }
  page += synopsis + "[options]\n.SH DESCRIPTION\n" + roff(verb.get_description()) + "\n.SH OPTIONS\n" + options;
  if (!verb.get_footer().empty()) page += ".SH EXIT STATUS\n" + roff(verb.get_footer().substr(verb.get_footer().find_first_not_of("\n"))) + "\n";
  return page + ".SH SEE ALSO\n.BR espalier (1)\n";
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  return shell == "bash" ? for_bash(app) : shell == "zsh" ? for_zsh(app) : for_fish(app);
}

std::vector<std::pair<std::string, std::string>> manual_pages(const CLI::App& app, const std::string& version) {
  std::string page = page_head("espalier", version, "trains and prunes neural networks with second-order information");
  page += ".SH SYNOPSIS\n.B espalier\n.I VERB\n[arguments]\n.SH DESCRIPTION\n" + roff(app.get_description()) +
          "\nA run is described by one JSON file; \\fBespalier init\\fR writes one to begin with, \\fBespalier "
          "settings\\fR lists all settings.\n.SH VERBS\n";
  std::vector<std::pair<std::string, std::string>> pages;
  for (const CLI::App* verb : verbs_of(app)) {
    page += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(verb->get_name()), roff(verb->get_description()));
    pages.emplace_back("espalier-" + verb->get_name() + ".1", verb_page(*verb, version));
  }
  page += ".SH SEE ALSO\n";
  for (const CLI::App* verb : verbs_of(app)) page += ".BR espalier\\-" + roff(verb->get_name()) + " (1)\n";
  pages.emplace(pages.begin(), "espalier.1", page);
  return pages;
}

}  // namespace espalier
