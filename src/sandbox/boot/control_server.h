// ControlServer: answers the calls of control.h. Without threads of its own: whoever runs the kernel polls for it.
#pragma once

#include <poll.h>

#include <list>
#include <memory>
#include <vector>

#include "sandbox/boot/control.h"
#include "sandbox/fs/host/host_fd.h"
#include "sandbox/task/task.h"

namespace cella::sandbox::boot {

class ControlServer {
 public:
  // `listener`: a listening socket, may be empty. The kernel and the poller must outlive the server.
  ControlServer(task::Kernel& kernel, fs::HostPoller& poller, sys::FileDescriptor listener, std::string id);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // What to poll for, added to `fds`; and what to do when that is done, with the same entries. Without the kernel lock.
  void add_to(std::vector<pollfd>& fds) const;
  void handle(std::span<const pollfd> fds);
  // What has been asked for already.
  void handle_waiting();
  // With the kernel lock: does somebody wait for the end of a process, and the answers for those that have ended.
  bool has_waits() const;
  void answer_waits();
  // application.Start has come.
  bool is_started() const { return is_started_; }
  // There is nothing to be started any more.
  void set_started() { is_started_ = true; }

 private:
  struct Connection;
  struct Method;
  void accept();
  void serve(Connection& connection);
  void handle_call(Connection& connection, const std::string& line);

  // What the methods do; the text of the result. With the kernel lock.
  Result<std::string> start(Connection&, const json::Value&);
  Result<std::string> processes(Connection&, const json::Value&);
  Result<std::string> execute(Connection& connection, const json::Value& arg);
  Result<std::string> signal(Connection&, const json::Value& arg);
  Result<std::string> resize(Connection&, const json::Value& arg);
  Result<std::string> update(Connection&, const json::Value& arg);
  Result<std::string> event(Connection&, const json::Value&);
  Result<std::string> create_links_and_routes(Connection&, const json::Value&);

  task::Kernel& kernel_;
  fs::HostPoller& poller_;
  sys::FileDescriptor listener_;
  std::string id_;
  std::list<Connection> connections_;
  bool is_started_ = false;
};

}  // namespace cella::sandbox::boot
