#include "sys/bpf.h"

#include <sys/syscall.h>

#include <cerrno>

#include "base/result.h"

namespace cella::sys {
namespace {

// Always the whole union: some kernels write fields that a shorter one does not have (`revision` of a query).
SysResult<int> call(bpf_cmd command, bpf_attr& attr) {
  long result = ::syscall(SYS_bpf, command, &attr, sizeof attr);
  if (result < 0) return std::unexpected(Errno{errno});
  return static_cast<int>(result);
}

uint64_t address(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
}

SysResult<int> load(bpf_attr& attr) {
  constexpr int kAttempts = 30;
  SysResult<int> result = call(BPF_PROG_LOAD, attr);
  for (int i = 0; i < kAttempts && !result && result.error().value == EAGAIN; ++i) result = call(BPF_PROG_LOAD, attr);
  return result;
}

}  // namespace

SysResult<FileDescriptor> bpf_load_program(bpf_prog_type type, std::span<const bpf_insn> program, const char* license,
                                           std::string* log) {
  bpf_attr attr = {};
  attr.prog_type = type;
  attr.insns = address(program.data());
  attr.insn_cnt = static_cast<uint32_t>(program.size());
  attr.license = address(license);
  SysResult<int> result = load(attr);
  if (result) return FileDescriptor(*result);
  if (log != nullptr) {
    // The log costs time, so it is asked for only when there is something to say.
    log->assign(64 << 10, '\0');
    attr.log_level = 1;
    attr.log_size = static_cast<uint32_t>(log->size());
    attr.log_buf = address(log->data());
    SysResult<int> again = load(attr);
    log->resize(log->find_first_of('\0') == std::string::npos ? log->size() : log->find_first_of('\0'));
    if (again) return FileDescriptor(*again);
  }
  return std::unexpected(result.error());
}

SysResult<void> bpf_attach_program(int target, int program, bpf_attach_type type, uint32_t flags, int replaced) {
  bpf_attr attr = {};
  attr.target_fd = static_cast<uint32_t>(target);
  attr.attach_bpf_fd = static_cast<uint32_t>(program);
  attr.attach_type = type;
  attr.attach_flags = flags;
  if ((flags & BPF_F_REPLACE) != 0) attr.replace_bpf_fd = static_cast<uint32_t>(replaced);
  TRY(call(BPF_PROG_ATTACH, attr));
  return {};
}

SysResult<void> bpf_detach_program(int target, int program, bpf_attach_type type) {
  bpf_attr attr = {};
  attr.target_fd = static_cast<uint32_t>(target);
  attr.attach_bpf_fd = static_cast<uint32_t>(program);
  attr.attach_type = type;
  TRY(call(BPF_PROG_DETACH, attr));
  return {};
}

SysResult<std::vector<uint32_t>> bpf_query_programs(int target, bpf_attach_type type) {
  // 64 is the kernel's limit today; ENOSPC tells the number needed.
  std::vector<uint32_t> ids(64);
  for (int attempt = 0;; ++attempt) {
    bpf_attr attr = {};
    attr.query.target_fd = static_cast<uint32_t>(target);
    attr.query.attach_type = type;
    attr.query.prog_ids = address(ids.data());
    attr.query.prog_cnt = static_cast<uint32_t>(ids.size());
    SysResult<int> result = call(BPF_PROG_QUERY, attr);
    const uint32_t count = attr.query.prog_cnt;
    if (result) {
      ids.resize(count);
      return ids;
    }
    if (result.error().value != ENOSPC || attempt == 10) return std::unexpected(result.error());
    ids.resize(count);
  }
}

SysResult<FileDescriptor> bpf_program_by_id(uint32_t id) {
  bpf_attr attr = {};
  attr.prog_id = id;
  return FileDescriptor(TRY(call(BPF_PROG_GET_FD_BY_ID, attr)));
}

}  // namespace cella::sys
