#include <cella/factory.h>

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "base/result.h"
#include "config/capabilities.h"
#include "container/bundle.h"
#include "container/container_impl.h"
#include "container/host_facts.h"
#include "container/ignored.h"
#include "container/intel_rdt.h"
#include "container/lint_bundle.h"
#include "container/sandbox.h"
#include "oci/default_spec.h"
#include "oci/parse.h"
#include "plan/print.h"
#include "plan/supported.h"
#include "sys/file.h"
#include "sys/process.h"
#include "version.h"

namespace cella {
namespace {

using container::StateDirectory;

std::string absolute(const std::string& path) {
  if (path.empty() || path[0] == '/') return path;
  char* directory = ::getcwd(nullptr, 0);
  if (directory == nullptr) return path;
  std::string result = fmt::format("{}/{}", directory, path);
  ::free(directory);
  return result;
}

Result<Container> load_from(const std::shared_ptr<const FactoryOptions>& options, StateDirectory directory) {
  auto impl = std::make_unique<Container::Impl>();
  std::string text = TRY(directory.read_state());
  impl->options = options;
  impl->state = TRY(config::parse_state(text), "state.json of container {}", directory.id());
  impl->config = impl->state->config;
  impl->directory = std::move(directory);
  return Container(std::move(impl));
}

// Kills what runs in it and waits for the end of it.
Result<void> kill_container(Container& container) {
  Container::Impl& impl = container.impl();
  Result<sys::FileDescriptor> init = impl.open_init();
  TRY(container.signal_all(SIGKILL));
  if (!init) return {};
  (void)sys::pidfd_signal(init->get(), SIGKILL);
  constexpr int kTimeoutMs = 10'000;
  if (!TRY(sys::wait_readable(init->get(), kTimeoutMs), "waiting for container {}", container.id())) {
    return base::fail(ErrorCode::kSystemError, "container {} is still running 10 s after SIGKILL", container.id());
  }
  return {};
}

}  // namespace

struct Factory::Impl {
  std::shared_ptr<const FactoryOptions> options;

  // Looked at only where it matters: most commands have nothing to do with it.
  bool rootless() const {
    return options->rootless ? *options->rootless : ::geteuid() != 0 || !container::is_privileged();
  }
  void warn_of_devices(const std::vector<std::string>& texts) const {
    if (!options->on_warning) return;
    for (const std::string& text : texts) options->on_warning({"/linux/netDevices", text});
  }
};

std::string default_root() {
  if (::geteuid() != 0) {
    if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime != nullptr && *runtime != '\0') {
      return fmt::format("{}/cella", runtime);
    }
  }
  return "/run/cella";
}

Factory::Factory(FactoryOptions options) : impl_(std::make_unique<Impl>()) {
  options.root = options.root.empty() ? default_root() : absolute(options.root);
  options.sandbox_log = absolute(options.sandbox_log);
  impl_->options = std::make_shared<const FactoryOptions>(std::move(options));
}
Factory::Factory(Factory&&) noexcept = default;
Factory& Factory::operator=(Factory&&) noexcept = default;
Factory::~Factory() = default;

Result<Bundle> Factory::load_bundle(std::string_view id, std::string_view path, const BundleOptions& options) const {
  return container::read_bundle(*impl_->options, impl_->rootless(), id, std::string(path), options);
}

Result<std::vector<Diagnosis>> Factory::lint(std::string_view path, const BundleOptions& options) const {
  return container::lint_bundle(*impl_->options, impl_->rootless(), std::string(path), options);
}

Result<config::ProcessConfig> Factory::load_process(std::string_view path) const {
  return container::read_process(*impl_->options, std::string(path));
}

Result<config::Resources> Factory::parse_resources(std::string_view json) const {
  return container::read_resources(*impl_->options, json);
}

Result<Container> Factory::create(std::string_view id, config::Config config) {
  TRY(plan::check_supported(config));
  TRY(sandbox::boot::is_asked_for(config.labels));
  auto impl = std::make_unique<Container::Impl>();
  impl->directory = TRY(StateDirectory::create(impl_->options->root, id));
  impl->options = impl_->options;
  impl->config = std::move(config);
  if (impl->config.version.empty()) impl->config.version = oci_version();
  impl->reserved = true;
  return Container(std::move(impl));
}

Result<Container> Factory::load(std::string_view id) const {
  return load_from(impl_->options, TRY(StateDirectory::open(impl_->options->root, id)));
}

Result<std::vector<OciState>> Factory::list() const {
  std::vector<OciState> states;
  for (const std::string& id : TRY(container::list_ids(impl_->options->root))) {
    Result<Container> container = load(id);
    if (!container) {
      if (container.error().code != ErrorCode::kContainerNotExists && impl_->options->on_warning) {
        impl_->options->on_warning({"", container.error().text()});
      }
      continue;
    }
    Result<OciState> state = container->oci_state();
    if (state) states.push_back(std::move(*state));
  }
  return states;
}

Result<PlanText> Factory::plan_create(std::string_view id, const config::Config& config, const Process& process) const {
  TRY(container::check_id(id));
  TRY(plan::check_supported(config));
  std::string name(id);
  cgroup::Layout layout = TRY(cgroup::detect(), "looking for cgroups");
  TRY(container::check_delegation(config, layout));
  cgroup::Paths paths = TRY(cgroup::container_paths(layout, config.cgroups, name), "linux.cgroupsPath");
  std::vector<Finding> ignored;
  plan::Facts facts = TRY(container::host_facts(config, layout, paths, &ignored));
  const bool is_sandbox = TRY(sandbox::boot::is_asked_for(config.labels));
  const config::ProcessConfig grantable = TRY(container::grantable(process.config, config, ignored));
  if (is_sandbox) TRY(container::note_sandbox(config, ignored));
  TRY(container::settle(*impl_->options, std::move(ignored)));
  TRY(container::check_sysctls(config));
  TRY(container::plan_rdt_group(config, name));
  plan::StartOptions options;
  options.id = name;
  options.console_socket = process.keep_console || !process.console_socket.empty();
  options.extra_files = static_cast<uint32_t>(process.extra_files.size());
  if (is_sandbox) {
    const container::SandboxPlan sandbox =
        TRY(container::plan_sandbox(*impl_->options, name, config, grantable, facts, process.extra_files.size()));
    options.extra_files = sandbox.extra_files;
    options.open_program = true;
    plan::Built built = TRY(plan::build_create(sandbox.jail.config, sandbox.jail.process, facts, options));
    return PlanText{plan::to_text(built.plan), plan::to_json(built.plan)};
  }
  plan::Built built = TRY(plan::build_create(config, grantable, facts, options));
  return PlanText{plan::to_text(built.plan), plan::to_json(built.plan)};
}

Result<void> Factory::destroy(std::string_view id, bool force) {
  Result<StateDirectory> opened = StateDirectory::open(impl_->options->root, id);
  if (!opened) {
    if (force && opened.error().code == ErrorCode::kContainerNotExists) return {};
    return std::unexpected(std::move(opened).error());
  }
  StateDirectory directory = std::move(*opened);
  constexpr int kLockTimeoutMs = 10'000;
  Result<void> locked = directory.lock(force ? 0 : kLockTimeoutMs);
  if (!locked && force && locked.error().code != ErrorCode::kContainerNotExists) {
    // A start whose hook hangs lets go when init dies.
    if (Result<Container> container = load(id)) (void)kill_container(*container);
    locked = directory.lock(kLockTimeoutMs);
  }
  if (!locked) {
    if (force && locked.error().code == ErrorCode::kContainerNotExists) return {};
    return locked;
  }
  Result<std::string> state = directory.read_state();
  if (!state) {
    // Half made, and whoever made it is gone: we have its lock.
    if (state.error().code != ErrorCode::kContainerNotExists || !force)
      return std::unexpected(std::move(state).error());
    std::vector<std::string> warnings;
    Result<void> removed = container::remove_remains(directory, warnings);
    impl_->warn_of_devices(warnings);
    return removed;
  }
  Container container = TRY(load_from(impl_->options, std::move(directory)));
  if (force) TRY(kill_container(container));
  return container.destroy();
}

std::string default_spec_json(bool rootless) {
  oci::DefaultSpecOptions options;
  options.rootless = rootless;
  options.uid = ::geteuid();
  options.gid = ::getegid();
  Result<cgroup::Layout> layout = cgroup::detect();
  options.cgroup_namespace = layout && layout->kind == cgroup::Layout::kV2;
  return oci::to_json(oci::default_spec(options));
}

std::optional<uint64_t> capability_bit(std::string_view name) {
  // "chown" and "cap_chown" as capsh(1) takes them, "CAP_CHOWN" as the specification writes it.
  std::string full;
  for (char c : name) full += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (!full.starts_with("CAP_")) full.insert(0, "CAP_");
  std::optional<int> number = config::capability_from_name(full);
  if (!number) return std::nullopt;
  return uint64_t{1} << *number;
}

const char* version() {
  return CELLA_VERSION;
}
const char* oci_version() {
  return oci::kSpecVersion;
}
const char* commit() {
  return CELLA_COMMIT;
}

}  // namespace cella
