// Tensors, from the headers of the safetensors files.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "dray/base/error.h"
#include "dray/model/file_kind.h"
#include "dray/release/diff_parts.h"
#include "dray/release/tensors.h"

namespace dray {

namespace {

using Forms = std::map<std::string, TensorForm>;

Forms forms_of(DiffReader& reader, std::map<std::string, DtypeTotal>& dtypes,
               const std::stop_token& stop) {
  Forms out;
  for (const ManifestFile& file : reader.manifest().files) {
    if (file_kind(file.path) != FileKind::safetensors) continue;
    for (auto& tensor : read_header(reader.source, file, stop).tensors) {
      std::uint64_t elements = 1;
      for (const std::uint64_t size : tensor.shape) elements *= size;
      DtypeTotal& total = dtypes[tensor.dtype];
      ++total.tensors;
      total.elements += elements;
      out[tensor.name] = {std::move(tensor.dtype), std::move(tensor.shape)};
    }
  }
  return out;
}

/// Digests of the safetensors files, sorted: equal lists hold equal tensors.
std::vector<std::string> weights_of(const Manifest& manifest) {
  std::vector<std::string> out;
  for (const ManifestFile& file : manifest.files)
    if (file_kind(file.path) == FileKind::safetensors) out.push_back(file.sha256);
  std::ranges::sort(out);
  return out;
}

}  // namespace

void diff_tensors(DiffReader& before, DiffReader& after, ReleaseDifference& out,
                  const std::stop_token& stop) {
  if (weights_of(before.manifest()) == weights_of(after.manifest())) return;
  try {
    const Forms old = forms_of(before, out.dtypes_before, stop);
    const Forms now = forms_of(after, out.dtypes_after, stop);
    for (const auto& [name, form] : old) {
      const auto other = now.find(name);
      if (other == now.end())
        out.tensors.push_back({name, form, std::nullopt});
      else if (other->second != form)
        out.tensors.push_back({name, form, other->second});
    }
    for (const auto& [name, form] : now)
      if (!old.contains(name)) out.tensors.push_back({name, std::nullopt, form});
    out.tensors_compared = true;
  } catch (const Error& error) {
    if (error.code() != Code::malformed) throw;
    out.notes.push_back(fmt::format("the tensors were not compared: {}", error.what()));
    out.dtypes_before.clear();
    out.dtypes_after.clear();
  }
}

}  // namespace dray
