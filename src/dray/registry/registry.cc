#include "dray/registry/registry.h"

#include <fmt/format.h>

#include <string_view>

#include "dray/base/bytes.h"
#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/registry/address.h"
#include "dray/registry/kubeflow.h"
#include "dray/registry/sqlite.h"

namespace dray {

namespace {

constexpr std::string_view kSqlite = "sqlite:";
constexpr std::string_view kHub = "hf://";

struct Format {
  std::string_view suffix, name, version;
};

// By the first that any file has: a repository that has both offers the others for older programs.
constexpr Format kFormats[] = {
    {".safetensors", "safetensors", "1"},
    {".gguf", "gguf", "3"},
    {".onnx", "onnx", "1"},
    {".bin", "pytorch", "1"},
    {".pt", "pytorch", "1"},
    {".pth", "pytorch", "1"},
};

const Format* format_of(const Manifest& manifest) {
  for (const Format& format : kFormats)
    for (const ManifestFile& file : manifest.files)
      if (file.path.ends_with(format.suffix)) return &format;
  return nullptr;
}

std::string framework_of(const Manifest& manifest, const Format* format) {
  // Hub libraries that are programs over PyTorch; serving cares for the framework below.
  const std::string& library = manifest.info.library;
  for (const std::string_view over_pytorch :
       {"transformers", "diffusers", "sentence-transformers", "peft", "timm"})
    if (library == over_pytorch) return "pytorch";
  if (!library.empty()) return library;
  if (format == nullptr) return "";
  return std::string(format->name == "safetensors" ? "pytorch" : format->name);
}

/// "s3" of "s3://…"; a plain path is a directory.
std::string scheme_of(std::string_view uri) {
  const auto colon = uri.find("://");
  return colon == std::string_view::npos ? "dir" : std::string(uri.substr(0, colon));
}

std::string describe(const Manifest& manifest) {
  std::string origin = manifest.origin.uri;
  if (!manifest.origin.commit.empty()) origin += " at " + manifest.origin.commit.substr(0, 12);
  return fmt::format("{}{}{} files, {}", origin, origin.empty() ? "" : ": ", manifest.files.size(),
                     human_size(manifest.total_bytes()));
}

void set_hub_source(Registration& out, const Origin& origin) {
  const std::string repository = origin.uri.substr(kHub.size());  // org/name
  out.properties["source"] = "huggingface";
  out.properties["huggingface_model"] = repository;
  out.source_kind = "huggingface";
  out.source_name = repository;
  out.source_id = origin.commit;
  if (const auto slash = repository.find('/'); slash != std::string::npos)
    out.source_group = out.author = repository.substr(0, slash);
}

}  // namespace

Registration registration_of(const Manifest& manifest, const std::string& serving_uri) {
  Registration out{.name = manifest.name,
                   .version = manifest.version,
                   .uri = serving_uri,
                   .created = manifest.created,
                   .description = describe(manifest),
                   .author = manifest.created_by};
  const Origin& origin = manifest.origin;
  if (origin.kind == "hf" && origin.uri.starts_with(kHub)) {
    set_hub_source(out, origin);
  } else if (!origin.kind.empty()) {
    out.properties["source"] = out.source_kind = origin.kind;
    out.source_name = origin.uri;
    out.source_id = origin.commit;
  }
  const Format* format = format_of(manifest);
  out.format_name = format == nullptr ? "" : format->name;
  out.format_version = format == nullptr ? "" : format->version;

  const std::string storage = scheme_of(serving_uri);
  const std::pair<const char*, std::string> stated[] = {
      {"commit", origin.commit},
      {"framework", framework_of(manifest, format)},
      {"license", manifest.info.license},
      {"storage_type", storage},
      {"s3_uri", storage == "s3" ? serving_uri : ""},
      {"root_digest", manifest.root_digest},
      {"compressed", manifest.transforms.empty() ? "false" : "true"},
      {"quantization", transforms_text(manifest)},
      {"size_bytes", std::to_string(manifest.total_bytes())},
      {"file_count", std::to_string(manifest.files.size())},
  };
  for (const auto& [name, value] : stated)
    if (!value.empty()) out.properties[name] = value;
  return out;
}

std::unique_ptr<Registry> open_registry(const std::string& address,
                                        const RegistryOptions& options) {
  if (address.starts_with(kSqlite)) {
    std::string_view path = std::string_view(address).substr(kSqlite.size());
    if (path.starts_with("//")) path.remove_prefix(2);  // as others write it: sqlite:///path
    if (path.empty())
      throw Error(Code::usage, "no file is named")
          .on("use registry", address)
          .from(Side::registry)
          .hint("for example sqlite:registry.db");
    return open_sqlite_registry(expand_home(path));
  }
  KubeflowOptions kubeflow;
  static_cast<RegistryOptions&>(kubeflow) = options;
  return open_kubeflow_registry(registry_url(address), std::move(kubeflow));
}

}  // namespace dray
