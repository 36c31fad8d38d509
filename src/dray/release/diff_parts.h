// The parts of a comparison: each fills its fields of the result.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "dray/release/diff.h"
#include "dray/store/stored_source.h"

namespace dray {

/// A release that is being compared, with its files to read.
struct DiffReader {
  const DiffSide& side;
  StoredSource source;
  explicit DiffReader(const DiffSide& of) : side(of), source(*of.store, of.manifest, of.place) {}
  const Manifest& manifest() const { return side.manifest; }
  /// The content, proved by its digest; nullopt if the release has no such file.
  std::optional<std::string> text(std::string_view path, std::uint64_t limit,
                                  const std::stop_token& stop);
};

/// Whether both have the file, and it differs.
bool differs(const Manifest& before, const Manifest& after, std::string_view path);

void diff_files(const Manifest& before, const Manifest& after, ReleaseDifference& out);
void diff_settings(DiffReader& before, DiffReader& after, ReleaseDifference& out,
                   const std::stop_token& stop);
void diff_templates(DiffReader& before, DiffReader& after, ReleaseDifference& out,
                    const std::stop_token& stop);
void diff_tensors(DiffReader& before, DiffReader& after, ReleaseDifference& out,
                  const std::stop_token& stop);
void diff_metrics(const DiffSide& before, const DiffSide& after, ReleaseDifference& out,
                  const std::stop_token& stop);

}  // namespace dray
