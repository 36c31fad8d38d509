#include "dray/registry/record_kind.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace dray {

namespace {

using enum FieldType;
using enum FieldUse;

constexpr bool kRequired = true, kOptional = false;
constexpr std::string_view kLife = "LIVE ARCHIVED";
constexpr std::string_view kArtifactStates =
    "UNKNOWN PENDING LIVE MARKED_FOR_DELETION DELETED ABANDONED REFERENCE";

constexpr Field kAll[] = {
    {"customProperties", properties},
    {"description", text},
    {"externalId", name},
    {"id", id, address},
    {"createTimeSinceEpoch", millis, server},
    {"lastUpdateTimeSinceEpoch", millis, server},
};
constexpr Field kAllArtifacts[] = {
    {"name", name, fixed},
    {"artifactType", text},
    {"state", choice, open, kOptional, kArtifactStates},
    {"experimentId", id, server},
    {"experimentRunId", id, server},
};

constexpr Field kRegisteredModel[] = {
    {"name", name, fixed, kRequired},
    {"owner", text},
    {"state", choice, open, kOptional, kLife, "LIVE"},
    {"readme", text},
    {"maturity", text},
    {"language", texts},
    {"tasks", texts},
    {"provider", text},
    {"logo", text},
    {"license", text},
    {"licenseLink", text},
    {"libraryName", text},
};
constexpr Field kModelVersion[] = {
    {"name", name, fixed, kRequired},
    {"registeredModelId", id, fixed, kRequired},
    {"author", text},
    {"state", choice, open, kOptional, kLife, "LIVE"},
};
constexpr Field kServingEnvironment[] = {
    {"name", name, fixed, kRequired},
};
constexpr Field kInferenceService[] = {
    {"name", name, fixed},
    {"registeredModelId", id, fixed, kRequired},
    {"servingEnvironmentId", id, fixed, kRequired},
    {"modelVersionId", id},
    {"runtime", text},
    {"desiredState", choice, open, kOptional, "DEPLOYED UNDEPLOYED", "DEPLOYED"},
};
constexpr Field kServeModel[] = {
    {"name", name, fixed},
    {"modelVersionId", id, fixed, kRequired},
    {"lastKnownState", choice, open, kOptional,
     "UNKNOWN NEW RUNNING COMPLETE FAILED CACHED CANCELED", "UNKNOWN"},
};
constexpr Field kExperiment[] = {
    {"name", name, fixed, kRequired},
    {"owner", text},
    {"state", choice, open, kOptional, kLife, "LIVE"},
};
constexpr Field kExperimentRun[] = {
    {"name", name, fixed},
    {"experimentId", id, fixed, kRequired},
    {"startTimeSinceEpoch", millis, fixed},
    {"endTimeSinceEpoch", millis},
    {"status", choice, open, kOptional, "RUNNING SCHEDULED FINISHED FAILED KILLED", "RUNNING"},
    {"owner", text},
    {"state", choice, open, kOptional, kLife, "LIVE"},
};
constexpr Field kModelArtifact[] = {
    {"uri", text},
    {"modelFormatName", text},
    {"modelFormatVersion", text},
    {"storageKey", text},
    {"storagePath", text},
    {"serviceAccountName", text},
    {"modelSourceKind", text},
    {"modelSourceClass", text},
    {"modelSourceGroup", text},
    {"modelSourceId", text},
    {"modelSourceName", text},
};
constexpr Field kDocArtifact[] = {
    {"uri", text},
};
constexpr Field kDatasetArtifact[] = {
    {"uri", text},    {"digest", text}, {"sourceType", text},
    {"source", text}, {"schema", text}, {"profile", text},
};
constexpr Field kMetric[] = {
    {"value", number},
    {"timestamp", millis},
    {"step", integer},
};
constexpr Field kParameter[] = {
    {"value", text},
    {"parameterType", choice, open, kOptional, "string number boolean object"},
};

constexpr auto kNoParent = std::nullopt;
constexpr Family kContext = Family::context, kArtifact = Family::artifact;

// In the order of the enumeration.
constexpr KindInfo kKinds[] = {
    {Kind::registered_model, "registered model", kContext, kNoParent, "", "", false,
     kRegisteredModel},
    {Kind::model_version, "model version", kContext, Kind::registered_model, "registeredModelId",
     "", false, kModelVersion},
    {Kind::serving_environment, "serving environment", kContext, kNoParent, "", "", false,
     kServingEnvironment},
    {Kind::inference_service, "inference service", kContext, Kind::serving_environment,
     "servingEnvironmentId", "", true, kInferenceService},
    {Kind::serve_model, "serve model", Family::execution, Kind::inference_service, "", "", true,
     kServeModel},
    {Kind::experiment, "experiment", kContext, kNoParent, "", "", false, kExperiment},
    {Kind::experiment_run, "experiment run", kContext, Kind::experiment, "experimentId", "", true,
     kExperimentRun},
    {Kind::model_artifact, "model artifact", kArtifact, kNoParent, "", "model-artifact", true,
     kModelArtifact},
    {Kind::doc_artifact, "doc artifact", kArtifact, kNoParent, "", "doc-artifact", true,
     kDocArtifact},
    {Kind::dataset_artifact, "dataset artifact", kArtifact, kNoParent, "", "dataset-artifact", true,
     kDatasetArtifact},
    {Kind::metric, "metric artifact", kArtifact, kNoParent, "", "metric", true, kMetric},
    {Kind::parameter, "parameter artifact", kArtifact, kNoParent, "", "parameter", true,
     kParameter},
    {Kind::metric_history, "metric history", kArtifact, Kind::experiment_run, "", "metric", true,
     kMetric},
};

const Field* find(std::span<const Field> fields, std::string_view name) {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

}  // namespace

const Field* KindInfo::field(std::string_view name) const {
  if (const Field* own = find(fields, name)) return own;
  if (is_artifact(kind))
    if (const Field* common = find(kAllArtifacts, name)) return common;
  return find(kAll, name);
}

const KindInfo& kind_info(Kind kind) {
  const KindInfo& info = kKinds[static_cast<std::size_t>(kind) - 1];
  assert(info.kind == kind);
  return info;
}

std::optional<Kind> kind_of_artifact_type(std::string_view type) {
  for (const KindInfo& info : kKinds)
    if (!type.empty() && info.artifact_type == type) return info.kind;
  return std::nullopt;
}

bool is_artifact(Kind kind) {
  return kind == Kind::any_artifact || kind_info(kind).family == Family::artifact;
}

Kind parent_kind(Kind kind) {
  if (kind == Kind::metric_history) return Kind::experiment_run;
  if (is_artifact(kind)) return Kind::model_version;
  return kind_info(kind).parent.value_or(Kind::registered_model);
}

std::string_view kind_label(Kind kind) {
  return kind == Kind::any_artifact ? "artifact" : kind_info(kind).label;
}

}  // namespace dray
