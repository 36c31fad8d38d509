#include "dray/model/image_path.h"

#include <fmt/format.h>

#include "dray/base/error.h"
#include "dray/base/path.h"
#include "dray/model/plain_text.h"

namespace dray {

namespace {

constexpr std::string_view kReservedPrefix = ".wh..wh.", kOpaque = ".wh..wh..opq";

[[noreturn]] void refuse(std::string_view path, std::string_view why) {
  throw Error(Code::malformed, fmt::format("\"{}\" in an image: {}", shown_text(path), why));
}

}  // namespace

std::string image_path(std::string_view path) {
  std::string clean;
  for (std::string_view rest = path; !rest.empty();) {
    const auto end = rest.find('/');
    const auto part = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") refuse(path, "it has a \"..\" part");
    if (!clean.empty()) clean += '/';
    clean += part;
  }
  return clean;
}

std::optional<std::string> model_path(std::string_view path, std::string_view root) {
  std::string clean = image_path(path);
  const std::string top = image_path(root);
  if (!top.empty()) {
    if (clean == top) return "";
    if (clean.size() <= top.size() || clean[top.size()] != '/' || !clean.starts_with(top))
      return std::nullopt;
    clean.erase(0, top.size() + 1);
  }
  if (!clean.empty()) check_relative_path(clean, "a path in an image");
  return clean;
}

std::optional<Whiteout> whiteout_of(std::string_view path) {
  std::string clean = image_path(path);
  const auto slash = clean.rfind('/');
  const std::size_t start = slash == std::string::npos ? 0 : slash + 1;
  const auto name = std::string_view(clean).substr(start);
  if (!name.starts_with(kWhiteoutPrefix)) return std::nullopt;

  const std::string folder = clean.substr(0, start == 0 ? 0 : start - 1);
  if (name == kOpaque) return Whiteout{Whiteout::Kind::opaque, folder};
  if (name.starts_with(kReservedPrefix)) return Whiteout{Whiteout::Kind::reserved, folder};
  const auto hidden = name.substr(kWhiteoutPrefix.size());
  if (hidden.empty() || hidden == "." || hidden == "..") refuse(path, "it hides no entry");
  return Whiteout{Whiteout::Kind::entry, clean.erase(start, kWhiteoutPrefix.size())};
}

}  // namespace dray
