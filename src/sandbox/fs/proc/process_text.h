// The texts of a process's files, proc_pid(5): one line a file.
#pragma once

#include <span>

#include "sandbox/fs/proc/subject.h"

namespace cella::sandbox::fs {

struct ProcessFile {
  const char* name;
  uint32_t mode;
  bool guarded;  // for those who may inspect the process
  SysResult<std::string> (*text)(vfs::Caller& caller, const Subject& subject);
  SysResult<void> (*store)(vfs::Caller& caller, const Subject& subject, std::string_view text) = nullptr;
};
std::span<const ProcessFile> process_files();

// The state and its word: "S (sleeping)".
const char* process_state(const Subject& subject);
uint64_t clock_ticks(core::Nanoseconds time);  // hundredths of a second

// process_status.cc
SysResult<std::string> stat_text(vfs::Caller& caller, const Subject& subject);
SysResult<std::string> statm_text(vfs::Caller& caller, const Subject& subject);
SysResult<std::string> status_text(vfs::Caller& caller, const Subject& subject);
// process_memory.cc
SysResult<std::string> maps_text(vfs::Caller& caller, const Subject& subject);
SysResult<std::string> smaps_text(vfs::Caller& caller, const Subject& subject);
SysResult<std::string> smaps_rollup_text(vfs::Caller& caller, const Subject& subject);
SysResult<std::string> command_line_text(vfs::Caller& caller, const Subject& subject);
SysResult<std::string> environment_text(vfs::Caller& caller, const Subject& subject);
SysResult<std::string> auxv_text(vfs::Caller& caller, const Subject& subject);
// mount_text.cc
SysResult<std::string> mounts_text(vfs::Caller& caller, const Subject& subject);
SysResult<std::string> mount_info_text(vfs::Caller& caller, const Subject& subject);
SysResult<std::string> mount_statistics_text(vfs::Caller& caller, const Subject& subject);

}  // namespace cella::sandbox::fs
