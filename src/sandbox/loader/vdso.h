// The vDSO's image (vdso/) in guests: mapped with the page that it reads the clocks from, vdso(7).
#pragma once

#include <string_view>

#include "sandbox/task/task.h"

namespace cella::sandbox::loader {

// The ELF file.
std::string_view vdso_image();
// Maps both into a new program's memory: AT_SYSINFO_EHDR. ENOMEM.
SysResult<uint64_t> map_vdso(task::Kernel& kernel, mm::MemoryManager& memory);

}  // namespace cella::sandbox::loader
