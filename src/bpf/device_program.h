// The cgroup v2 device program: BPF_PROG_TYPE_CGROUP_DEVICE (bpf(2), Documentation/admin-guide/cgroup-v2.rst).
//
// It means exactly what the ordered rules say (see device_rules.h), which is more than v1 can: parts of wider rules can
// be taken out, and an access of several kinds is allowed when each kind is. Programs of a cgroup's ancestors, and
// others attached to the same cgroup, can only restrict further.
#pragma once

#include <linux/bpf.h>

#include <span>
#include <vector>

#include <cella/error.h>

#include "bpf/device_rules.h"
#include "sys/fd.h"

namespace cella::bpf {

// kConfigInvalid as check_device_rule.
Result<std::vector<bpf_insn>> build_device_program(const std::vector<DeviceRule>& rules);

// Loads; the error carries the verifier's words.
Result<sys::FileDescriptor> load_device_program(std::span<const bpf_insn> program);

// Attaches with BPF_F_ALLOW_MULTI to the cgroup whose directory this is; in the place of `replaced` when that is >= 0.
SysResult<void> attach_device_program(int cgroup, int program, int replaced = -1);
// Ids of what is attached to the cgroup itself.
SysResult<std::vector<uint32_t>> query_device_programs(int cgroup);
// Attaches the program and takes away every other that the cgroup has and that can be opened. At no instant is the
// cgroup without one. A single predecessor is replaced in one step where the kernel can (5.6).
SysResult<void> replace_device_programs(int cgroup, int program);

}  // namespace cella::bpf
