// Names in the layers of an image, as KServe and container runtimes take them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dray {

/// The folder of an image that KServe serves from.
inline constexpr std::string_view kModelRoot = "models";

/// What the name of a deletion begins with (OCI image specification, layer.md, "Whiteouts").
inline constexpr std::string_view kWhiteoutPrefix = ".wh.";

/// A path of an image without what file systems ignore: '/' at either end, empty and "." parts. ""
/// is the image's root. A ".." part is Code::malformed: where it leads depends on who reads it.
std::string image_path(std::string_view path);

/// The path below `root` of what an archive calls "models/x", "./models/x" or "/models/x"; "" for
/// the root itself, nullopt for what lies elsewhere. What is not safe to use as a relative path
/// (base/path.h) is Code::malformed. An empty root is the image's. Look for whiteouts first.
std::optional<std::string> model_path(std::string_view path, std::string_view root = kModelRoot);

/// A mark in a layer that something of the layers below is gone.
struct Whiteout {
  enum class Kind {
    entry,     // ".wh.NAME": the entry NAME
    opaque,    // ".wh..wh..opq": all that is in the folder
    reserved,  // other ".wh..wh." names: notes of a file system (AUFS), neither mark nor file
  };
  Kind kind = Kind::entry;
  std::string path;  // what is hidden: the entry, or the folder ("" is the image's root)
  bool operator==(const Whiteout&) const = default;
};

/// The mark that an entry of this path is; nullopt if it is an entry of its own. Names that hide
/// nothing that can be ("", "." and "..") and ".." parts are Code::malformed.
std::optional<Whiteout> whiteout_of(std::string_view path);

}  // namespace dray
