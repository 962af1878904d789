// The host's files as a filesystem of the guest's, over a FileBackend.
#pragma once

#include "sandbox/fs/filesystem.h"
#include "sandbox/fs/host/backend.h"

namespace cella::sandbox::fs {

// Its root, which may be a single file.
SysResult<vfs::DentryPtr> make_host_filesystem(std::shared_ptr<FileBackend> backend);

}  // namespace cella::sandbox::fs
