#include <string>
#include <vector>

#include "dray/cli/app.h"

int main(int argc, char** argv) {
  return dray::cli::run_app(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
