// Bodies of requests to the REST API: what may be in them.
#pragma once

#include <string>
#include <string_view>

#include "dray/base/json.h"
#include "dray/registry/record_kind.h"

namespace dray {

/// A body that was checked: `fields` holds known fields of the right types alone. Fields that were
/// null are left out, as the API takes them for not stated.
struct RecordBody {
  enum class Form {
    create,  // POST of a new resource
    whole,   // POST of a resource that may state its id: then that one is changed
    update,  // PATCH
  };
  Kind kind;
  Form form;
  std::string id;  // stated in Form::whole; "" if not
  Json fields;
};

/// Throws bad_request for what is no JSON object within the limits, for unknown fields and wrong
/// types; required_field for what is missing. Artifacts whose kind comes from their body
/// (`Kind::any_artifact`) may have unknown fields, as with the real server. In an update `kind` may
/// be any_artifact too, and stays so where the body does not name the type.
RecordBody read_body(Kind kind, RecordBody::Form form, std::string_view text);
/// The same of what is parsed already.
RecordBody check_body(Kind kind, RecordBody::Form form, Json body);

}  // namespace dray
