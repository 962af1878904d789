#include "sandbox/loader/loader.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/result.h"
#include "sandbox/loader/vdso.h"
#include "sandbox/vfs/permission.h"

namespace cella::sandbox::loader {
namespace {

using mm::MapRequest;
using mm::MemoryManager;
using task::Task;

constexpr int kMaxScripts = 4;       // interpreters of interpreters, as Linux
constexpr size_t kScriptLine = 256;  // BINPRM_BUF_SIZE
constexpr size_t kMaxHeaders = 128;
constexpr size_t kHead = 1024;  // of a program: its headers and its interpreter's name, as a rule
constexpr uint64_t kPieBase = 0x555555554000;
constexpr uint64_t kStackGuard = 0x100000;
constexpr uint64_t kMostStack = 256 << 20, kLeastStack = 128 << 10;
constexpr size_t kMaxString = 131072;  // MAX_ARG_STRLEN

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

SysResult<size_t> read_at(Task& task, vfs::File& file, uint64_t offset, void* to, size_t size) {
  vfs::IoVector io(to, size);
  size_t done = 0;
  while (done < size) {
    size_t n = TRY(file.read_at(task, io, offset + done));
    if (n == 0) break;
    done += n;
  }
  return done;
}

struct Executable {
  vfs::FilePtr file;
  std::string head;  // what it begins with

  // All of it; ENOEXEC when the file ends before.
  SysResult<void> read(Task& task, uint64_t offset, void* to, size_t size) const {
    if (offset <= head.size() && size <= head.size() - offset) {
      std::memcpy(to, head.data() + offset, size);
      return {};
    }
    const size_t done = TRY(read_at(task, *file, offset, to, size));
    return done == size ? SysResult<void>() : fail(ENOEXEC);
  }
};

SysResult<Executable> open_executable(Task& task, const vfs::Path& path) {
  vfs::Attributes attributes = TRY(path.inode().attributes());
  if (!S_ISREG(attributes.st_mode)) return fail(EACCES);
  if (path.flags() & MS_NOEXEC) return fail(EACCES);
  TRY(vfs::check_access(task.creds, attributes, vfs::kMayExecute));
  if (path.inode().writers > 0) return fail(ETXTBSY);
  Executable executable;
  executable.file = TRY(path.inode().open(task, path, O_RDONLY));
  executable.head.resize(kHead);
  executable.head.resize(TRY(read_at(task, *executable.file, 0, executable.head.data(), kHead)));
  return executable;
}

SysResult<vfs::Path> find(Task& task, const std::string& path) {
  return vfs::resolve(task, task.fs->position, task.fs->position.cwd, path);
}

// "#!interpreter argument": one argument at most, with everything that is behind the interpreter's name.
SysResult<std::vector<std::string>> parse_script(std::string_view line) {
  line = line.substr(2, line.find('\n') - 2);
  auto trim = [](std::string_view text) {
    const size_t start = text.find_first_not_of(" \t");
    if (start == std::string_view::npos) return std::string_view();
    return text.substr(start, text.find_last_not_of(" \t\r\0") - start + 1);
  };
  line = trim(line.substr(0, line.find('\0')));
  if (line.empty()) return fail(ENOEXEC);
  const size_t end = std::min(line.find_first_of(" \t"), line.size());
  std::vector<std::string> words = {std::string(line.substr(0, end))};
  if (std::string_view rest = trim(line.substr(end)); !rest.empty()) words.emplace_back(rest);
  return words;
}

struct Elf {
  Elf64_Ehdr header = {};
  std::vector<Elf64_Phdr> segments;
  std::string interpreter;
  int stack_protection = PROT_READ | PROT_WRITE | PROT_EXEC;  // without PT_GNU_STACK
};

SysResult<Elf> read_elf(Task& task, const Executable& file) {
  Elf elf;
  TRY(file.read(task, 0, &elf.header, sizeof elf.header));
  const Elf64_Ehdr& h = elf.header;
  if (std::memcmp(h.e_ident, ELFMAG, SELFMAG) != 0) return fail(ENOEXEC);
  if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_ident[EI_DATA] != ELFDATA2LSB || h.e_machine != EM_X86_64 ||
      (h.e_type != ET_EXEC && h.e_type != ET_DYN) || h.e_phentsize != sizeof(Elf64_Phdr) || h.e_phnum == 0 ||
      h.e_phnum > kMaxHeaders) {
    return fail(ENOEXEC);
  }
  elf.segments.resize(h.e_phnum);
  TRY(file.read(task, h.e_phoff, elf.segments.data(), elf.segments.size() * sizeof(Elf64_Phdr)));
  for (const Elf64_Phdr& segment : elf.segments) {
    if (segment.p_type == PT_GNU_STACK) {
      elf.stack_protection = PROT_READ | PROT_WRITE | (segment.p_flags & PF_X ? PROT_EXEC : 0);
    } else if (segment.p_type == PT_INTERP) {
      if (segment.p_filesz < 2 || segment.p_filesz > PATH_MAX) return fail(ENOEXEC);
      elf.interpreter.resize(segment.p_filesz);
      TRY(file.read(task, segment.p_offset, elf.interpreter.data(), segment.p_filesz));
      if (elf.interpreter.back() != '\0') return fail(ENOEXEC);
      elf.interpreter.resize(std::strlen(elf.interpreter.c_str()));
    }
  }
  return elf;
}

struct Loaded {
  uint64_t bias = 0;
  uint64_t end = 0;      // behind the last segment
  uint64_t headers = 0;  // where the program headers are
  uint64_t entry = 0;
};

int protection_of(uint32_t flags) {
  return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
}

// Maps the segments. `base`: where a position-independent one goes; 0: wherever there is room.
SysResult<Loaded> map_elf(MemoryManager& memory, vfs::File& file, const Elf& elf, uint64_t base) {
  uint64_t lowest = UINT64_MAX, highest = 0;
  for (const Elf64_Phdr& segment : elf.segments) {
    if (segment.p_type != PT_LOAD) continue;
    uint64_t end;
    if (__builtin_add_overflow(segment.p_vaddr, segment.p_memsz, &end) || end > memory.limit() ||
        segment.p_filesz > segment.p_memsz || segment.p_offset % mm::kPageSize != segment.p_vaddr % mm::kPageSize) {
      return fail(ENOEXEC);
    }
    lowest = std::min(lowest, mm::page_down(segment.p_vaddr));
    highest = std::max(highest, mm::page_up(end));
  }
  if (highest <= lowest) return fail(ENOEXEC);
  Loaded loaded;
  if (elf.header.e_type == ET_DYN) {
    // Reserved whole, so that the segments stay together.
    MapRequest reserve;
    reserve.address = base;
    reserve.size = highest - lowest;
    reserve.protection = PROT_NONE;
    uint64_t start = TRY(memory.map(reserve));
    TRY(memory.unmap(start, highest - lowest));
    loaded.bias = start - lowest;
  }
  auto mappable = TRY(file.mappable(false, false));
  for (const Elf64_Phdr& segment : elf.segments) {
    if (segment.p_type != PT_LOAD || segment.p_memsz == 0) continue;
    const uint64_t start = loaded.bias + segment.p_vaddr, page = mm::page_down(start);
    const uint64_t file_end = start + segment.p_filesz, end = start + segment.p_memsz;
    const int protection = protection_of(segment.p_flags);
    if (segment.p_filesz > 0) {
      MapRequest request;
      request.address = page;
      request.size = file_end - page;
      request.protection = protection;
      request.fixed = request.copy_now = true;
      request.file = mappable;
      request.offset = mm::page_down(segment.p_offset);
      TRY(memory.map(request));
    }
    const uint64_t zero_start = segment.p_filesz > 0 ? mm::page_up(file_end) : page;
    if (mm::page_up(end) > zero_start) {
      MapRequest request;
      request.address = zero_start;
      request.size = mm::page_up(end) - zero_start;
      request.protection = protection;
      request.fixed = true;
      TRY(memory.map(request));
    }
    // The rest of the file's last page is zeroes, also behind the program's end: ld.so takes it as memory.
    if (segment.p_memsz > segment.p_filesz && file_end % mm::kPageSize != 0 && segment.p_filesz > 0 &&
        (protection & PROT_WRITE)) {
      TRY(memory.clear(file_end, mm::page_up(file_end) - file_end));
    }
    if (elf.header.e_phoff >= segment.p_offset && elf.header.e_phoff < segment.p_offset + segment.p_filesz)
      loaded.headers = start + (elf.header.e_phoff - segment.p_offset);
    loaded.end = std::max(loaded.end, mm::page_up(end));
    auto& layout = memory.layout;
    if ((protection & PROT_EXEC) && layout.code_start == 0) {
      layout.code_start = start;
      layout.code_end = file_end;
    } else if ((protection & PROT_WRITE) && layout.data_start == 0) {
      layout.data_start = start;
      layout.data_end = file_end;
    }
  }
  loaded.entry = loaded.bias + elf.header.e_entry;
  return loaded;
}

// The initial stack, from the top: strings, then auxv, environment and arguments as the psABI wants them.
class StackBuilder {
 public:
  StackBuilder(MemoryManager& memory, uint64_t top) : memory_(memory), at_(top) {}
  SysResult<uint64_t> push(const void* data, size_t size) {
    at_ -= size;
    TRY(memory_.copy_out(at_, data, size));
    return at_;
  }
  // The strings one after the other, in their order; where each begins.
  SysResult<std::vector<uint64_t>> push_strings(const std::vector<std::string>& strings) {
    std::string block;
    std::vector<uint64_t> offsets;
    for (const std::string& text : strings) {
      offsets.push_back(block.size());
      block.append(text).push_back('\0');
    }
    if (!block.empty()) TRY(push(block.data(), block.size()));
    for (uint64_t& offset : offsets) offset += at_;
    return offsets;
  }
  void align(uint64_t to, uint64_t following) { at_ = ((at_ - following) & ~(to - 1)) + following; }
  uint64_t at() const { return at_; }

 private:
  MemoryManager& memory_;
  uint64_t at_;
};

SysResult<uint64_t> build_stack(Task& task, MemoryManager& memory, const Program& program, const Elf& elf,
                                const Loaded& main, uint64_t interpreter_base, uint64_t vdso) {
  const uint64_t limit = task.group->limit(RLIMIT_STACK);
  const uint64_t size = mm::page_up(std::clamp<uint64_t>(limit, kLeastStack, kMostStack));
  uint64_t total = 0;
  for (const auto* list : {&program.arguments, &program.environment}) {
    for (const std::string& text : *list) {
      if (text.size() >= kMaxString) return fail(E2BIG);
      total += text.size() + 1 + sizeof(uint64_t);
    }
  }
  if (total > std::max<uint64_t>(size / 4, kLeastStack)) return fail(E2BIG);
  const uint64_t top = mm::page_down(memory.limit() - kStackGuard);
  MapRequest request;
  request.address = top - size;
  request.size = size;
  request.protection = elf.stack_protection;
  request.fixed = true;
  request.grows_down = true;
  request.name = "[stack]";
  TRY(memory.map(request));

  StackBuilder stack(memory, top - sizeof(uint64_t));
  auto& layout = memory.layout;
  const std::string name = program.path + '\0';
  const uint64_t executable_name = TRY(stack.push(name.data(), name.size()));
  layout.environment_end = stack.at();
  auto environment = TRY(stack.push_strings(program.environment));
  layout.environment_start = layout.arguments_end = stack.at();
  auto arguments = TRY(stack.push_strings(program.arguments));
  layout.arguments_start = stack.at();
  char random[16];
  (void)!::getrandom(random, sizeof random, 0);
  const uint64_t random_bytes = TRY(stack.push(random, sizeof random));
  static constexpr char kPlatform[] = "x86_64";
  const uint64_t platform = TRY(stack.push(kPlatform, sizeof kPlatform));

  const vfs::Credentials& who = task.creds;
  const bool secure = who.uid != who.euid || who.gid != who.egid;
  const std::vector<Elf64_auxv_t> auxv = {
      {AT_SYSINFO_EHDR, {vdso}},
      {AT_HWCAP, {::getauxval(AT_HWCAP)}},
      {AT_PAGESZ, {mm::kPageSize}},
      {AT_CLKTCK, {100}},
      {AT_PHDR, {main.headers}},
      {AT_PHENT, {sizeof(Elf64_Phdr)}},
      {AT_PHNUM, {elf.header.e_phnum}},
      {AT_BASE, {interpreter_base}},
      {AT_FLAGS, {0}},
      {AT_ENTRY, {main.entry}},
      {AT_UID, {who.uid}},
      {AT_EUID, {who.euid}},
      {AT_GID, {who.gid}},
      {AT_EGID, {who.egid}},
      {AT_SECURE, {secure}},
      {AT_RANDOM, {random_bytes}},
      {AT_HWCAP2, {::getauxval(AT_HWCAP2)}},
      {AT_EXECFN, {executable_name}},
      {AT_PLATFORM, {platform}},
      {AT_NULL, {0}},
  };
  std::vector<uint64_t> words = {arguments.size()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.push_back(0);
  words.insert(words.end(), environment.begin(), environment.end());
  words.push_back(0);
  const size_t before = words.size();
  words.resize(before + auxv.size() * 2);
  std::memcpy(&words[before], auxv.data(), auxv.size() * sizeof(Elf64_auxv_t));
  const auto* auxv_bytes = reinterpret_cast<const std::byte*>(auxv.data());
  layout.auxv.assign(auxv_bytes, auxv_bytes + auxv.size() * sizeof(Elf64_auxv_t));
  stack.align(16, words.size() * sizeof(uint64_t) % 16);
  const uint64_t sp = TRY(stack.push(words.data(), words.size() * sizeof(uint64_t)));
  layout.stack_start = sp;
  return sp;
}

}  // namespace

SysResult<task::Image> load(Task& task, Program program) {
  task::Image image;
  // The last part of what was asked for, whatever links led to: a busybox is called by the name of its applet.
  constexpr size_t kLongestName = 15;
  image.name = program.path.substr(program.path.rfind('/') + 1, kLongestName);
  Executable file;
  for (int depth = 0;; ++depth) {
    file = TRY(open_executable(task, program.executable));
    if (!file.head.starts_with("#!")) break;
    if (depth == kMaxScripts) return fail(ELOOP);
    std::vector<std::string> words = TRY(parse_script(std::string_view(file.head).substr(0, kScriptLine - 1)));
    if (!program.arguments.empty()) program.arguments.erase(program.arguments.begin());
    program.arguments.insert(program.arguments.begin(), program.path);
    program.arguments.insert(program.arguments.begin(), words.begin(), words.end());
    program.path = words[0];
    program.executable = TRY(find(task, words[0]));
  }
  Elf elf = TRY(read_elf(task, file));
  auto space = TRY(task.kernel.platform->new_address_space());
  image.memory = std::make_unique<MemoryManager>(*task.kernel.memory, *task.kernel.platform, std::move(space));
  MemoryManager& memory = *image.memory;
  Loaded main = TRY(map_elf(memory, *file.file, elf, kPieBase));
  memory.set_brk_start(main.end);
  image.entry = main.entry;
  uint64_t interpreter_base = 0;
  if (!elf.interpreter.empty()) {
    vfs::Path path = TRY(find(task, elf.interpreter));
    Executable interpreter_file = TRY(open_executable(task, path));
    Elf interpreter = TRY(read_elf(task, interpreter_file));
    Loaded loaded = TRY(map_elf(memory, *interpreter_file.file, interpreter, 0));
    interpreter_base = loaded.bias;
    image.entry = loaded.entry;
  }
  image.executable = program.executable;
  vfs::Inode& inode = program.executable.inode();
  image.execution = inode.execution.lock();
  if (image.execution == nullptr) inode.execution = image.execution = std::make_shared<char>();
  const uint64_t vdso = TRY(map_vdso(task.kernel, memory));
  image.stack = TRY(build_stack(task, memory, program, elf, main, interpreter_base, vdso));
  return image;
}

}  // namespace cella::sandbox::loader
