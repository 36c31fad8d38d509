// The embedded registry without HTTP: how many reads and durable writes a second.
//
//   bench_registry FILE [MODELS] [THREADS] [SECONDS]
//
// Fills FILE, unless it is there, with MODELS (10000) models of 5 versions with an artifact each.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/registry/records.h"
#include "dray/registry/registry.h"

namespace dray::bench {

namespace {

constexpr int kVersions = 5, kBatch = 500;

std::string model_name(int model) { return "model-" + std::to_string(model); }

void fill(const std::string& path, int models) {
  const auto registry = open_registry("sqlite:" + path, {});
  std::vector<Registration> batch;
  for (int m = 0; m < models; ++m)
    for (int v = 0; v < kVersions; ++v) {
      Registration entry;
      entry.name = model_name(m);
      entry.version = "1." + std::to_string(v) + ".0";
      entry.uri = "s3://models/model-data/" + entry.name + "/" + entry.version + "/";
      entry.author = "team-" + std::to_string(m % 50);
      entry.properties = {{"framework", m % 3 == 0 ? "onnx" : "pytorch"},
                          {"team", "team-" + std::to_string(m % 100)},
                          {"root_digest", "sha256:" + std::to_string(m * kVersions + v)}};
      batch.push_back(entry);
      if (batch.size() < kBatch && (m + 1 < models || v + 1 < kVersions)) continue;
      registry->put_all(batch, {});
      batch.clear();
    }
}

/// Calls of all threads together in a second.
double rate(int threads, double seconds, const std::function<void(unsigned)>& call) {
  using Clock = std::chrono::steady_clock;
  std::atomic<bool> stop = false;
  std::atomic<long> calls = 0;
  const auto start = Clock::now();
  {
    std::vector<std::jthread> workers;
    for (int t = 0; t < threads; ++t)
      workers.emplace_back([&, t] {
        unsigned state = 12345U + static_cast<unsigned>(t);
        long mine = 0;
        for (; !stop; ++mine) call(state = state * 1664525U + 1013904223U);
        calls += mine;
      });
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    stop = true;
  }
  return static_cast<double>(calls) / std::chrono::duration<double>(Clock::now() - start).count();
}

void run(const std::string& path, int models, int threads, double seconds) {
  if (!std::filesystem::exists(path)) fill(path, models);
  Records records(path);
  const auto pick = [models](unsigned random) {
    return static_cast<int>((random >> 8U) % static_cast<unsigned>(models));
  };
  const auto id_of = [&](int model) {
    const Json found =
        Json::parse(records.find(Kind::registered_model, {.name = model_name(model)}));
    return found.at("id").get<std::string>();
  };
  std::vector<std::string> ids;
  for (int m = 0; m < models; ++m) ids.push_back(id_of(m));
  std::atomic<unsigned> made = static_cast<unsigned>(std::time(nullptr));

  const std::pair<const char*, std::function<void(unsigned)>> calls[] = {
      {"get", [&](unsigned r) { records.get(Kind::registered_model, ids[pick(r)]); }},
      {"by name",
       [&](unsigned r) { records.find(Kind::registered_model, {.name = model_name(pick(r))}); }},
      {"list of 100",
       [&](unsigned) { records.list(Kind::registered_model, "", {.page_size = "100"}); }},
      {"versions", [&](unsigned r) { records.list(Kind::model_version, ids[pick(r)], {}); }},
      {"filter, 100 of 33000",
       [&](unsigned) {
         records.list(Kind::model_version, "",
                      {.page_size = "100", .filter_query = "framework = 'pytorch'"});
       }},
      {"filter, 2 conditions",
       [&](unsigned r) {
         records.list(Kind::model_version, "",
                      {.page_size = "20",
                       .filter_query = "team = 'team-" + std::to_string(pick(r) % 100) +
                                       "' AND framework = 'onnx'"});
       }},
      {"create",
       [&](unsigned) {
         records.create(Kind::registered_model, "",
                        R"({"name":"made-)" + std::to_string(made++) +
                            R"(","owner":"me","customProperties":{"team":)"
                            R"({"metadataType":"MetadataStringValue","string_value":"x"}}})");
       }},
  };
  for (const auto& [name, call] : calls)
    std::printf("%-22s %10.0f/s\n", name, rate(threads, seconds, call));
}

}  // namespace

}  // namespace dray::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench_registry FILE [MODELS] [THREADS] [SECONDS]\n");
    return 2;
  }
  try {
    dray::bench::run(argv[1], argc > 2 ? std::atoi(argv[2]) : 10000,
                     argc > 3 ? std::atoi(argv[3]) : 8, argc > 4 ? std::atof(argv[4]) : 3);
  } catch (const dray::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
