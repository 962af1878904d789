#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "cli/command.h"
#include "cli/duration.h"
#include "cli/output.h"

namespace cella::cli {
namespace {

using std::chrono::milliseconds, std::chrono::nanoseconds, std::chrono::steady_clock;

struct EventsOptions {
  nanoseconds interval = std::chrono::seconds(5);
  bool stats = false;
};

const char* store_interval(void* options, const char* value) {
  const auto interval = parse_duration(value);
  if (!interval) return "must be a duration such as 5s, 500ms or 1m30s";
  if (*interval <= nanoseconds(0)) return "must be greater than 0";
  static_cast<EventsOptions*>(options)->interval = *interval;
  return nullptr;
}

// One line; `data` is JSON, or empty.
std::string event_line(std::string_view type, std::string_view id, std::string_view data) {
  std::string line = "{\"type\":" + json_string(type) + ",\"id\":" + json_string(id);
  if (!data.empty()) line.append(",\"data\":").append(data);
  return line + "}\n";
}

Result<void> print_stats(const Container& container) {
  return print(event_line("stats", container.id(), to_json(TRY(container.stats()))));
}

// How long to wait for `time`, in poll(2)'s milliseconds: not less, so that it does not spin.
int milliseconds_until(steady_clock::time_point time) {
  const auto left = std::chrono::ceil<milliseconds>(time - steady_clock::now()).count();
  return static_cast<int>(std::clamp<decltype(left)>(left, 0, 1 << 30));
}

Result<int> events(Invocation& invocation, const EventsOptions& options) {
  Container container = TRY(invocation.factory().load(invocation.id()));
  if (options.stats) {
    TRY(print_stats(container));
    return 0;
  }
  Notification oom = TRY(container.notify_oom());
  // Of a clock that may have no room for it: a very long interval ends with the container.
  const auto interval = std::min<nanoseconds>(options.interval, std::chrono::hours(24 * 365));
  for (auto next = steady_clock::now() + interval;;) {
    pollfd wait = {oom.fd(), POLLIN, 0};
    if (::poll(&wait, 1, milliseconds_until(next)) < 0 && errno != EINTR) return system_error(errno, "poll");
    if (wait.revents != 0) {
      const Notification::Kind kind = TRY(oom.receive());
      if (kind == Notification::Kind::kEnd) return 0;
      if (kind == Notification::Kind::kEvent) TRY(print(event_line("oom", container.id(), "")));
    }
    if (steady_clock::now() < next) continue;
    const Result<void> printed = print_stats(container);
    // Its end will be told by the next turn.
    if (!printed && printed.error().code != ErrorCode::kContainerNotRunning) return std::unexpected(printed.error());
    next = std::max(next + interval, steady_clock::now());
  }
}

constexpr auto kOptions = std::to_array<Option>({
    {"interval", nullptr, "DURATION", "time between statistics (default: 5s)", store_interval},
    {"stats", nullptr, nullptr, "show the statistics once and exit", into<EventsOptions, &EventsOptions::stats>},
});

}  // namespace

constinit const Command kEvents = {
    .name = "events",
    .summary = "show statistics and events of a container",
    .usage = "ID",
    .details =
        "A line of JSON for each: {\"type\":\"stats\",...} every interval, {\"type\":\"oom\",...} when the\n"
        "kernel ran out of the container's memory. Ends when the container stops.\n",
    .options = kOptions,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = with_options<EventsOptions, events>,
};

}  // namespace cella::cli
