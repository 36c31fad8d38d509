#include "dray/release/tensors.h"

#include <algorithm>
#include <utility>

#include "dray/base/parallel.h"
#include "dray/model/file_kind.h"
#include "dray/store/stored_source.h"

namespace dray {

namespace {

/// What the manifest records of the weight whose codes these are.
void add_error(const ManifestFile& file, ReleaseTensor& tensor) {
  constexpr std::string_view kPacked = "_packed";
  std::string name = tensor.info.name;
  if (name.ends_with(kPacked)) name.resize(name.size() - kPacked.size());
  const auto found = std::ranges::lower_bound(file.weights, name, {}, &WeightError::name);
  if (found == file.weights.end() || found->name != name) return;
  tensor.relative_error = found->relative;
  tensor.cosine = found->cosine;
}

}  // namespace

SafetensorsHeader read_header(Source& source, const ManifestFile& file,
                              const std::stop_token& stop) {
  const FileEntry entry{file.path, file.size, {file.sha256, ""}};
  return parse_safetensors_header(read_safetensors_head(source, entry, stop), file.size, file.path);
}

std::vector<ReleaseTensor> tensors_of(Store& store, const Manifest& manifest,
                                      std::string_view place, const std::stop_token& stop) {
  std::vector<const ManifestFile*> files;
  for (const ManifestFile& file : manifest.files)
    if (file_kind(file.path) == FileKind::safetensors) files.push_back(&file);
  StoredSource source(store, manifest, place);
  std::vector<SafetensorsHeader> headers(files.size());
  parallel_for(files.size(), kHeadReaders, stop, [&](std::size_t i, const std::stop_token& over) {
    headers[i] = read_header(source, *files[i], over);
  });
  std::vector<ReleaseTensor> out;
  for (std::size_t i = 0; i < files.size(); ++i)
    for (TensorInfo& info : headers[i].tensors) {
      out.push_back({files[i]->path, std::move(info), std::nullopt, std::nullopt});
      add_error(*files[i], out.back());
    }
  return out;
}

}  // namespace dray
