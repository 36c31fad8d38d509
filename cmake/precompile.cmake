# What nearly every file includes, compiled once, in the builds that are for testing. The release
# build goes without, and so shows whether each file of src/ includes what it needs.
option(DRAY_PRECOMPILE "Precompile the headers that nearly every file includes" OFF)

function(dray_precompile target)
  if(DRAY_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE
      <algorithm> <chrono> <condition_variable> <filesystem> <functional> <map> <memory> <mutex>
      <optional> <set> <stop_token> <string> <string_view> <thread> <utility> <vector>
      <fmt/format.h> <fmt/ranges.h> <nlohmann/json.hpp> ${ARGN})
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
      # Without this a precompiled header that ccache brings back counts as out of date.
      target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
    endif()
  endif()
endfunction()
