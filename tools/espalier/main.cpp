// main.cpp: the command line of espalier, and the one place where errors end.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <new>
#include <system_error>

#include "framework/config/suggest.h"
#include "framework/core/check.h"
#include "framework/core/parallel.h"
#include "framework/kernels/blas_memory.h"
#include "tools/benchmark/benchmark.h"
#include "tools/curvature/curvature.h"
#include "tools/espalier/more_verbs.h"
#include "tools/espalier/process.h"
#include "tools/espalier/version.h"
#include "tools/experiments/reproduce.h"
#include "tools/experiments/sweep.h"
#include "tools/explain/explain.h"
#include "tools/report/report.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/compress.h"
#include "tools/verbs/export.h"
#include "tools/verbs/predict.h"

namespace {

constexpr const char* exit_codes =
    "\nExit codes: 0 done, 2 usage, 3 config, 4 data, 5 checkpoint, 6 non-finite numbers, 7 memory, 8 "
    "writing failed, 9 a "
    "layer would lose all weights, 130 interrupted (continue with --resume), 1 a bug.\n";

void add_run_options(CLI::App* verb, espalier::CommandOptions& o) {
  verb->add_option("CONFIG", o.config, "JSON config (configs/README.md lists all settings)")->required();
  verb->add_option("--set", o.overrides, "override a setting: --set train.epochs=3 (may be repeated)")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  verb->add_option("--threads", o.threads, "threads to use; 0: all cores. Results do not depend on it")
      ->check(CLI::Range(0, 1024));
  verb->add_option(
      "--map", o.map,
      "file of lines \"theirs ours\" that rename the tensors of the checkpoint (framework/interchange)");
  verb->add_flag("--quiet", o.quiet, "no progress lines");
  verb->add_option("--log-format", o.log_format,
                   "text; json: each line on standard error is one JSON object, for programs")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

void add_output_options(CLI::App* verb, espalier::CommandOptions& o) {
  add_run_options(verb, o);
  verb->add_option("--output", o.output,
                   "folder of the run (default: the config's output, else runs/<name>)");
  verb->add_flag("--resume", o.resume, "continue where the run was stopped; does nothing if it is complete");
  verb->add_flag("--overwrite", o.overwrite,
                 "replace the run that is in the folder; files of others are never touched");
  verb->add_flag("--other-instruction-set", o.other_instruction_set,
                 "resume a run that another kind of processor has begun: it ends with other last digits");
  verb->add_flag("--no-report", o.no_report,
                 "do not write the run's page, report.html (espalier report does)");
  verb->add_flag("--dry-run", o.dry_run,
                 "print the resolved config and an estimate of memory and work, then stop");
}

void add_benchmark(CLI::App& app, espalier::BenchmarkOptions& o) {
  CLI::App* verb = app.add_subcommand("benchmark", "time this program on random inputs; tab-separated rows");
  const auto list = [&](const char* name, auto& values, const char* help) {
    verb->add_option(name, values, help)->delimiter(',')->capture_default_str();
    return verb->get_option(name);
  };
  list("--job", o.jobs, "what to time");
  list("--model", o.models, "networks; also mlpnet_cifar, or the path of an ONNX file");
  list("--threads", o.threads, "numbers of threads")->check(CLI::Range(1, 1024));
  list("--batches", o.batches, "examples per step")->check(CLI::Range(1, 65536));
  list("--gradients", o.gradients, "numbers of gradients of the fisher job")->check(CLI::Range(1, 100000));
  list("--block-sizes", o.block_sizes, "weights per block of the fisher job")->check(CLI::Range(1, 100000));
  verb->add_option(
      "--config", o.config,
      "fisher, sparse and pictures jobs: this run config's network (its checkpoint, its data) instead of --model's at fresh weights");
  verb->add_flag("--recompute", o.recompute, "train job: activations are computed again in the reverse pass");
  verb->add_option("--repetitions", o.repetitions, "repetitions per row")->check(CLI::Range(1, 1000));
  verb->add_option("--seconds", o.seconds, "least duration of a repetition")->check(CLI::Range(0.0, 60.0));
  verb->callback([&o] {
    espalier::kernels::claim_blas_buffers(*std::max_element(o.threads.begin(), o.threads.end()));
    espalier::benchmark_command(o);
  });
}

void add_report(CLI::App& app, espalier::ReportOptions& o) {
  CLI::App* verb = app.add_subcommand(
      "report", "one HTML page that shows run folders, and compares them; opens from disk");
  verb->footer(exit_codes);
  verb->add_option("RUN_DIR", o.runs,
                   "folder of a train, prune, sweep, curvature or reproduce run; several are compared")
      ->required();
  verb->add_option("-o,--output", o.output,
                   "the page (default: report.html in the run's folder; for several runs, in this one)");
  verb->add_option(
          "--published", o.published,
          "JSON file of published accuracies to show in grey, as in configs/published (may be repeated)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  verb->callback([&o] { espalier::report_command(o); });
}

void add_export(CLI::App& app, espalier::ExportCommandOptions& o) {
  CLI::App* verb = app.add_subcommand(
      "export", "a network as an ONNX model, or its weights as .npz or .safetensors, for other programs");
  verb->footer(exit_codes);
  verb->add_option("RUN", o.run, "folder of a run, or a config (then its run's checkpoint)")->required();
  verb->add_option("-o,--output", o.output, "the file; its end tells the format: .onnx, .npz or .safetensors")
      ->capture_default_str();
  verb->add_option("--checkpoint", o.checkpoint, "weights (default: those of the run)");
  verb->add_option("--map", o.map,
                   "file of lines \"theirs ours\": tensors go out under their names (.npz, .safetensors)");
  verb->add_flag("--thin", o.thin,
                 "without its dead channels, as compress takes them out; else dense, with zeros");
  verb->add_flag("--keep-bn", o.keep_batch_norm,
                 "batch norm as nodes of its own, not folded into convolutions");
  verb->add_flag("--sparse", o.sparse, "weights of at least half zeros as sparse tensors");
  verb->add_flag(
          "--with-preprocessing{uint8}", o.preprocessing,
          "the input is pixels, which the first nodes normalise: uint8 [n, height, width, channels], or with "
          "--with-preprocessing=float float [n, channels, height, width] of 0 to 1")
      ->check(CLI::IsMember({"uint8", "float"}));
  verb->callback([&o] { espalier::export_command(o); });
}

void add_compress(CLI::App& app, espalier::CompressOptions& o) {
  CLI::App* verb = app.add_subcommand(
      "compress", "a pruned network as a small file that needs no config; measures what it costs");
  verb->footer(exit_codes);
  verb->add_option("RUN", o.input, "folder of a run, a checkpoint, or a config (then its run's checkpoint)")
      ->required();
  verb->add_option("-o,--output", o.output,
                   "the file (default: compact.safetensors.zst beside the checkpoint)");
  verb->add_option("--dtype", o.values, "values as float32 (lossless), float16 or int8 (a scale per channel)")
      ->capture_default_str();
  verb->add_flag("!--no-thin", o.thin, "leave dead channels in");
  verb->add_flag("!--no-zstd", o.zstd, "do not compress the file as a whole by zstd");
  verb->add_flag("!--no-accuracy", o.measure, "do not measure accuracy on the test images");
  verb->add_option("--config", o.config, "config of a checkpoint that does not hold its own");
  verb->add_option("--set", o.overrides, "override a setting of the config: --set data.source.path=FOLDER")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  verb->add_option("--threads", o.threads, "threads to use; 0: all cores")->check(CLI::Range(0, 1024));
  verb->callback([&o] { espalier::compress_command(o); });
}

void add_predict(CLI::App& app, espalier::PredictOptions& o) {
  CLI::App* verb =
      app.add_subcommand("predict", "classes of pictures, or what a network makes of given numbers");
  verb->footer(exit_codes);
  verb->add_option("RUN", o.network,
                   "folder of a run, a config (then its run's checkpoint), a checkpoint, or what espalier compress wrote; "
                   "with --input also an .onnx file")
      ->required();
  CLI::Option* pictures = verb->add_option("PICTURE", o.pictures,
                                           "JPEG, PNG, BMP, PGM or PPM files; of any size if the network was trained "
                                           "with data.resize or data.crop, else of the size of its images");
  verb->add_option("--top", o.top, "classes to show of each picture")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb->add_flag("--json", o.json, "print JSON");
  CLI::Option* input = verb->add_option("--input", o.input,
                                        ".npy file of float32 [n, channels, height, width], taken as it is");
  input->excludes(pictures);
  verb->add_option("--output", o.output, ".npy file of what the network makes of --input")
      ->needs(input)
      ->capture_default_str();
  verb->add_option("--onnx-output", o.onnx_output, "which of several outputs of an .onnx file")->needs(input);
  verb->add_option("--checkpoint", o.checkpoint, "weights (default: those of the run)");
  verb->add_option("--threads", o.threads, "threads to use; 0: all cores")->check(CLI::Range(0, 1024));
  verb->callback([&o] { espalier::predict_command(o); });
}

void add_reproduce(CLI::App* verb, espalier::CommandOptions& o) {
  verb->add_option("NAME", o.config, "experiment (--list shows all), or the folder of one");
  verb->add_flag("--list", o.list, "show all experiments");
  verb->add_flag("--quick", o.quick, "the smaller version: minutes");
  verb->add_option("--only", o.only, "only the runs with this in their name, and those that they start from")
      ->type_name("TEXT");
  verb->add_option("--data", o.data, "folder with mnist/, cifar-10-batches-bin/, ...")
      ->envname("ESPALIER_DATA")
      ->capture_default_str();
  verb->add_option("--checkpoints", o.checkpoints,
                   "folder of the published networks (default: DATA/checkpoints)");
  verb->add_option("--experiments", o.experiments,
                   "folder of the experiments (default: configs/reproduce here, else the program's own)");
  verb->add_option("--records", o.records,
                   "folder of the recorded results (default: tools/experiments/recorded, likewise)");
  verb->add_option("--output", o.output, "folder of the runs (default: runs/reproduce/NAME)");
  verb->add_option("--threads", o.threads, "threads to use; 0: all cores. Results do not depend on it")
      ->check(CLI::Range(0, 1024));
  verb->add_flag("--recorded", o.recorded, "show the recorded results; run nothing");
  verb->add_flag("--markdown", o.markdown, "the recorded results as Markdown tables");
  verb->add_flag("--record", o.record, "afterwards keep the results in RECORDS/NAME");
  verb->add_flag("--dry-run", o.dry_run, "list the runs that are not there yet");
  verb->add_flag("--quiet", o.quiet, "no progress lines");
}

}  // namespace

int main(int argc, char** argv) {
  using namespace espalier;
  settle_signals();
  settle_standard_streams();
  restart_without_blas_threads(argv);
  CLI::App app("Espalier trains and prunes neural networks with second-order information.");
  app.footer(exit_codes);
  app.set_version_flag("--version", version_text);
  app.require_subcommand(1);
  CommandOptions options;
  const auto verb = [&](const char* name, const char* help, void (*run)(const CommandOptions&)) {
    CLI::App* v = app.add_subcommand(name, help);
    v->footer(exit_codes);
    v->callback([&options, run] {
      if (options.log_format == "json") log_as_json();
      set_threads(options.threads);
      kernels::claim_blas_buffers(threads());
      run(options);
    });
    return v;
  };
  const std::shared_ptr<MoreVerbs> more = add_more_verbs(app, exit_codes);
  const auto several = [&](CLI::App* v) {
    add_output_options(v, options);
    v->add_option("--seeds", options.seeds,
                  "run once for each of these seeds, in DIR/seed-N, and show mean and standard deviation: --seeds 1,2,3")
        ->delimiter(',');
  };
  several(verb("train", "train the network of CONFIG, ignoring its \"prune\" section", train_command));
  several(verb("prune", "train and prune as CONFIG says", prune_command));
  CLI::App* evaluate = verb("evaluate", "accuracy on the test images: top-1, top-5, of every class, what is taken for what, calibration",
           evaluate_command);
  add_output_options(evaluate, options);
  evaluate->add_option("--checkpoint", options.checkpoint,
                       "safetensors file (default: that of the run's folder, else the config's)");
  evaluate->add_flag("--plan", options.plan,
                     "print which layers run faster without their pruned weights, with the times measured, and the plan");
  evaluate->add_flag("--json", options.json, "print one JSON object");
  CLI::App* info =
      verb("info", "the network: steps, shapes, parameters, multiply-adds, sparsity, memory", info_command);
  add_run_options(info, options);
  info->get_option("CONFIG")->description("JSON config, folder of a run, or checkpoint");
  info->add_option("--checkpoint", options.checkpoint,
                   "safetensors file (default: that of the run's folder, else the config's)");
  CLI::App* curvature =
      verb("curvature", "Hessian and Fisher matrices of a network's layers, compared", curvature_command);
  add_output_options(curvature, options);
  curvature->add_option("--checkpoint", options.checkpoint,
                        "safetensors file (default: that of the run's folder, else the config's)");
  add_output_options(
      verb("sweep",
           "one-shot pruning by every combination that CONFIG's \"sweep\" lists, from one gradient pass",
           sweep_command),
      options);
  add_reproduce(
      verb("reproduce", "run an experiment of configs/reproduce and show it beside published numbers",
           reproduce_command),
      options);
  CLI::App* explain =
      verb("explain",
           "work out a small problem step by step (CONFIG is then a PROBLEM.json), or with --weight "
           "show what every criterion says of one weight",
           explain_command);
  add_run_options(explain, options);
  explain->add_option("--weight", options.weight,
                      "a weight of CONFIG's network: layer[o,i,h,w] or layer[o,i]");
  explain->add_flag("--json", options.json, "print one JSON object");
  BenchmarkOptions benchmark;
  add_benchmark(app, benchmark);
  ReportOptions report;
  add_report(app, report);
  CompressOptions compress;
  add_compress(app, compress);
  ExportCommandOptions export_options;
  add_export(app, export_options);
  PredictOptions predict;
  add_predict(app, predict);
  std::string schema_of = "config";
  CLI::App* schema =
      app.add_subcommand("schema", "print a JSON Schema: of configs, or of what the program writes");
  schema->add_option("OF", schema_of, "config; metrics: a line of metrics.jsonl; explain: `explain --json`")
      ->check(CLI::IsMember({"config", "metrics", "explain"}))
      ->capture_default_str();
  schema->callback([&] { schema_command(schema_of); });
  app.add_subcommand("settings", "print all settings of configs as Markdown")->callback(settings_command);
  app.add_subcommand("columns", "print all columns of metrics as Markdown")->callback(columns_command);

  try {
    if (argc > 1 && argv[1][0] != '-') {
      std::vector<std::string> verbs;
      for (const CLI::App* v : app.get_subcommands([](const CLI::App*) { return true; }))
        verbs.push_back(v->get_name());
      if (std::find(verbs.begin(), verbs.end(), argv[1]) == verbs.end())
        fail(ExitCode::usage, "espalier has no verb \"{}\"{} (it has {})", argv[1],
             did_you_mean(argv[1], verbs), fmt::join(verbs, ", "));
    }
    app.parse(argc, argv);
    flush_output();
    return static_cast<int>(ExitCode::ok);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s: %s\n", e.code() == ExitCode::interrupted ? "interrupted" : "error", e.what());
    return static_cast<int>(e.code());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "error: out of memory; --dry-run shows what each part of a run takes\n");
    return static_cast<int>(ExitCode::memory);
  } catch (const std::system_error& e) {  // of the file system, of fmt while it prints, of a thread's start
    std::fprintf(stderr, "error: %s\n", e.what());
    return static_cast<int>(e.code() == std::errc::resource_unavailable_try_again ? ExitCode::memory
                                                                                  : ExitCode::io);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "internal error: %s\n", e.what());
    return static_cast<int>(ExitCode::internal);
  }
}
