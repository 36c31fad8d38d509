// A store in memory with several versions of one model.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/release/aliases.h"
#include "dray/release/history.h"
#include "dray/release/remove.h"
#include "dray/release/versions.h"
#include "tests/support/errors.h"
#include "tests/support/memory_store.h"

namespace dray::test {

using FileTexts = std::map<std::string, std::string>;

struct VersionsFixture : testing::Test {
  /// Files and manifest of a version, as an import leaves them.
  Manifest publish(const std::string& version, const FileTexts& files, MemoryStore& where) {
    Manifest manifest;
    manifest.name = "llama";
    manifest.version = version;
    manifest.origin = {
        .kind = "hf", .uri = "hf://org/llama", .revision = "main", .commit = std::string(40, 'a')};
    for (const auto& [path, text] : files) {
      where.plant(release_prefix("llama", version) + path, text);
      ManifestFile file{.path = path, .size = text.size()};
      file.sha256 = Sha256::hex_of(as_bytes(text));
      file.part_crc64 = {crc64nvme(0, as_bytes(text))};
      file.etag = where.stat(release_prefix("llama", version) + path, {})->etag;
      manifest.files.push_back(std::move(file));
    }
    manifest.created = 1'700'000'000 + 60 * (version.back() - '0');
    manifest.created_by = "dray/test";
    manifest.root_digest = root_digest_of(manifest.files);
    publish_manifest(where, manifest, {});
    return manifest;
  }
  Manifest publish(const std::string& version) {
    return publish(version, {{"config.json", "{}"}, {"model.safetensors", "weights " + version}},
                   store);
  }
  MovedAlias point(const std::string& version, const std::string& alias = "production") {
    return promote(store, {"llama", version, ""}, alias, note, false, {});
  }
  std::string pointed(const std::string& alias = "production") {
    const auto move = find_alias(store, "llama", alias, {});
    return move ? move->version : "";
  }
  RolledBack roll_back_to_before(BytesCheck check = BytesCheck::quick) {
    RollbackRequest request{.store = &store, .name = "llama", .alias = "production", .note = note};
    request.check = check;
    Progress progress;
    return roll_back(request, progress, {});
  }
  ChangeRequest change(const std::string& version) {
    return {.store = &store, .name = "llama", .version = version, .note = note};
  }
  ChangeResult remove(const std::string& version,
                      std::chrono::seconds grace = std::chrono::hours(1)) {
    return remove_release(change(version), grace, {});
  }
  bool exists(const std::string& version) {
    return find_manifest(store, "llama", version, {}).has_value();
  }

  MemoryStore store;
  MoveNote note{"ann@host", "login", "because"};
};

}  // namespace dray::test
