// What may be shown of an answer in an error: short, and safe for a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "dray/http/client.h"

namespace dray::http {

/// At most `limit` bytes of `text` on one line: runs of white space become one space; control
/// characters (C0, C1), marks that change the direction of text, and invalid UTF-8 are left out.
std::string clean_text(std::string_view text, std::size_t limit = 300);

/// Whether the body is a page for browsers, by Content-Type or by its first bytes.
bool is_html(const Response& response);

/// The server's own words: `error` or `message` of JSON (also OCI's `errors` and FastAPI's
/// `detail`), <Message> of XML, or plain text, cleaned; for HTML a sentence that says so; "" for an
/// empty body.
std::string body_excerpt(const Response& response);
/// The server's own code: <Code> of XML, `code` of JSON errors; "" where there is none.
std::string body_code(const Response& response);

}  // namespace dray::http
