// The control server of a sandboxed container's kernel, as clients on the host use it.
#pragma once

#include <sys/socket.h>
#include "container/container_impl.h"

#include "base/result.h"
#include "sandbox/boot/control.h"
#include "sys/socket.h"

namespace cella::container {

// Connected to where the kernel of a container listens, or will when it is started. kContainerNotRunning.
Result<sys::FileDescriptor> open_control(const Container::Impl& container, int type_flags = 0);
// Connected to the kernel of a running container. kContainerNotRunning: there is none, or it has not been started.
Result<sys::FileDescriptor> connect_control(const Container::Impl& container);
// One call; `arg` is JSON or empty.
Result<std::string> call_control(const Container::Impl& container, std::string_view method, std::string_view arg = {});

// One call that is not waited for: it is answered in its turn, by a kernel that is paused when it goes on, and by one
// that has not been started before its first program. kContainerNotRunning: there will be none.
template <typename Arg>
Result<void> tell_control(const Container::Impl& container, std::string_view method, const Arg& arg) {
  const sys::FileDescriptor control = TRY(open_control(container, SOCK_NONBLOCK));
  TRY(sys::send_message(control.get(), sandbox::boot::line_of(method, arg)), "telling the application kernel of it");
  return {};
}

// A further process in it. What `Process` is then, is one of the host's that stands for it: it forwards signals and
// ends with its status.
Result<void> exec_in_sandbox(Container::Impl& container, Process& process);

}  // namespace cella::container
