#include "plan/golden_cases.h"

namespace cella::plan {
namespace {

using config::NamespaceType;

void exec(Input& in) {
  in.options.init = false;
  in.process.args = {"ps", "aux"};
}

}  // namespace

std::vector<GoldenCase> exec_cases() {
  return {
      {"exec", [](Input& in) { exec(in); }},
      {"exec_default",
       [](Input& in) {
         in = default_input();
         exec(in);
       }},
      {"exec_v2",
       [](Input& in) {
         exec(in);
         in.facts.cgroup_v2 = true;
         in.facts.join_v1_tasks = false;
       }},
      {"exec_no_pid",
       [](Input& in) {
         exec(in);
         in.config.namespaces.remove(NamespaceType::kPid);
       }},
      {"exec_no_mount",
       [](Input& in) {
         exec(in);
         in.config.namespaces.remove(NamespaceType::kMount);
       }},
      {"exec_no_namespaces",
       [](Input& in) {
         exec(in);
         in.config.namespaces.list.clear();
       }},
      {"exec_groups_kept",
       [](Input& in) {
         exec(in);
         in.config.namespaces.add(NamespaceType::kUser);
         in.config.keep_original_groups = true;
       }},
      {"exec_user",
       [](Input& in) {
         exec(in);
         in.config.namespaces.add(NamespaceType::kUser);
         in.config.namespaces.add(NamespaceType::kTime);
         in.process.uid = in.process.gid = 3;
       }},
      {"exec_ordinary",
       [](Input& in) {
         exec(in);
         in.config.namespaces.add(NamespaceType::kUser);
         in.facts.privileged = false;
         in.facts.join_v1_tasks = false;
       }},
      {"exec_affinity",
       [](Input& in) {
         exec(in);
         in.process.exec_cpu_affinity = config::CPUAffinity{"0-3,7", "64,65"};
       }},
      {"exec_memory_policy",
       [](Input& in) {
         exec(in);
         in.facts.join_v1_tasks = false;
         in.config.memory_policy = config::MemoryPolicy{2, "64", 1 << 13};
       }},
      {"exec_terminal",
       [](Input& in) {
         exec(in);
         in.process.terminal = true;
         in.options.console_socket = true;
       }},
      {"exec_process",
       [](Input& in) {
         exec(in);
         in.facts.apparmor = true;
         in.facts.seccomp = seccomp_of(4);
         in.config.apparmor_profile = "of-the-config";
         in.config.rlimits = {{0, 1, 1}};
         in.process.no_new_privileges = false;
         in.process.apparmor_profile = "of-the-process";
         in.process.rlimits = std::vector<config::Rlimit>{};
         in.process.capabilities = config::Capabilities{3, 1, 1, 3, 1};
         in.process.cwd = "/tmp";
         in.process.umask = 027;
         in.options.extra_files = 2;
         in.config.parent_death_signal = 9;  // of the container's first process alone
       }},
  };
}

}  // namespace cella::plan
