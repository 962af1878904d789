// Process: one program in a container, before and after it is started. libcontainer's Process.
//
// Filled by the caller, given to Container::start or Container::run, which fill in the pid. The destructor closes the
// pidfd and never kills: a process outlives its handle.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include <cella/config.h>
#include <cella/error.h>

namespace cella {

// What the process sees as standard input, output and error. Descriptors are the caller's and stay open there.
struct Stdio {
  int in = 0;
  int out = 1;
  int err = 2;
};

class Process {
 public:
  Process();
  explicit Process(config::ProcessConfig c);
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  config::ProcessConfig config;
  Stdio stdio;
  // Inherited as 3, 4, … in this order ($LISTEN_FDS' come first, then --preserve-fds'). Not owned.
  std::vector<int> extra_files;
  // Unix socket that receives the pseudoterminal's master (SCM_RIGHTS, one message). Needs config.terminal.
  std::string console_socket;
  // With config.terminal and no console_socket: keep the master here instead; see console().
  bool keep_console = false;
  // Unix socket that receives the pidfd of the process.
  std::string pidfd_socket;
  // Written (pid in decimal, no newline; created or replaced atomically) as soon as the process exists.
  std::string pid_file;
  // exec: a cgroup below the container's, or "" ("--cgroup").
  std::string sub_cgroup;
  // exec: run even though the container is paused (the process then starts frozen).
  bool ignore_paused = false;

  // Makes pipes the standard input, output and error, and returns our ends: to be closed by the caller. The other ends
  // are closed once the process is started. libcontainer's InitializeIO; not for a terminal.
  Result<Stdio> initialize_io();

  // In the caller's pid namespace. kNoProcessOps before the process is started.
  Result<pid_t> pid() const;
  // Readable when the process has ended; poll it. Owned by this object; -1 before the process is started.
  int pidfd() const;
  Result<void> signal(int signal_number) const;
  // Waits for the process, which must be a child of the caller (what start and run started is), and returns its wait
  // status, see wait(2). May be called once.
  Result<int> wait();
  // The master of the terminal with keep_console; owned by this object; -1 otherwise.
  int console() const;

  struct Impl;
  Impl& impl() { return *impl_; }
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// 0…255 of a wait status as a shell gives it: the exit code, or 128 + the signal.
int exit_code_of(int wait_status);

// What a foreground `run` or `exec` does until its process ends: forwards signals to it, and with a kept console puts
// the caller's terminal into raw mode, copies both ways and follows its size.
//
// Made before the process is started, because from then on signals are held back, so that none can end the caller and
// leave the container behind. The destructor gives the calling thread its signal mask and the terminal its mode back.
class Foreground {
 public:
  static Result<Foreground> prepare();
  Foreground(Foreground&&) noexcept;
  Foreground& operator=(Foreground&&) noexcept;
  ~Foreground();

  // Returns the wait status. The process must be a child of the caller.
  Result<int> wait(Process& process);

 private:
  struct Impl;
  explicit Foreground(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cella
