// /proc/PID and /proc/PID/task/TID: the directory of a process, with the links that lead to its files.
#pragma once

#include "sandbox/fs/generated/generated.h"
#include "sandbox/fs/proc/subject.h"

namespace cella::sandbox::fs {

// `net`: what is shown as its net directory.
vfs::InodePtr make_process_directory(const GeneratedSuper& super, const Subject& subject, vfs::InodePtr net);

// The process whose /proc/PID this is; null: it is something else. ESRCH: it has been waited for.
SysResult<std::shared_ptr<task::ThreadGroup>> process_of_directory(const vfs::Inode& inode);

}  // namespace cella::sandbox::fs
