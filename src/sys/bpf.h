// bpf(2): loading eBPF programs and attaching them to cgroups. Not a builder of programs (see bpf/device_program.h) and
// not classic BPF.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <cella/error.h>

#include "sys/fd.h"

namespace cella::sys {

// BPF_PROG_LOAD. Retried while the verifier is interrupted (EAGAIN). When it fails and `log` is given, `log` gets the
// verifier's text, perhaps empty.
SysResult<FileDescriptor> bpf_load_program(bpf_prog_type type, std::span<const bpf_insn> program, const char* license,
                                           std::string* log = nullptr);

// BPF_PROG_ATTACH; `flags` are BPF_F_ALLOW_MULTI, BPF_F_REPLACE … With BPF_F_REPLACE, `replaced` is the program that
// goes.
SysResult<void> bpf_attach_program(int target, int program, bpf_attach_type type, uint32_t flags, int replaced = -1);
SysResult<void> bpf_detach_program(int target, int program, bpf_attach_type type);

// BPF_PROG_QUERY: ids of the programs attached to the target itself (not to its ancestors).
SysResult<std::vector<uint32_t>> bpf_query_programs(int target, bpf_attach_type type);
// BPF_PROG_GET_FD_BY_ID.
SysResult<FileDescriptor> bpf_program_by_id(uint32_t id);

}  // namespace cella::sys
