// The Hub's settings as its own clients take them from the environment.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace dray::hub {

/// $HF_ENDPOINT without trailing '/', else "https://huggingface.co".
std::string endpoint();
/// $HF_HOME, else $XDG_CACHE_HOME/huggingface, else ~/.cache/huggingface; "~" and "$NAME" are
/// expanded.
std::filesystem::path home();
/// $HF_HUB_CACHE (or the older $HUGGINGFACE_HUB_CACHE), else hub/ in `home()`.
std::filesystem::path cache();
/// $HF_HUB_OFFLINE or $TRANSFORMERS_OFFLINE: no request may be sent.
bool offline();

/// 1, ON, YES or TRUE in any case.
bool is_true(std::string_view value);
/// A path as the Hub's clients read it from a variable: "~", "$NAME" and "${NAME}" at any place are
/// replaced; unknown variables stay as written.
std::filesystem::path expand_path(std::string_view text);

}  // namespace dray::hub
