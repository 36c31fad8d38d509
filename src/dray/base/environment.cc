#include "dray/base/environment.h"

#include "dray/base/file.h"

namespace dray {

Environment process_environment() {
  return [](const char* name) { return env(name); };
}

}  // namespace dray
