// A client of a Hub in memory that has one model.
#pragma once

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "dray/base/file.h"
#include "dray/hub/client.h"
#include "tests/support/hub_world.h"

namespace dray::hub {

class HubClient : public test::HubWorld {
 protected:
  HubClient() {
    write_file_atomic(token_file(), std::string(test::FakeHub::kToken) + "\n");
    commit_ = hub_.put({.id = "org/model",
                        .files = {test::git_file("config.json", "{}"),
                                  test::lfs_file("a b/m\xc3\xa9.safetensors", large_),
                                  test::git_file("empty", "")},
                        .card = R"({"license":"mit","base_model":"org/base"})",
                        .library = "transformers"});
    pin_ = {"org/model", commit_};
  }

  std::string token_file() const { return (folder_.path() / "token").string(); }

  Client client(bool with_token = true) {
    ClientOptions options = this->options(3);
    options.token.anonymous = !with_token;
    if (with_token) options.token.file = token_file();
    return Client(options);
  }

  RepoFile listed(Client& client, const std::string& path) {
    const auto files = client.tree(pin_, {});
    for (const RepoFile& file : files.value())
      if (file.path == path) return file;
    throw std::runtime_error("not listed: " + path);
  }
  RepoFile large(Client& client) { return listed(client, "a b/m\xc3\xa9.safetensors"); }

  std::string read(Client& client, const RepoFile& file, std::uint64_t offset, std::size_t size) {
    Buffer out(size);
    client.read(pin_, file, offset, out, {});
    return std::string(as_text(out));
  }

  Error info_error(Client& client, const std::string& repo, const std::string& revision = "main") {
    return error_of([&] { client.info(repo, revision, false, {}); });
  }

  const std::string large_ = some_text(300'000, 1);
  std::string commit_;
  Pin pin_;
};

}  // namespace dray::hub
