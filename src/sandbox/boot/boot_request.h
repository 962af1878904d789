// BootRequest: what the application kernel is told about the container that it is to be: JSON in a memory file.
//
// Written by container/, which has opened everything that is named; read by the Loader in the new process. The guest
// never sees it. Descriptors are numbers of the new process.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cella/config.h>
#include <cella/sandbox.h>

#include "json/schema.h"

namespace cella::sandbox::boot {

struct BootMount {
  std::string destination, type, source, data;
  uint64_t flags = 0;  // MS_*
  bool copy_up = false;
  int tree = -1;  // what is bound, with MS_BIND; sandbox/jail/jail.h
};
struct BootDevice {
  std::string path;
  uint32_t mode = 0;  // with its type
  int64_t major = 0, minor = 0;
  uint32_t uid = 0, gid = 0;
};
struct BootProcess {
  std::vector<std::string> args, env;
  std::string cwd = "/";
  uint32_t uid = 0, gid = 0, umask = 0022;
  std::vector<uint32_t> additional_gids;
  config::Capabilities capabilities;
  std::vector<config::Rlimit> rlimits;
  int oom_score_adj = 0;
  int nice = 0, io_priority = 0;  // what programs are told of them; ioprio_get(2)
  uint32_t personality = 0;       // personality(2)
  bool no_new_privileges = false;
  bool terminal = false;         // the standard streams are one terminal of the host's, which nobody else uses
  std::vector<int> extra_files;  // become 3, 4, …
};
// What guests are told that they have; 0: what the host has.
struct Limits {
  uint64_t memory = 0, tasks = 0;          // bytes, threads
  uint64_t cpu_quota = 0, cpu_period = 0;  // microseconds
};
struct BootRequest {
  std::string id;
  std::string hostname, domainname;
  int gofer = -1;               // a socket to it; -1: there is none, and the host's files are in the kernel's own jail
  int report = -1;              // plan/layout.h, "Reports"
  int control = -1;             // a listening unix socket
  int log = -1;                 // for debugging; -1: standard error
  bool wait_for_start = false;  // for application.Start; else it has been waited for already
  // MS_RDONLY, MS_UNBINDABLE, MS_REC: put on the root when all is mounted; MS_SLAVE: the host may mount below it later.
  uint64_t root_flags = 0;
  std::vector<BootMount> mounts;
  std::vector<BootDevice> devices;
  std::vector<std::string> masked_paths, read_only_paths;
  std::map<std::string, std::string> sysctls;     // paths in /proc/sys
  std::vector<config::IDMap> uid_maps, gid_maps;  // of the user namespace that programs are told of; empty: the first
  std::vector<uint64_t> seccomp;  // instructions of the programs' filter, struct sock_filter; empty: there is none
  uint64_t seccomp_flags = 0;     // SECCOMP_FILTER_FLAG_*
  BootProcess process;
  Limits limits;
  std::vector<std::string> options;  // as options_from() reads them
};

std::span<const json::Field<BootProcess>> fields_of(json::Type<BootProcess>);
std::span<const json::Field<Limits>> fields_of(json::Type<Limits>);

std::string to_json(const BootRequest& request);
// kConfigInvalid with findings.
Result<BootRequest> parse_boot_request(std::string_view json_text);

}  // namespace cella::sandbox::boot
