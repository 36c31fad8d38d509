// What the API says about each kind of resource: its fields, its parent, how messages call it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "dray/registry/records.h"

namespace dray {

enum class FieldType : std::uint8_t {
  text,
  name,        // text of limited length, as it is in an index
  texts,       // an array of strings
  choice,      // one of `choices`
  id,          // of another resource: a string of digits
  millis,      // a time: a string of digits
  integer,     // 64 bits
  number,      // floating point
  properties,  // customProperties
};

enum class FieldUse : std::uint8_t {
  open,     // in every body
  fixed,    // not in a PATCH: never changed
  server,   // set by the server; in bodies that hold a whole resource it is not looked at
  address,  // `id` in bodies that hold a whole resource: which one is meant
};

struct Field {
  std::string_view name;
  FieldType type;
  FieldUse use = FieldUse::open;
  bool required = false;
  std::string_view choices = {};   // "LIVE ARCHIVED"
  std::string_view fallback = {};  // of a choice that is not stated when the resource is created
};

/// Kinds whose externalIds are unique together, as in the real server's three tables.
enum class Family : std::uint8_t { context = 1, artifact, execution };

struct KindInfo {
  Kind kind;
  std::string_view label;  // "model version"
  Family family;
  std::optional<Kind> parent;      // what it is created below; an artifact may be without
  std::string_view parent_field;   // "registeredModelId"; "" where the body does not name it
  std::string_view artifact_type;  // "" for what is no artifact
  bool names_itself;               // gets a name where none is given
  std::span<const Field> fields;   // its own, without those that all resources or artifacts have

  /// Also those that all have; nullptr for none.
  const Field* field(std::string_view name) const;
};

/// Not for Kind::any_artifact.
const KindInfo& kind_info(Kind kind);
/// "metric" → Kind::metric.
std::optional<Kind> kind_of_artifact_type(std::string_view type);
/// Also of any_artifact.
bool is_artifact(Kind kind);
/// What lists and searches of this kind take as its parent.
Kind parent_kind(Kind kind);
/// How messages call it; also of any_artifact.
std::string_view kind_label(Kind kind);

}  // namespace dray
