// A Hub on loopback that serves the demonstration model.
#pragma once

#include <memory>
#include <string>

#include "dray/http/server.h"
#include "dray/serve/hub_endpoint.h"

namespace dray {

/// Runs from construction to destruction, on a free port of 127.0.0.1.
class DemoHub {
 public:
  DemoHub();
  /// What HF_ENDPOINT would be: "http://127.0.0.1:PORT".
  std::string url() const { return server_.url(); }
  /// The repository's id: "demo/tiny-llama".
  static std::string repo();

 private:
  HubEndpoint endpoint_;
  http::Server server_;  // stops before the endpoint goes
};

}  // namespace dray
