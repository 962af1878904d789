#include "oci/features.h"

#include "json/schema.h"

namespace cella::oci {
namespace {

// Booleans that stand as "name": {"enabled": …}.
struct Enabled {
  static void read(const json::Value&, bool&, json::Report&, const json::Limits&) {}  // it is only ever written
  static void write(bool enabled, json::Writer& writer) {
    writer.begin_object();
    writer.key("enabled");
    writer.boolean(enabled);
    writer.end_object();
  }
  static bool is_empty(bool) { return false; }
};
struct MountExtensions : Enabled {
  static void write(bool idmap, json::Writer& writer) {
    writer.begin_object();
    writer.key("idmap");
    Enabled::write(idmap, writer);
    writer.end_object();
  }
};

}  // namespace

using json::Field;
using json::field;
using json::field_as;
using json::Type;

std::span<const Field<CgroupFeatures>> fields_of(Type<CgroupFeatures>) {
  static constexpr Field<CgroupFeatures> kFields[] = {
      field<&CgroupFeatures::v1>("v1").always(),           field<&CgroupFeatures::v2>("v2").always(),
      field<&CgroupFeatures::systemd>("systemd").always(), field<&CgroupFeatures::systemd_user>("systemdUser").always(),
      field<&CgroupFeatures::rdma>("rdma").always(),
  };
  return kFields;
}

std::span<const Field<SeccompFeatures>> fields_of(Type<SeccompFeatures>) {
  static constexpr Field<SeccompFeatures> kFields[] = {
      field<&SeccompFeatures::enabled>("enabled").always(),
      field<&SeccompFeatures::actions>("actions").always(),
      field<&SeccompFeatures::operators>("operators").always(),
      field<&SeccompFeatures::archs>("archs").always(),
      field<&SeccompFeatures::known_flags>("knownFlags").always(),
      field<&SeccompFeatures::supported_flags>("supportedFlags").always(),
  };
  return kFields;
}

std::span<const Field<IntelRdtFeatures>> fields_of(Type<IntelRdtFeatures>) {
  static constexpr Field<IntelRdtFeatures> kFields[] = {
      field<&IntelRdtFeatures::enabled>("enabled").always(),
      field<&IntelRdtFeatures::schemata>("schemata").always(),
      field<&IntelRdtFeatures::monitoring>("monitoring").always(),
  };
  return kFields;
}

std::span<const Field<MemoryPolicyFeatures>> fields_of(Type<MemoryPolicyFeatures>) {
  static constexpr Field<MemoryPolicyFeatures> kFields[] = {
      field<&MemoryPolicyFeatures::modes>("modes").always(),
      field<&MemoryPolicyFeatures::flags>("flags").always(),
  };
  return kFields;
}

std::span<const Field<LinuxFeatures>> fields_of(Type<LinuxFeatures>) {
  static constexpr Field<LinuxFeatures> kFields[] = {
      field<&LinuxFeatures::namespaces>("namespaces").always(),
      field<&LinuxFeatures::capabilities>("capabilities").always(),
      field<&LinuxFeatures::cgroup>("cgroup").always(),
      field<&LinuxFeatures::seccomp>("seccomp").always(),
      field_as<Enabled, &LinuxFeatures::apparmor>("apparmor").always(),
      field_as<Enabled, &LinuxFeatures::selinux>("selinux").always(),
      field<&LinuxFeatures::intel_rdt>("intelRdt").always(),
      field<&LinuxFeatures::memory_policy>("memoryPolicy").always(),
      field_as<MountExtensions, &LinuxFeatures::idmapped_mounts>("mountExtensions").always(),
      field_as<Enabled, &LinuxFeatures::net_devices>("netDevices").always(),
  };
  return kFields;
}

std::span<const Field<Features>> fields_of(Type<Features>) {
  static constexpr Field<Features> kFields[] = {
      field<&Features::version_min>("ociVersionMin").always(),
      field<&Features::version_max>("ociVersionMax").always(),
      field<&Features::hooks>("hooks").always(),
      field<&Features::mount_options>("mountOptions").always(),
      field<&Features::linux_features>("linux").always(),
      field<&Features::annotations>("annotations").always(),
      field<&Features::unsafe_annotations>("potentiallyUnsafeConfigAnnotations").always(),
  };
  return kFields;
}

std::string to_json(const Features& features) {
  json::Writer writer("    ");
  json::write(features, writer);
  return writer.take();
}

}  // namespace cella::oci
