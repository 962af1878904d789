// The control server of a sandboxed container's kernel, as clients on the host use it.
#pragma once

#include "container/container_impl.h"
#include "sandbox/boot/control.h"

namespace cella::container {

// Connected to the kernel of a running container. kContainerNotRunning: there is none, or it has not been started.
Result<sys::FileDescriptor> connect_control(const Container::Impl& container);
// One call; `arg` is JSON or empty.
Result<std::string> call_control(const Container::Impl& container, std::string_view method, std::string_view arg = {});

// A further process in it. What `Process` is then, is one of the host's that stands for it: it forwards signals and
// ends with its status.
Result<void> exec_in_sandbox(Container::Impl& container, Process& process);

}  // namespace cella::container
