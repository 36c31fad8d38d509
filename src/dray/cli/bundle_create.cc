#include "dray/release/bundle_create.h"

#include <fmt/format.h>

#include <filesystem>

#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/cli/bundle_text.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/report.h"
#include "dray/release/bundle_archive.h"
#include "dray/release/bundle_open.h"

namespace dray::cli {

namespace {

namespace fs = std::filesystem;

/// Where to, and in which form.
struct Target {
  fs::path path;
  bool archive = false;
  std::uint64_t split = 0;  // 0 = one file
};

Target read_target(const Args& args) {
  const std::string text = args.text("output");
  if (text.empty())
    throw Error(Code::usage, "where to is not said")
        .hint("-o DIR for a folder, -o FILE.tar for an archive");
  Target target{expand_home(text)};
  target.split = args.number("split").value_or(0);
  target.archive = target.split > 0 || target.path.extension() == ".tar";
  std::error_code unknown;  // what cannot be looked at fails where it is written
  if (target.archive && fs::is_directory(target.path, unknown))
    throw Error(Code::usage, "an archive is asked for, and this is a folder")
        .on("write to", text)
        .hint(fmt::format("name the file: -o {}", (target.path / "models.tar").string()));
  constexpr std::uint64_t kLeastVolume = kMiB;
  if (target.split > 0 && target.split < kLeastVolume)
    throw Error(Code::usage, "--split: volumes are at least 1MiB");
  return target;
}

/// "disk-1" for disk-1 and disk-1/.dray/bundle.json, "disk-1.tar" for disk-1.tar and its index.
std::string name_of(const fs::path& path) {
  fs::path named = fs::absolute(path).lexically_normal();
  if (!named.has_filename()) named = named.parent_path();
  if (named.filename() == "bundle.json" && named.parent_path().filename() == ".dray")
    named = named.parent_path().parent_path();
  if (named.extension() == ".json") named.replace_extension();
  return named.filename().string();
}

std::vector<Since> read_since(const Context& context) {
  std::vector<Since> since;
  for (const std::string& text : context.args().list("since")) {
    const fs::path path = expand_home(text);
    since.push_back({read_bundle_record(path, context.stop()), name_of(path)});
  }
  return since;
}

void print_plan(Output& out, const BundlePlan& plan, const Target& target) {
  Json json = bundle_json(plan.record, target.path);
  json["changed"] = false;
  json["dry_run"] = true;
  const std::uint64_t size = plan_archive(plan).objects[0].spec.size;
  if (target.archive) {
    const std::uint64_t volume = target.split == 0 ? size : target.split;
    json["archive_bytes"] = size;
    json["volumes"] = (size + volume - 1) / volume;
  }
  out.json(json);
  out.line(fmt::format("would write {} to {}",
                       files_text(plan.record.files_here(), plan.record.bytes_here()),
                       printable(target.path.string())));
  if (target.archive && target.split > 0)
    out.line(fmt::format("  {} of {}", count_of(json["volumes"].get<std::uint64_t>(), "volume"),
                         human_size(target.split)));
  print_bundle(out, plan.record);
  out.note("Nothing was done; without --dry-run it is.");
}

void print_result(Context& context, const BundleResult& result, const Target& target,
                  std::chrono::milliseconds time) {
  Output& out = context.out();
  Json json = bundle_json(result.record, target.path);
  json["changed"] = result.changed;
  json["bytes_fetched"] = result.fetched;
  json["bytes_reused"] = result.reused;
  json["seconds"] = static_cast<double>(time.count()) / 1000;
  out.json(json);
  const std::string path = target.path.string();
  if (out.is_quiet()) {
    out.line(path);
    return;
  }
  out.line(fmt::format("{} {}", out.strong(printable(path)),
                       result.changed ? "is complete" : "was complete already"));
  print_bundle(out, result.record);
  const auto& volumes = result.record.volumes;
  std::string in_volumes;
  if (volumes && volumes->split) {
    const std::string file = target.path.filename().string();
    in_volumes = file + volumes->suffix(0);
    if (volumes->list.size() > 1) in_volumes += " … " + volumes->suffix(volumes->list.size() - 1);
    in_volumes += fmt::format(", and the index {}.json", file);
  }
  print_facts(out, {{"moved", result.fetched == 0 ? "nothing" : moved_text(result.fetched, time)},
                    {"volumes", in_volumes},
                    {"id", result.record.id}});
  out.next(fmt::format("dray bundle load {} --to STORE", shell_word(path)));
}

int run(Context& context) {
  const Args& args = context.args();
  const Target target = read_target(args);
  std::vector<Reference> references;
  for (const std::string& text : args.positionals()) references.push_back(parse_reference(text));
  const auto since = read_since(context);
  const auto store = context.open_store();
  const std::string place = context.place();
  const BundleRequest request{store.get(), place, context.transfer_options()};
  BundlePlan plan;
  BundleResult result;
  std::chrono::milliseconds time{0};
  {
    ShownProgress shown(context, target.path.filename().string());
    try {
      plan = plan_bundle(*store, references, since, context.stop());
      if (!args.flag("dry-run"))
        result = target.archive ? create_bundle_archive(request, plan, target.path, target.split,
                                                        shown.get(), context.stop())
                                : create_bundle_folder(request, plan, target.path, shown.get(),
                                                       context.stop());
    } catch (...) {
      throw with_way_on(current_error(), shown.get().view(), target.path.string(), context.again());
    }
    time = shown.get().view().elapsed;
  }
  if (args.flag("dry-run"))
    print_plan(context.out(), plan, target);
  else
    print_result(context, result, target, time);
  return 0;
}

}  // namespace

Command bundle_create_command() {
  return {
      .name = "bundle create",
      .group = "Carry over an air gap",
      .summary = "releases of a store as a folder, an archive or volumes to be carried over",
      .details =
          "With -o DIR the bundle is a `dir:` store of these releases; with -o FILE.tar one "
          "archive "
          "of the same tree, with --split cut into volumes FILE.000, FILE.001 … and an index "
          "FILE.json. All bytes are verified before anything has one of these names, and the "
          "record or index comes last: without it there is no bundle. After a stop or a failure "
          "the same command goes on. `--since` leaves out what an earlier bundle holds.",
      .positionals = {{"REF", "NAME, NAME:VERSION or NAME@ALIAS, one or more", true, true}},
      .options = join(
          {{{.name = "output",
             .value = "PATH",
             .help = "where to: a folder, or an archive if it ends in .tar or with --split",
             .letter = 'o'},
            {.name = "split",
             .value = "SIZE",
             .help = "cut the archive into volumes of this size: 4480MiB for a DVD, 4095MiB for "
                     "FAT32",
             .kind = Kind::size},
            {.name = "since",
             .value = "BUNDLE",
             .help = "leave out the files that this bundle holds, or those it builds on: the "
                     "bundle, or only its record or index",
             .many = true},
            {.name = "dry-run", .value = "", .help = "print what would be written"}},
           store_options("from"),
           {wait_option("bundle")},
           transfer_options()}),
      .examples = {{"dray bundle create llama:1.0.0 -o /media/disk/llama", "a folder"},
                   {"dray bundle create llama:1.0.0 bert@production --from s3://bucket -o "
                    "models.tar --split 4480MiB",
                    "two releases, on DVDs"},
                   {"dray bundle create llama:1.1.0 --from s3://bucket -o llama-2.tar --since "
                    "models.tar.json",
                    "only what changed; the earlier bundle's index is enough"}},
      .run = run};
}

}  // namespace dray::cli
