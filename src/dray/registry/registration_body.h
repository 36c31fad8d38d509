// What is written about a release in the terms of Kubeflow's REST API: the same in every registry.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/base/json.h"
#include "dray/registry/registry.h"

namespace dray {

inline constexpr std::string_view kModelArtifact = "model-artifact";

Json model_body(const Registration& registration);
Json version_body(const Registration& registration, const std::string& model_id);
/// Named like the model, where the official client looks for it.
Json artifact_body(const Registration& registration);
/// Of another place that holds the same bytes; named by that place.
Json further_artifact_body(const Registration& registration);

/// A value of customProperties.
Json string_property(const std::string& value);
/// "" where it is missing or null. Throws Code::malformed for another type than text.
std::string text_field(const Json& resource, std::string_view key);
/// Custom properties of every type as text; structures and protocol buffers are left out.
std::map<std::string, std::string> read_properties(const Json& resource);

/// Of a version's artifacts the one for this place, or nullptr; the main one is that named like the
/// model, else the first.
const Json* artifact_at(const std::vector<Json>& artifacts, std::string_view uri);
const Json* main_artifact(const std::vector<Json>& artifacts, std::string_view model_name);

RegisteredService registered_service(const Json& service);
RegisteredVersion registered_version(const std::string& model_name, const Json& version,
                                     const std::vector<Json>& artifacts);

/// customProperties of a model, or of its version VERSION, with what shows these aliases instead of
/// what showed others; nullopt where nothing changes.
std::optional<Json> model_with_aliases(const Json& model, const ModelAliases& aliases);
std::optional<Json> version_with_aliases(const Json& version, const ModelAliases& aliases);

}  // namespace dray
