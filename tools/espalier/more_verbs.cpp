#include "tools/espalier/more_verbs.h"

#include <filesystem>

#include "framework/io/atomic_file.h"
#include "tools/espalier/describe.h"
#include "tools/verbs/init.h"
#include "tools/verbs/watch.h"

namespace espalier {

struct MoreVerbs {
  InitOptions init;
  WatchOptions watch;
  std::string shell = "bash", pages;
};

namespace {

void add_init(CLI::App& app, InitOptions& o, const std::string& footer) {
  CLI::App* verb = app.add_subcommand("init", "write a commented config to begin with; on a terminal it asks");
  verb->footer(footer);
  verb->add_option("FILE", o.file, "the config to write")->capture_default_str();
  verb->add_option("--data", o.data, "fashion_mnist, synthetic, or the folder of MNIST, CIFAR or of pictures (train/CLASS/*.png)");
  verb->add_option("--network", o.network, "network and weights to begin with: an .onnx file, or a checkpoint of espalier");
  verb->add_option("--model", o.model, "the network (default: one that suits the data)");
  verb->add_option("--epochs", o.epochs, "of training (default: some that suit)")->check(CLI::Range(1, 1'000'000));
  verb->add_option("--sparsity", o.sparsity, "share of the weights to remove")->check(CLI::Range(0.0, 0.9999))->capture_default_str();
  verb->add_flag("--dense", o.dense, "no pruning");
  verb->add_flag("--overwrite", o.overwrite, "replace the file if it is there");
  verb->callback([&o] { init_command(o); });
}

void add_watch(CLI::App& app, WatchOptions& o, const std::string& footer) {
  CLI::App* verb = app.add_subcommand("watch", "follow a run that goes on: a chart in the terminal, or its page");
  verb->footer(footer);
  verb->add_option("RUN_DIR", o.run, "folder of the run")->required();
  verb->add_option("--page", o.page, "HTML file that is kept up to date instead, and loads itself anew in a browser");
  verb->add_option("--seconds", o.seconds, "between two looks")->check(CLI::Range(0.1, 3600.0))->capture_default_str();
  verb->add_flag("--once", o.once, "look once, and end");
  verb->callback([&o] { watch_command(o); });
}

void add_completion(CLI::App& app, MoreVerbs& o, const std::string& footer) {
  CLI::App* verb = app.add_subcommand("completion", "print the completion script of a shell");
  verb->footer(footer);
  verb->add_option("SHELL", o.shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  verb->callback([&app, &o] { fmt::print("{}", completion_script(app, o.shell)); });
}

void add_manual(CLI::App& app, MoreVerbs& o, const std::string& footer) {
  CLI::App* verb = app.add_subcommand("manual", "write the manual pages (man espalier)");
  verb->footer(footer);
  verb->add_option("FOLDER", o.pages, "folder of the pages, such as share/man/man1")->required();
  verb->callback([&app, &o] {
    std::error_code error;
    std::filesystem::create_directories(o.pages, error);
    for (const auto& [name, text] : manual_pages(app, ESPALIER_VERSION))
      write_file_atomically(std::filesystem::path(o.pages) / name, text);
  });
}

}  // namespace

std::shared_ptr<MoreVerbs> add_more_verbs(CLI::App& app, const std::string& footer) {
  auto options = std::make_shared<MoreVerbs>();
  add_init(app, options->init, footer);
  add_watch(app, options->watch, footer);
  add_completion(app, *options, footer);
  add_manual(app, *options, footer);
  return options;
}

}  // namespace espalier
