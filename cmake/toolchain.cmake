# Warnings, sanitizers, linker and link-time optimization, as one interface target.
add_library(dray_flags INTERFACE)
target_compile_options(dray_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual
  -Wno-missing-field-initializers -Werror)

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(dray_flags INTERFACE -Wthread-safety -Wno-gnu-zero-variadic-macro-arguments)
elseif(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 reports false positives of these inside the standard library at -O2.
  target_compile_options(dray_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized -Wno-dangling-pointer)
endif()

if(DRAY_SANITIZE)
  add_compile_options(-fsanitize=${DRAY_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${DRAY_SANITIZE})
endif()
# What only our own code needs, since it makes compiling the tests much slower: UBSan, and, where
# outside bytes are parsed, the counters that guide the fuzzer.
function(dray_sanitize_code target)
  if(DRAY_SANITIZE_CODE)
    target_compile_options(${target} PRIVATE
      -fsanitize=${DRAY_SANITIZE_CODE} -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${DRAY_SANITIZE_CODE})
  endif()
  if(DRAY_FUZZ)
    get_target_property(sources ${target} SOURCES)
    list(FILTER sources INCLUDE REGEX
      "/(base|http|hub|model|registry|s3)/|/(byte_range|catalog|config|dir_upload|journal|version_log)\\.cc$")
    # What -fsanitize=fuzzer-no-link stands for; that itself would have to be for all files alike,
    # since they share a precompiled header.
    set_property(SOURCE ${sources} APPEND PROPERTY COMPILE_OPTIONS
      -fsanitize-coverage=inline-8bit-counters,pc-table,indirect-calls,trace-cmp)
  endif()
endfunction()

# These go over all of the large test data: unoptimized they would take most of the tests' time.
function(dray_optimize)
  if(DRAY_SANITIZE)
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -O1 SKIP_PRECOMPILE_HEADERS ON)
  endif()
endfunction()

find_program(DRAY_CCACHE ccache)
if(DRAY_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${DRAY_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${DRAY_CCACHE})
endif()
find_program(DRAY_MOLD mold)
if(DRAY_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  include(CheckIPOSupported)
  check_ipo_supported(RESULT DRAY_LTO OUTPUT DRAY_LTO_WHY LANGUAGES CXX)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${DRAY_LTO})
endif()
