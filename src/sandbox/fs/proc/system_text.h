// What procfs says of the system: proc_meminfo(5), proc_stat(5) …: the container's share of it.
#pragma once

#include "sandbox/fs/generated/generated.h"
#include "sandbox/task/kernel.h"

namespace cella::sandbox::fs {

void add_system_files(FixedDirectory& root, task::Kernel& kernel);
// /proc/sys, sysctl(8). `directory`: that one.
void add_sysctls(FixedDirectory& directory, task::Kernel& kernel);
// cpuinfo.cc
std::string cpu_information(int count);

}  // namespace cella::sandbox::fs
