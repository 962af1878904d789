// Seccomp: filters of a task's system calls, seccomp(2): the container's, and those that programs give themselves.
//
// A task has the newest filter, which knows those before it. All of them are asked, and the strictest answer counts.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <bitset>
#include <memory>
#include <vector>

#include <cella/error.h>

namespace cella::sandbox::task {

class SeccompFilter {
 public:
  // `program` in addition to `previous`, which may be null. `flags`: SECCOMP_FILTER_FLAG_LOG is looked at. EINVAL:
  // Linux would not take it. ENOMEM: they are longer than Linux allows, taken together.
  static SysResult<std::shared_ptr<SeccompFilter>> make(std::vector<sock_filter> program, uint64_t flags,
                                                        std::shared_ptr<SeccompFilter> previous);
  ~SeccompFilter();
  SeccompFilter(const SeccompFilter&) = delete;
  SeccompFilter& operator=(const SeccompFilter&) = delete;

  struct Verdict {
    uint32_t value = SECCOMP_RET_ALLOW;  // SECCOMP_RET_* with its data
    bool is_logged = false;
  };
  Verdict evaluate(const seccomp_data& call) const;
  // It and those before it: Seccomp_filters of proc_pid_status(5).
  size_t count() const { return count_; }
  // Is `other` one of them? Null is one of everybody's.
  bool descends_from(const SeccompFilter* other) const;

 private:
  SeccompFilter(std::vector<sock_filter> program, uint64_t flags, std::shared_ptr<SeccompFilter> previous);

  const std::vector<sock_filter> program_;
  const bool logs_;  // whatever it does not allow
  std::shared_ptr<SeccompFilter> previous_;
  size_t count_ = 1, length_;
  // Numbers of calls that all of them allow without a look at the arguments: most that are made.
  std::bitset<512> allowed_;
};

struct SeccompState {
  int mode = SECCOMP_MODE_DISABLED;
  std::shared_ptr<SeccompFilter> filter;  // with SECCOMP_MODE_FILTER
};

}  // namespace cella::sandbox::task
