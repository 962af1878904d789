#include "sandbox/loader/vdso.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "base/result.h"
#include "sandbox/task/clocks.h"

// CMake's, of vdso/.
extern "C" const char cella_vdso_image[], cella_vdso_image_end[];

namespace cella::sandbox::loader {
namespace {

// Whole pages of the memory file, which the kernel keeps a reference to: a guest that writes to its private mapping of
// them gets a copy.
class Pages final : public mm::Mappable {
 public:
  Pages(int fd, uint64_t offset, uint64_t size, const char* name)
      : fd_(fd), offset_(offset), size_(size), name_(name) {}
  SysResult<Range> translate(uint64_t offset, uint64_t size, bool) override {
    if (offset >= size_) return std::unexpected(Errno{EFAULT});
    return Range{fd_, offset_ + offset, std::min(size, size_ - offset), true};
  }
  std::string mapped_name() const override { return name_; }
  uint64_t device_id() const override { return 0; }
  uint64_t inode_id() const override { return 0; }
  uint64_t size() const { return size_; }

 private:
  int fd_;
  uint64_t offset_, size_;
  const char* name_;
};

SysResult<void> prepare(task::Kernel& kernel) {
  if (kernel.vdso.code != nullptr) return {};
  TRY(kernel.clocks->start());
  mm::MemoryFile& memory = *kernel.memory;
  const std::string_view image = vdso_image();
  const uint64_t size = mm::page_up(image.size());
  const uint64_t offset = TRY(memory.allocate(size));
  std::memcpy(memory.pointer(offset), image.data(), image.size());
  kernel.vdso.code = std::make_shared<Pages>(memory.fd(), offset, size, "[vdso]");
  kernel.vdso.clocks = std::make_shared<Pages>(memory.fd(), kernel.clocks->page_offset(), mm::kPageSize, "[vvar]");
  return {};
}

}  // namespace

std::string_view vdso_image() {
  return {cella_vdso_image, cella_vdso_image_end};
}

SysResult<uint64_t> map_vdso(task::Kernel& kernel, mm::MemoryManager& memory) {
  TRY(prepare(kernel));
  const uint64_t size = mm::page_up(vdso_image().size());
  // Reserved whole: the code finds the clocks in front of it.
  mm::MapRequest request;
  request.size = mm::kPageSize + size;
  request.protection = PROT_NONE;
  const uint64_t start = TRY(memory.map(request));
  TRY(memory.unmap(start, request.size));
  request.address = start;
  request.size = mm::kPageSize;
  request.protection = request.max_protection = PROT_READ;
  request.fixed = true;
  request.shared = true;
  request.file = kernel.vdso.clocks;
  TRY(memory.map(request));
  request.address = start + mm::kPageSize;
  request.size = size;
  request.protection = PROT_READ | PROT_EXEC;
  request.max_protection = PROT_READ | PROT_WRITE | PROT_EXEC;
  request.shared = false;
  request.file = kernel.vdso.code;
  TRY(memory.map(request));
  return request.address;
}

}  // namespace cella::sandbox::loader
