// The answers of the Hub's API that need more than a line, as functions of a served snapshot.
#pragma once

#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "dray/base/json.h"
#include "dray/http/server.h"
#include "dray/serve/served_snapshot.h"

namespace dray {

http::ServerResponse hub_json_answer(const Json& json, int status = 200);
/// Clients tell errors by X-Error-Code ("RepoNotFound" …, "" for none); the status alone means
/// several things to them.
http::ServerResponse hub_refusal(int status, const std::string& code, const std::string& message);
/// 404 with the commit, so that clients remember the miss.
http::ServerResponse hub_no_entry(const ServedSnapshot& served);

/// Whether the query has `name` with a value that means yes.
bool hub_flag(const http::ServerRequest& request, std::string_view name);

/// One page of a listing, with a Link to the next one.
http::ServerResponse hub_tree(const http::ServerRequest& request, const ServedSnapshot& served,
                              const std::string& folder, std::size_t page_size);
/// Those of the paths in the request's body that exist.
http::ServerResponse hub_paths_info(const http::ServerRequest& request,
                                    const ServedSnapshot& served);
/// A file, a range of it, or what HEAD and conditional requests ask about it. The body is read from
/// `source` while it is sent, until `stop`.
http::ServerResponse hub_file(const http::ServerRequest& request,
                              const std::shared_ptr<const ServedSnapshot>& served,
                              const std::string& path, const std::shared_ptr<Source>& source,
                              const std::stop_token& stop);

/// The pointer of an LFS file, as git holds it.
http::ServerResponse hub_pointer(const ServedFile& file, const ServedSnapshot& served);

}  // namespace dray
