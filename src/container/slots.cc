#include "container/slots.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "base/result.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/process.h"

namespace cella::container {
namespace {

using plan::Op;
using plan::Step;
using sys::FileDescriptor;
using Slots = std::vector<std::pair<uint32_t, FileDescriptor>>;

Result<FileDescriptor> open_namespace(const char* path, uint64_t type) {
  // O_NONBLOCK, because the path may name anything, a fifo too.
  FileDescriptor fd = TRY(sys::open(path, O_RDONLY | O_NONBLOCK));
  if (TRY(sys::filesystem_type(fd.get())) != NSFS_MAGIC) {
    return base::fail(ErrorCode::kConfigInvalid, "it is not a namespace");
  }
  int actual = ::ioctl(fd.get(), NS_GET_NSTYPE);
  if (actual >= 0 && static_cast<uint64_t>(actual) != type) {
    return base::fail(ErrorCode::kConfigInvalid, "it is a namespace of another type");
  }
  return fd;
}

std::string lines_of(const plan::Plan& plan, uint64_t list) {
  std::string text;
  for (std::string_view line : plan.list(list)) (text += line) += '\n';
  return text;
}

Result<FileDescriptor> new_user_namespace(const plan::Plan& plan, const Step& step) {
  auto made = sys::new_user_namespace(lines_of(plan, step.args[1]), lines_of(plan, step.args[2]));
  if (made) return std::move(*made);
  return std::unexpected(Error(made.error()).with("making a user namespace for it"));
}

Result<void> map_ids(int tree, int users, bool recursive) {
  SysResult<void> mapped = sys::map_ids(tree, users, recursive);
  if (mapped) return {};
  int error = mapped.error().value;
  const char* what = error == EINVAL  ? "its filesystem, or one below it, cannot be id-mapped"
                     : error == EPERM ? "it, or a mount below it, is id-mapped already"
                                      : "id-mapping it";
  return std::unexpected(Error(ErrorCode::kSystemError, what, error));
}

// `users`: the user namespaces among which the step's is.
Result<FileDescriptor> open_tree(const plan::Plan& plan, const Step& step, const Slots& users, const Slots& opened) {
  FileDescriptor tree = TRY(sys::clone_tree(plan.string(step.args[1]), step.args[2] != 0, step.args[3] != 0));
  for (const Slots* slots : {&users, &opened}) {
    for (const auto& [slot, fd] : *slots)
      if (slot == step.args[4]) TRY(map_ids(tree.get(), fd.get(), step.args[5] != 0));
  }
  return tree;
}

}  // namespace

Result<Slots> open_slots(const plan::Plan& plan) {
  Slots opened;
  Slots users;  // of no use to init
  for (const Step& step : plan.steps()) {
    auto slot = static_cast<uint32_t>(step.args[0]);
    const char* path = plan.string(step.args[1]);
    const char* about = plan.string(step.about);
    switch (step.op) {
      case Op::kOpenDirectory:
        opened.emplace_back(slot, TRY(sys::open(path, O_PATH | O_DIRECTORY), "{}", about));
        break;
      case Op::kOpenNamespace:
        opened.emplace_back(slot, TRY(open_namespace(path, step.args[2]), "{}", about));
        break;
      case Op::kNewUserNamespace:
        users.emplace_back(slot, TRY(new_user_namespace(plan, step), "{}", about));
        break;
      case Op::kOpenTree:
        opened.emplace_back(slot, TRY(open_tree(plan, step, users, opened), "{}", about));
        break;
      default:
        return opened;
    }
  }
  return opened;
}

}  // namespace cella::container
