#include "dray/serve/demo_hub.h"

#include <vector>

#include "dray/serve/demo_model.h"

namespace dray {

namespace {

std::vector<ServedRepo> repos() {
  return {{.id = DemoHub::repo(), .source = std::make_shared<DemoModel>()}};
}

}  // namespace

DemoHub::DemoHub()
    : endpoint_(repos()), server_({}, [this](const http::ServerRequest& request) {
        return endpoint_.handle(request);
      }) {}

std::string DemoHub::repo() { return "demo/tiny-llama"; }

}  // namespace dray
