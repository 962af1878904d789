#include "oci/annotations.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "oci/parse.h"

namespace cella::oci {
namespace {

// "pointer sentence" of what is wrong with an annotation, or of the warning about it.
std::string verdict(const std::string& key, const std::string& value) {
  json::Report report;
  check_known_annotations({{key, value}}, report);
  std::string text;
  for (const Finding& finding : report.findings) text += finding.pointer + " " + finding.message;
  for (const Finding& finding : report.warnings) text += "warning: " + finding.pointer + " " + finding.message;
  return text;
}

TEST(Annotations, GoodValuesPass) {
  const std::pair<const char*, const char*> good[] = {
      {"run.oci.keep_original_groups", "1"},
      {"run.oci.keep_original_groups", "false"},
      {"run.oci.seccomp_fail_unknown_syscall", "true"},
      {"run.oci.seccomp_fail_unknown_syscall", "0"},
      {"run.oci.hooks.stdout", "/dev/stdout"},
      {"run.oci.hooks.stderr", "/log"},
      {"run.oci.pidfd_receiver", "/run/s"},
      {"run.oci.seccomp.receiver", "/run/s"},
      {"run.oci.seccomp_bpf_data", "BgAAAAAA/38="},
      {"run.oci.mount_context_type", "rootcontext"},
      {"run.oci.delegate-cgroup", "/init"},
      {"run.oci.delegate-cgroup", "a/b"},
      {"run.oci.delegate-cgroup", ""},
      {"run.oci.systemd.force_cgroup_v1", "/sys/fs/cgroup"},
      {"run.oci.systemd.subgroup", ""},
      {"org.criu.config", "relative"},
      {"org.systemd.property.TimeoutStopUSec", "uint64 1"},
      {"org.opencontainers.image.created", "yesterday"},
      {"run.ocix", "y"},
  };
  for (auto [key, value] : good) EXPECT_EQ(verdict(key, value), "") << key << "=" << value;
}

TEST(Annotations, OthersAreRefusedWithTheirPlace) {
  struct {
    const char *key, *value, *message;
  } const bad[] = {
      {"run.oci.keep_original_groups", "yes", "must be 0, 1, true or false, not \"yes\""},
      {"run.oci.seccomp_fail_unknown_syscall", "", "must be 0, 1, true or false, not \"\""},
      {"run.oci.hooks.stdout", "log", "must be an absolute path"},
      {"run.oci.hooks.stderr", "", "must not be empty"},
      {"run.oci.pidfd_receiver", "sock", "must be an absolute path"},
      {"run.oci.seccomp.receiver", "/a\nb", "must not contain control characters"},
      {"run.oci.seccomp_bpf_data", "/tmp/filter.bpf", "must be base64"},
      {"run.oci.seccomp_bpf_data", "", "must be whole BPF instructions of 8 bytes each, not 0 bytes"},
      {"run.oci.seccomp_bpf_data", "BgAA", "must be whole BPF instructions of 8 bytes each, not 3 bytes"},
      {"run.oci.mount_context_type", "", "must be context, fscontext, defcontext or rootcontext, not \"\""},
      {"run.oci.delegate-cgroup", "a/../../b", "must not contain \"..\""},
      {"run.oci.systemd.force_cgroup_v1", "sys", "must be an absolute path"},
      {"run.oci.handler", "krun",
       "must not be set: this runtime has no handler \"krun\" to run the program in another way"},
      {"run.oci.seccomp.plugins", "/a.so",
       "must not be set: this runtime loads no plugins; run.oci.seccomp.receiver names a socket for the listener"},
      {"bundle", "/etc", "must not be set: the state keeps the path of the bundle under this name"},
  };
  for (const auto& [key, value, message] : bad) {
    EXPECT_EQ(verdict(key, value), std::string("/annotations/") + key + " " + message);
  }
  std::string many;
  for (int i = 0; i < 4097 * 2; ++i) many += "AAAA";  // 3 bytes
  while (many.size() / 4 * 3 % 8 != 0) many += "AAAA";
  EXPECT_EQ(verdict("run.oci.seccomp_bpf_data", many + many),
            "/annotations/run.oci.seccomp_bpf_data must be at most 4096 instructions");
}

TEST(Annotations, UnknownOnesOfCrunAreWarnedAbout) {
  EXPECT_EQ(verdict("run.oci.new_thing", "1"),
            "warning: /annotations/run.oci.new_thing is not known and has no effect");
}

TEST(Annotations, AReceiverStandsForListenerPath) {
  const std::string config = R"({"ociVersion":"1.3.0","root":{"path":"r"},"linux":{"seccomp":{
    "defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"m","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]}})";
  EXPECT_FALSE(parse_spec(config + "}"));
  EXPECT_TRUE(parse_spec(config + R"(,"annotations":{"run.oci.seccomp.receiver":"/s"}})"));
}

// The manual's list is the table's: what the test prints when they differ is what belongs between .Bl and .El.
TEST(Annotations, TheManualSaysWhatTheTableSays) {
  std::string expected;
  for (const KnownAnnotation& known : known_annotations()) {
    const std::string key(known.key);
    expected += key.ends_with('.') ? ".It Cm " + key + " Ns Ar name" : ".It Cm " + key;
    expected += std::string(" Pq Ar ") + known.value + "\n" + known.manual;
  }
  std::ifstream file("../../docs/man/cella.8", std::ios::binary);
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(page.find(".Bl -tag -width Ds\n" + expected + ".El\n"), std::string::npos) << expected;
}

}  // namespace
}  // namespace cella::oci
