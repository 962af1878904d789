// Subject: the process or thread that a directory of procfs is about, which may end at any time.
#pragma once

#include "sandbox/task/task.h"

namespace cella::sandbox::fs {

class Subject {
 public:
  // `thread`: the one that a directory below task/ is about; 0: the process.
  Subject(task::Kernel& of, std::shared_ptr<task::ThreadGroup> group, int thread)
      : kernel(of), group_(group), pid_(group->id), thread_(thread) {}

  task::Kernel& kernel;

  bool is_thread() const { return thread_ != 0; }
  int id() const { return is_thread() ? thread_ : pid_; }
  int process_id() const { return pid_; }
  // ESRCH: it has been waited for.
  SysResult<std::shared_ptr<task::ThreadGroup>> process() const;
  // The thread, or one of the process; null when it has ended.
  task::Task* find_task() const;
  SysResult<task::Task*> task() const;  // ESRCH

  // The same for the same file for as long as the process is there.
  uint64_t inode_number(std::string_view name) const;
  // As the file of a process is shown: it belongs to whom the process belongs to.
  vfs::Attributes owned(vfs::Attributes attributes, std::string_view name) const;

 private:
  std::weak_ptr<task::ThreadGroup> group_;
  int pid_, thread_;
};

// The task that asks; null: the kernel itself does.
task::Task* asking_task(task::Kernel& kernel, const vfs::Caller& caller);
// Where it stands: its root directory, for texts of paths.
vfs::Path asking_root(task::Kernel& kernel, const vfs::Caller& caller);
// PTRACE_MODE_READ_FSCREDS of ptrace(2): may the caller look into it? EACCES, ESRCH.
SysResult<void> check_inspect(vfs::Caller& caller, const Subject& subject);

}  // namespace cella::sandbox::fs
