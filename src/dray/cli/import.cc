#include "dray/release/import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dray/base/json.h"
#include "dray/base/log.h"
#include "dray/cli/actor.h"
#include "dray/cli/commands.h"
#include "dray/cli/compression.h"
#include "dray/cli/context.h"
#include "dray/cli/import_plan.h"
#include "dray/cli/report.h"
#include "dray/model/reference.h"

namespace dray::cli {

namespace {

ImportRequest read_request(const Context& context, const std::string& scheme) {
  const Args& args = context.args();
  ImportRequest request;
  request.compress = read_compression(args, scheme);
  request.name = args.text("name");
  if (!request.name.empty()) check_name(request.name, "--name");
  request.version = args.text("version");
  if (const std::string tag = context.store_tag(); !tag.empty()) {
    if (!request.version.empty() && request.version != tag)
      throw Error(Code::usage,
                  fmt::format("--version {} and the tag {} are two versions", request.version, tag))
          .hint("leave one of them out");
    request.version = tag;
  }
  if (!request.version.empty()) check_name(request.version, "--version");
  request.alias = args.text("alias");
  if (!request.alias.empty()) check_name(request.alias, "--alias");
  request.note = note_of(args.text("reason"));
  request.selection.include = args.list("include");
  request.selection.exclude = args.list("exclude");
  request.selection.all_files = args.flag("all-files");
  request.allows = args.list("allow");
  request.place = context.place();
  check_place(request.place);
  request.transfer = context.transfer_options();
  return request;
}

Json result_json(const ImportResult& result, const ImportRequest& request,
                 const std::string& registry) {
  Json json = release_json(result.manifest, result.uri, result.changed);
  json["bytes_fetched"] = result.stats.fetched;
  json["bytes_stored"] = result.stats.stored;
  json["bytes_reused"] = result.stats.reused;
  json["retries"] = result.stats.retries;
  json["seconds"] = static_cast<double>(result.stats.elapsed.count()) / 1000;
  json["alias"] = request.alias.empty() ? Json() : Json(request.alias);
  json["registered"] = result.registered.has_value();
  if (result.registered) {
    json["registry"] = {{"address", registry},
                        {"model_id", result.registered->model_id},
                        {"version_id", result.registered->version_id},
                        {"artifact_id", result.registered->artifact_id},
                        {"changed", result.registered->changed}};
  }
  return json;
}

void print_result(Output& out, const ImportResult& result, const ImportRequest& request,
                  const std::string& registry) {
  const Manifest& manifest = result.manifest;
  const std::string reference = fmt::format("{}:{}", manifest.name, manifest.version);
  if (out.is_quiet()) {
    out.line(reference);
    return;
  }
  const ProgressView& stats = result.stats;
  out.line(fmt::format("{} {} {}", printable(origin_text(manifest.origin)),
                       result.changed ? "is now" : "was already there as", out.strong(reference)));
  std::string moved = stats.fetched == 0 ? "nothing" : moved_text(stats.fetched, stats.elapsed);
  if (stats.reused > 0) moved += fmt::format("; {} reused", human_size(stats.reused));
  print_facts(out, {{"where", result.uri},
                    {"files", fmt::format("{}, {}", count_of(manifest.files.size(), "file"),
                                          human_size(manifest.total_bytes()))},
                    {"moved", moved},
                    {"compressed", transforms_text(manifest)},
                    {"commit", manifest.origin.commit},
                    {"root digest", manifest.root_digest},
                    {"registered", result.registered ? registry : ""},
                    {"alias", request.alias}});
}

/// What is told before the first byte moves.
void announce(const ImportPlan& plan, const ImportRequest& request) {
  for (const auto& left_out : plan.choice.left_out) info("left out: {}", left_out_text(left_out));
  if (plan.existing) return;
  if (plan.compression) {
    const std::string kept = kept_text(*plan.compression);
    info("{}{}", compression_text(*plan.compression), kept.empty() ? "" : "; as they are: " + kept);
    for (const auto& advice : plan.compression->advice) warn("{}", advice);
  }
  info("{}", estimate_text(plan, request));
}

int run(Context& context, ImportRequest request, const std::string& release_store) {
  const auto source = context.open_source(context.args().positional(0), release_store);
  const auto store = context.open_store();
  const auto registry = context.open_registry();
  request.source = source.get();
  request.store = store.get();
  request.registry = registry.get();
  ImportPlan plan;
  ImportResult result;
  {
    ShownProgress shown(context, source->name());
    try {
      plan = plan_import(request, shown.get(), context.stop());
      if (!context.args().flag("dry-run")) {
        announce(plan, request);
        result = run_import(request, plan, shown.get(), context.stop());
      }
    } catch (...) {
      throw with_way_on(current_error(), shown.get().view(), store->properties().uri,
                        context.again());
    }
  }
  Output& out = context.out();
  if (context.args().flag("dry-run")) {
    print_plan(out, plan, request, context.args().times("verbose") > 0);
    return 0;
  }
  const std::string address = registry == nullptr ? "" : registry->name();
  const std::string reference = fmt::format("{}:{}", result.manifest.name, result.manifest.version);
  print_result(out, result, request, address);
  if (!result.registry_error) {
    out.next(request.alias.empty()
                 ? fmt::format("dray promote {} production{}", reference, context.store_flag())
                 : fmt::format("dray pull {}@{} ./{}{}", result.manifest.name, request.alias,
                               result.manifest.name, context.store_flag()));
  }
  out.json(result_json(result, request, address));
  if (result.registry_error)
    throw Error(Code::partial, "the release is complete, but it is not registered")
        .from(Side::registry)
        .because(*result.registry_error)
        .hint(fmt::format("when the registry is back: dray registry register {}{}", reference,
                          context.store_flag()));
  return 0;
}

int run_import_command(Context& context) {
  return run(context, read_request(context, context.args().text("compress")), "");
}

int run_quantize_command(Context& context) {
  // Of a release without --from, the store that is written to has it.
  return run(context, read_request(context, context.args().positional(1)), context.store_text());
}

Option compress_option() {
  return {.name = "compress",
          .value = "SCHEME",
          .help = fmt::format("quantize the weights on the way: {}",
                              fmt::join(quantize::scheme_names(), ", "))};
}

std::vector<Option> own_options() {
  return {
      {.name = "from",
       .value = "STORE",
       .help = "take SOURCE as a release of this store: NAME, NAME:VERSION or NAME@ALIAS"},
      {.name = "name",
       .value = "NAME",
       .help = "name of the model; by default the last part of SOURCE",
       .compat_env = "MODEL_NAME"},
      {.name = "version",
       .value = "VERSION",
       .help = "by default the version that has this content, else the next one, 1.0.0 first; a "
               "copy of a release keeps its version",
       .compat_env = "MODEL_VERSION"},
      {.name = "include",
       .value = "GLOB",
       .help = "take the files that match, instead of what a server needs",
       .many = true,
       .compat_env = "HUGGINGFACE_ALLOW_PATTERNS"},
      {.name = "exclude", .value = "GLOB", .help = "leave these files out", .many = true},
      {.name = "all-files",
       .value = "",
       .help = "take every file, second copies of the weights too"},
      {.name = "alias", .value = "ALIAS", .help = "let this alias point to the version afterwards"},
      {.name = "reason", .value = "TEXT", .help = "why, for the alias's history"},
      allow_option(),
      {.name = "dry-run", .value = "", .help = "print what would be done, and do nothing"},
      wait_option("release"),
  };
}

}  // namespace

Command import_command() {
  return {
      .name = "import",
      .group = "Move models",
      .summary = "bring a model into a store: verified, resumable, registered",
      .details =
          "Bytes go from the source to the store in one pass and are checked against the digests "
          "that "
          "the publisher states before a file becomes visible. The release exists when all of it "
          "is "
          "there, never half. After a stop or a failure the same command goes on where it was, "
          "also "
          "on another machine. What is already there is not sent again.",
      .positionals =
          {{"SOURCE",
            "hf://ORG/MODEL[@REVISION], ORG/MODEL or a Hub URL; ./FOLDER; hf-cache:ORG/MODEL; "
            "s3://BUCKET/PREFIX/; oci://HOST/REPOSITORY:TAG, oci:LAYOUT-FOLDER; with --from a "
            "release of a store"}},
      .options = join({store_options("to"),
                       own_options(),
                       image_options(),
                       {compress_option()},
                       compress_options("compress"),
                       registry_options(),
                       hub_options(),
                       transfer_options()}),
      .examples = {{"dray import hf://openai-community/gpt2", "into the default store"},
                   {"dray import hf://org/model@v1.1 --to s3://bucket/models --alias production",
                    "one revision, into S3, and make it the one in production"},
                   {"dray import hf://org/model --dry-run",
                    "files, sizes, memory, licence; moves nothing"},
                   {"dray import hf://org/model --compress FP8_DYNAMIC --to s3://bucket",
                    "its weights quantized on the way: no GPU, no copy on disk"},
                   {"dray import hf://org/model --to oci://quay.io/org/model:1.0.0",
                    "as an image that KServe serves, nothing on disk"},
                   {"dray import oci://quay.io/org/model:1.0.0 --to s3://bucket",
                    "what is in an image, back into a bucket"},
                   {"dray import ./model --name llama --version 2.0.0 --registry none", "a folder"},
                   {"dray import llama@production --from staging --to prod",
                    "a release of another store, checked against its manifest"}},
      .run = run_import_command};
}

Command quantize_command() {
  return {
      .name = "quantize",
      .group = "Move models",
      .summary = "compress a model on its way into a store: as import --compress",
      .details =
          "Weights are rounded to the nearest code while they stream from the source to the store, "
          "with the arithmetic of compressed-tensors: vLLM and transformers load the result. No "
          "calibration data, no GPU, nothing on disk. Embeddings, the output head, norms, routers "
          "and vision towers stay as they are. The result is a version of its own; `dray show "
          "--tensors` tells how far each weight is from what it was.",
      .positionals = {{"SOURCE",
                       "NAME:VERSION or NAME@ALIAS of a release (--from says where it lies), "
                       "hf://ORG/MODEL, ./FOLDER, s3://BUCKET/PREFIX/"},
                      {"SCHEME", fmt::format("{}", fmt::join(quantize::scheme_names(), ", "))}},
      .options = join({store_options("to"), compress_options(), own_options(), image_options(),
                       registry_options(), hub_options(), transfer_options()}),
      .examples = {{"dray quantize llama:1.0.0 FP8_DYNAMIC", "a release: it becomes the next one"},
                   {"dray quantize ./model W4A16 --to s3://bucket --dry-run",
                    "sizes, what stays as it is, and what vLLM has no kernels for"},
                   {"dray quantize hf://org/model W4A16 --group-size 64 --ignore '*.down_proj'",
                    "smaller groups, and some weights left alone"}},
      .run = run_quantize_command};
}

}  // namespace dray::cli
