// Hashing an object's input in order, and proving each verification unit when its last byte came
// by.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dray/base/digest.h"
#include "dray/transfer/journal.h"
#include "dray/transfer/plan.h"
#include "dray/transfer/range_hasher.h"

namespace dray {

/// Used by one thread at a time. Holds references to the plan, which must outlive it.
class InputHasher {
 public:
  InputHasher(const TransferPlan& plan, const ObjectPlan& object);

  /// The unit's digest, where the plan did not know it: before the first byte.
  void expect(std::size_t unit, std::string sha256) { expected_[unit] = std::move(sha256); }
  /// Bytes of the input hashed so far.
  std::uint64_t offset() const { return offset_; }
  /// The next bytes of the input. Throws Code::verification, naming the file and both digests, at
  /// the end of a unit whose digest is not the stated one.
  void feed(Bytes bytes);
  /// The whole input was fed: SHA-256 of it.
  std::string sha256() const;
  /// Digests of the pieces, where the plan asks for them; none after restore().
  std::vector<RangeDigest> ranges() const;
  /// SHA-256 of each unit in order, where the input is not one unit alone. The whole input was fed.
  const std::vector<std::string>& unit_sha256() const { return unit_digests_; }
  /// State to go on from at offset(). There is none within a unit whose publisher states a git
  /// SHA-1 (those are small).
  std::optional<SavedHash> save() const;
  /// False, and nothing changed, if `saved` cannot be used: also where it lacks the digest of a
  /// unit before it.
  bool restore(const SavedHash& saved);

 private:
  struct Place;
  Place place_of(std::uint64_t offset) const;
  void begin_units();  // also passes over empty segments
  void begin_unit(std::size_t unit);
  void end_unit();

  const TransferPlan& plan_;
  const ObjectPlan& object_;
  std::uint64_t offset_ = 0;
  std::size_t segment_ = 0;  // the one that holds offset_
  std::uint64_t in_segment_ = 0;
  Sha256 whole_;                     // of the input
  bool separate_unit_;               // the unit's SHA-256 is not the whole's
  std::optional<std::size_t> unit_;  // begun and not yet complete
  std::optional<Sha256> unit_sha_;   // of it
  std::optional<GitBlobSha1> unit_git_;
  std::vector<std::string> unit_digests_;        // of those that are complete
  std::map<std::size_t, std::string> expected_;  // SHA-256 by unit
  std::optional<RangeHasher> pieces_;
};

}  // namespace dray
