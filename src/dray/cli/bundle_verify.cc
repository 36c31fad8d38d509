#include <fmt/format.h>

#include <filesystem>

#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/cli/bundle_text.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/report.h"
#include "dray/release/bundle_open.h"

namespace dray::cli {

namespace {

void print(Output& out, const OpenBundle& bundle, const std::vector<std::string>& problems,
           bool quick, std::chrono::milliseconds time) {
  Json json = bundle_json(bundle.record, bundle.name);
  json["quick"] = quick;
  json["intact"] = problems.empty();
  json["problems"] = problems;
  json["changed"] = false;
  json["seconds"] = static_cast<double>(time.count()) / 1000;
  out.json(json);
  if (out.is_quiet()) {
    if (!problems.empty()) out.line(bundle.name);
    return;
  }
  const std::string looked =
      quick ? "names, sizes and records"
            : files_text(bundle.record.files_here(), bundle.record.bytes_here());
  out.line(fmt::format("{} {} ({})", printable(bundle.name),
                       problems.empty() ? out.good("is intact") : out.bad("is damaged"), looked));
  for (const std::string& problem : problems) out.line("  " + printable(problem));
  print_bundle(out, bundle.record);
}

int run(Context& context) {
  const std::filesystem::path path = expand_home(context.args().positional(0));
  const bool quick = context.args().flag("quick");
  OpenBundle bundle;
  std::vector<std::string> problems;
  std::chrono::milliseconds time{0};
  {
    ShownProgress shown(context, path.filename().string());
    shown.get().phase("checking the bundle");
    bundle = open_bundle(path, context.stop());
    if (!quick)
      problems = verify_bundle(bundle, context.transfer_options(), shown.get(), context.stop());
    time = shown.get().view().elapsed;
  }
  print(context.out(), bundle, problems, quick, time);
  if (problems.empty()) return 0;
  throw Error(Code::verification,
              fmt::format("{} in {}", count_of(problems.size(), "problem"), bundle.name))
      .from(Side::source)
      .hint("bring what is damaged over again");
}

}  // namespace

Command bundle_verify_command() {
  return {.name = "bundle verify",
          .group = "Carry over an air gap",
          .summary = "whether a bundle is complete and intact, before or after its journey",
          .details =
              "Needs no store and no network. Missing, cut, swapped and foreign volumes and files "
              "are named at once; then every byte is read, and damaged volumes are named.",
          .positionals = {{"BUNDLE", "a folder, an archive, or the index of volumes"}},
          .options = join({{{.name = "quick",
                             .value = "",
                             .help = "only whether all is there; reads no model bytes"}},
                           transfer_options()}),
          .examples = {{"dray bundle verify /media/dvd/models.tar", "every byte"},
                       {"dray bundle verify /media/disk/llama --quick", "is all there?"}},
          .run = run};
}

}  // namespace dray::cli
