// The configs that plans are made of in tests: one for each thing that changes a plan. Private to plan/'s tests.
#pragma once

#include <string>
#include <vector>

#include "plan/build.h"

namespace cella::plan {

struct Input {
  config::Config config;
  config::ProcessConfig process;
  Facts facts;
  StartOptions options;

  Result<Built> build() const {
    return options.init ? build_create(config, process, facts, options) : build_exec(config, process, facts, options);
  }
};

struct GoldenCase {
  const char* name;  // of its file in testdata/
  void (*change)(Input&);
};

// A mount, a pid and the other usual namespaces, /proc, and a program.
Input small_input();
// What `cella spec` writes, without a terminal.
Input default_input();

std::vector<GoldenCase> create_cases();
std::vector<GoldenCase> mount_cases();
std::vector<GoldenCase> exec_cases();

inline std::vector<GoldenCase> all_cases() {
  std::vector<GoldenCase> cases = create_cases();
  for (const auto& more : {mount_cases(), exec_cases()}) cases.insert(cases.end(), more.begin(), more.end());
  return cases;
}
inline Input input_of(const GoldenCase& one) {
  Input input = small_input();
  one.change(input);
  return input;
}

// Parts that cases have in common.
config::Mount mount_of(std::string type, std::string source, std::string target, uint64_t flags = 0,
                       std::string data = {});
config::Mount bind_of(std::string source, std::string target, uint64_t flags = 0);
config::Mount idmapped(std::string source, std::string target, std::vector<config::IDMap> uids,
                       std::vector<config::IDMap> gids, uint64_t flags = 0);
SeccompBlob seccomp_of(size_t instructions);

}  // namespace cella::plan
