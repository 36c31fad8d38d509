#include "dray/registry/record_errors.h"

#include <fmt/format.h>

#include "dray/registry/number_text.h"
#include "dray/registry/record_kind.h"

namespace dray {

namespace {

constexpr std::size_t kMostShown = 300;  // of what a client sent

/// The real server ends its messages so.
Error with_class(Code code, std::string_view message, std::string_view error_class) {
  return Error(code, fmt::format("{}: {}", message, error_class)).from(Side::registry);
}

std::string_view label_by_id(Kind kind) {
  if (kind == Kind::inference_service) return "InferenceService";
  return is_artifact(kind) ? "artifact" : kind_label(kind);
}

}  // namespace

Error bad_request(std::string_view message) {
  return with_class(Code::malformed, message, "bad request");
}

Error record_not_found(std::string_view message) {
  return with_class(Code::not_found, message, "not found");
}

Error no_such_record(Kind kind, std::string_view id) {
  const std::string_view label = kind == Kind::any_artifact ? "artifact" : label_by_id(kind);
  return record_not_found(fmt::format("no {} found for id {}", label, id));
}

Error record_exists(Kind kind, std::string_view name) {
  return with_class(Code::conflict,
                    fmt::format("{} with name {} already exists", kind_label(kind), name),
                    "conflict");
}

Error required_field(std::string_view field) {
  return Error(Code::precondition, fmt::format("required field '{}' is zero value.", field))
      .from(Side::registry);
}

std::int64_t record_id(Kind kind, std::string_view text) {
  const auto id = whole_number<std::int32_t>(text);
  if (!id || *id < 0)
    throw bad_request(fmt::format("invalid {} ID: \"{}\" is no id", kind_label(kind),
                                  text.substr(0, kMostShown)));
  return *id;
}

}  // namespace dray
