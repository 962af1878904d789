// Writer: settings into the files of groups, in the order given; the kernel's refusals become sentences.
//
// Two ways to write. For a container being made: blindly, every value. For one in use: a file that says the same
// already is left alone, and what was there is remembered, so that roll_back() can put it back.
#pragma once

#include <string>
#include <vector>

#include <cella/error.h>

#include "cgroup/group.h"
#include "cgroup/settings.h"

namespace cella::cgroup {

// "linux.resources.memory.limit: …".
std::unexpected<Error> refuse(const Setting& setting, ErrorCode code, std::string why);

class Writer {
 public:
  enum class Mode { kBlind, kReversible };
  explicit Writer(Mode mode) : mode_(mode) {}

  // What had to be deferred is written by finish(), when all else is. The setting must live until then, the group until
  // the end of the Writer.
  Result<void> write(Group& group, const Setting& setting);
  Result<void> finish();

  // kReversible: gives every file written its content of before, the last one first. Returns what could not be put
  // back, a file and a reason each.
  std::vector<std::string> roll_back();

 private:
  struct Deferred {
    Group* group;
    const Setting* setting;
  };
  struct Written {
    Group* group;
    std::string file, before;
  };
  SysResult<void> write_file(Group& group, const std::string& file, const std::string& value, const Setting& setting);
  SysResult<void> write_either(Group& group, const Setting& setting);

  const Mode mode_;
  std::vector<Deferred> deferred_;
  std::vector<Written> written_;
};

// What to write to a file that reads `text` to take back that `value` is written to it. A file of several lines, each
// for a device, an interface or a counter, changes in one: `reset` takes out what had no line before. Pure.
std::string undo_text(const std::string& text, const std::string& value, const std::string& reset);

}  // namespace cella::cgroup
