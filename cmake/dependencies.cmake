# Every dependency is a C library or comes as headers (Highway: all but the choice of the instruction
# set, whose interface has no standard types), so that the code builds with libstdc++ and with
# libc++ from the same Debian packages, and statically later.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(fmt 9 REQUIRED)
pkg_check_modules(DRAY_C REQUIRED IMPORTED_TARGET
  libcurl>=7.88 libcrypto>=3.0 sqlite3>=3.40 libmicrohttpd>=0.9.75 expat>=2.5 yaml-0.1>=0.2 zlib>=1.2.13
  libzstd>=1.5)
find_library(DRAY_HWY hwy REQUIRED)

add_library(dray_fmt STATIC cmake/fmt.cc)
target_include_directories(dray_fmt SYSTEM PUBLIC $<TARGET_PROPERTY:fmt::fmt-header-only,INTERFACE_INCLUDE_DIRECTORIES>)

add_library(dray_dependencies INTERFACE)
target_link_libraries(dray_dependencies INTERFACE
  PkgConfig::DRAY_C nlohmann_json::nlohmann_json CLI11::CLI11 dray_fmt Threads::Threads
  ${DRAY_HWY})
