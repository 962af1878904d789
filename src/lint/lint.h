// lint: what a valid configuration asks for and this host, or this caller, has not.
//
// Found by looking: nothing is made, mounted or changed, no program runs, and no file is opened but directories, those
// of procfs and sysfs, and namespaces; the rest is looked at with stat(2). What is found is a guess about a later
// start: hooks, and whoever mounts the root filesystem, may still bring what is missing. Where that is likely a finding
// is a warning.
//
// A checker is a function for one area, a line in the table of lint.cc. It reports at the field of config.json that
// asks.
#pragma once

#include <functional>
#include <map>
#include <string>

#include <cella/config.h>
#include <cella/error.h>

#include "cgroup/layout.h"
#include "json/report.h"
#include "oci/spec.h"
#include "sys/fd.h"

namespace cella::lint {

struct Subject {
  const oci::Spec& spec;         // valid
  const config::Config& config;  // what specconv makes of it
  const cgroup::Layout& layout;
  bool privileged;                                     // root in the initial user namespace
  SysResult<sys::FileDescriptor> root;                 // the root filesystem, O_PATH
  std::map<std::string, size_t, std::less<>> mounted;  // clean destination → the first mount there
};

// Runs every checker. Errors go to `report`.findings: a start would fail; warnings are for what probably is not meant.
void check(const oci::Spec& spec, const config::Config& config, const cgroup::Layout& layout, bool privileged,
           json::Report& report);

// The checkers, each in the file of its name but for the last six, which are in security.cc and hardware.cc.
void check_kernel(const Subject& subject, json::Report& report);
void check_root(const Subject& subject, json::Report& report);
void check_program(const Subject& subject, json::Report& report);
void check_process(const Subject& subject, json::Report& report);
void check_hooks(const Subject& subject, json::Report& report);
void check_mounts(const Subject& subject, json::Report& report);
void check_namespaces(const Subject& subject, json::Report& report);
void check_id_maps(const Subject& subject, json::Report& report);
void check_cgroups(const Subject& subject, json::Report& report);
void check_devices(const Subject& subject, json::Report& report);
void check_labels(const Subject& subject, json::Report& report);
void check_seccomp(const Subject& subject, json::Report& report);
void check_sysctls(const Subject& subject, json::Report& report);
void check_rdt(const Subject& subject, json::Report& report);
void check_net_devices(const Subject& subject, json::Report& report);
void check_memory_policy(const Subject& subject, json::Report& report);

}  // namespace cella::lint
