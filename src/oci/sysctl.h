// Which namespace a sysctl belongs to. Names may have '.' or '/' between their parts, sysctl.d(5).
#pragma once

#include <string>
#include <string_view>

#include "oci/spec.h"

namespace cella::oci {

// Letters, digits, '.', '_', '-', '/'; no empty part, so neither "..", nor a leading or trailing separator.
bool is_sysctl_name(std::string_view name);
// The form with dots: "net/ipv4/conf/eth0.1/x" becomes "net.ipv4.conf.eth0/1.x".
std::string sysctl_with_dots(std::string_view name);

struct SysctlScope {
  enum Kind {
    kNamespaced,  // each namespace of `type` has its own
    kHostname,    // kernel.hostname: the specification has a field for it
    kHostOnly,    // shared by the whole host
  } kind = kHostOnly;
  NamespaceType type = NamespaceType::kUts;
};
SysctlScope sysctl_scope(std::string_view name);

}  // namespace cella::oci
