// The registry of Kubeflow and OpenShift AI, over its REST API.
#pragma once

#include <memory>

#include "dray/registry/kubeflow_api.h"
#include "dray/registry/registry.h"

namespace dray {

/// `url` is the service's, with or without "/api/model_registry[/VERSION]". Does no I/O.
std::unique_ptr<Registry> open_kubeflow_registry(http::Url url, KubeflowOptions options);

}  // namespace dray
