// Every rule that refuses a config.json: the place and the sentence.
#include <gtest/gtest.h>

#include <string>

#include "oci/parse.h"

namespace cella::oci {
namespace {

enum In { kWhole, kTop, kProcess, kLinux, kBareLinux, kResources, kSeccomp, kMount };

// A good configuration with `json` in one of its objects.
std::string config(In in, const std::string& json) {
  const std::string head = R"({"ociVersion":"1.3.0","root":{"path":"rootfs"},)";
  const std::string namespaces =
      R"("namespaces":[{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},)"
      R"({"type":"cgroup"},{"type":"time"}],)";
  switch (in) {
    case kWhole:
      return json;
    case kTop:
      return head + json + "}";
    case kProcess:
      return head + R"("process":{"cwd":"/","args":["sh"],)" + json + "}}";
    case kLinux:
      return head + R"("linux":{)" + namespaces + json + "}}";
    case kBareLinux:
      return head + R"("linux":{)" + json + "}}";
    case kResources:
      return head + R"("linux":{"resources":{)" + json + "}}}";
    case kSeccomp:
      return head + R"("linux":{"seccomp":{)" + json + "}}}";
    case kMount:
      return head + R"("mounts":[{)" + json + "}]}";
  }
  return "";
}

struct Case {
  In in;
  std::string json;
  std::string findings;  // "pointer sentence", a line each
};

const std::string kLong(4096, 'x');
const std::string kVeryLong(131072, 'x');
const std::string kNul = "\\u0000";

std::string many(const char* text, size_t count) {
  std::string all;
  while (count-- > 0) all += text;
  return all;
}

const Case kCases[] = {
    // The document.
    {kWhole, "{]", " is not valid JSON: line 1, column 2: a member's name is expected here"},
    {kWhole, "[]", " must be an object, not an array"},
    {kWhole, "{}", "/ociVersion is required\n/root is required on Linux"},
    {kWhole, R"({"ociVersion":"1.3.0","root":null})", "/root is required on Linux"},
    {kTop, R"("hostname":"a","hostname":"b")", "/hostname is given more than once"},
    {kWhole, R"({"ociVersion":1,"root":{"path":"r"}})", "/ociVersion must be a string, not 1"},
    {kWhole, R"({"ociVersion":"","root":{"path":"r"}})", "/ociVersion must be a version such as \"1.3.0\", not \"\""},
    {kWhole, R"({"ociVersion":"1.3","root":{"path":"r"}})",
     "/ociVersion must be a version such as \"1.3.0\", not \"1.3\""},
    {kWhole, R"({"ociVersion":"1.03.0","root":{"path":"r"}})",
     "/ociVersion must be a version such as \"1.3.0\", not \"1.03.0\""},
    {kWhole, R"({"ociVersion":"1.3.0 ","root":{"path":"r"}})",
     "/ociVersion must be a version such as \"1.3.0\", not \"1.3.0 \""},
    {kWhole, R"({"ociVersion":"1.3.0-","root":{"path":"r"}})",
     "/ociVersion must be a version such as \"1.3.0\", not \"1.3.0-\""},
    {kWhole, R"({"ociVersion":"2.0.0","root":{"path":"r"}})",
     "/ociVersion must be a version 1 of the specification, or before, not \"2.0.0\""},
    {kWhole, R"({"ociVersion":"1.0.0","root":{}})", "/root/path is required"},
    {kWhole, R"({"ociVersion":"1.0.0","root":{"path":""}})", "/root/path must not be empty"},
    {kWhole, R"({"ociVersion":"1.0.0","root":{"path":"a\nb"}})", "/root/path must not contain control characters"},
    {kWhole, R"({"ociVersion":"1.0.0","root":{"path":")" + kLong + R"("}})",
     "/root/path must be at most 4095 bytes long"},
    {kWhole, R"({"ociVersion":"1.0.0","root":{"path":"r","readonly":"yes"}})",
     "/root/readonly must be true or false, not a string"},
    {kTop, R"("annotations":{"":"x"})", "/annotations/ must have a key that is not empty"},
    {kTop, R"("annotations":{"a/b":1})", "/annotations/a~1b must be a string, not 1"},
    {kTop, R"("annotations":[])", "/annotations must be an object, not an array"},
    // Host names.
    {kTop, R"("hostname":"h")", "/hostname needs a uts namespace in /linux/namespaces"},
    {kTop, R"("domainname":"d")", "/domainname needs a uts namespace in /linux/namespaces"},
    {kTop, R"("linux":{"namespaces":[{"type":"uts"}]},"hostname":")" + std::string(65, 'h') + "\"",
     "/hostname must be at most 64 bytes long, not 65"},
    {kTop, R"("linux":{"namespaces":[{"type":"uts"}]},"domainname":")" + std::string(65, 'h') + "\"",
     "/domainname must be at most 64 bytes long, not 65"},
    {kTop, R"("hostname":"a)" + kNul + "\"", "/hostname must not contain NUL"},
    // The process.
    {kTop, R"("process":{})", "/process/cwd is required\n/process/args must have at least one entry"},
    {kTop, R"("process":{"cwd":"/","args":[]})", "/process/args must have at least one entry"},
    {kTop, R"("process":{"cwd":"","args":["a"]})", "/process/cwd must not be empty"},
    {kTop, R"("process":{"cwd":"tmp","args":["a"]})", "/process/cwd must be an absolute path"},
    {kTop, R"("process":{"cwd":"/\u0007","args":["a"]})", "/process/cwd must not contain control characters"},
    {kTop, R"("process":{"cwd":"/","args":"sh"})", "/process/args must be an array, not a string"},
    {kTop, R"("process":{"cwd":"/","args":["sh",1]})", "/process/args/1 must be a string, not 1"},
    {kTop, R"("process":{"cwd":"/","args":["sh",null]})", "/process/args/1 must be a string, not null"},
    {kTop, R"("process":{"cwd":"/","args":["sh","a)" + kNul + R"("]})", "/process/args/1 must not contain NUL"},
    {kProcess, R"("env":["A=1","B"])", "/process/env/1 must have the form NAME=value, not \"B\""},
    {kProcess, R"("env":["=1"])", "/process/env/0 must have a name before the '='"},
    {kProcess, R"("env":["A=)" + kNul + "\"]", "/process/env/0 must not contain NUL"},
    {kProcess, R"("terminal":1)", "/process/terminal must be true or false, not 1"},
    {kProcess, R"("user":{"uid":-1})", "/process/user/uid must be an integer between 0 and 4294967295, not -1"},
    {kProcess, R"("user":{"uid":4294967296})",
     "/process/user/uid must be an integer between 0 and 4294967295, not 4294967296"},
    {kProcess, R"("user":{"gid":"0"})", "/process/user/gid must be an integer between 0 and 4294967295, not a string"},
    {kProcess, R"("user":{"uid":1.5})", "/process/user/uid must be an integer between 0 and 4294967295, not 1.5"},
    {kProcess, R"("user":{"uid":4294967295,"gid":4294967295,"additionalGids":[1,4294967295]})",
     "/process/user/uid must not be 4294967295, which stands for no user\n"
     "/process/user/gid must not be 4294967295, which stands for no group\n"
     "/process/user/additionalGids/1 must not be 4294967295, which stands for no group"},
    {kProcess, R"("user":{"umask":512})", "/process/user/umask must be at most 511 (0777), not 512"},
    {kProcess, R"("terminal":true,"consoleSize":{"height":65536,"width":70000})",
     "/process/consoleSize/height must be at most 65535\n/process/consoleSize/width must be at most 65535"},
    {kProcess, R"("consoleSize":{"height":5})", "/process/consoleSize/width is required"},
    {kProcess, R"("oomScoreAdj":1001)", "/process/oomScoreAdj must be an integer between -1000 and 1000, not 1001"},
    {kProcess, R"("oomScoreAdj":-1001)", "/process/oomScoreAdj must be an integer between -1000 and 1000, not -1001"},
    {kProcess, R"("apparmorProfile":"a\nb")", "/process/apparmorProfile must not contain control characters"},
    {kProcess, R"("selinuxLabel":"a)" + kNul + "\"", "/process/selinuxLabel must not contain NUL"},
    {kProcess, R"("capabilities":{"bounding":"CAP_KILL"})",
     "/process/capabilities/bounding must be an array, not a string"},
    {kProcess, R"("rlimits":[{"type":"RLIMIT_FOO","soft":1,"hard":1}])",
     "/process/rlimits/0/type must be one of \"RLIMIT_CPU\", \"RLIMIT_FSIZE\", \"RLIMIT_DATA\", \"RLIMIT_STACK\", "
     "\"RLIMIT_CORE\", \"RLIMIT_RSS\", \"RLIMIT_NPROC\", \"RLIMIT_NOFILE\", \"RLIMIT_MEMLOCK\", \"RLIMIT_AS\", "
     "\"RLIMIT_LOCKS\", \"RLIMIT_SIGPENDING\", \"RLIMIT_MSGQUEUE\", \"RLIMIT_NICE\", \"RLIMIT_RTPRIO\", "
     "\"RLIMIT_RTTIME\", not \"RLIMIT_FOO\""},
    {kProcess, R"("rlimits":[{"type":"RLIMIT_AS","soft":2,"hard":1}])",
     "/process/rlimits/0/soft must not exceed the hard limit of 1, but is 2"},
    {kProcess, R"("rlimits":[{"type":"RLIMIT_AS","soft":1,"hard":1},{"type":"RLIMIT_AS","soft":1,"hard":1}])",
     "/process/rlimits/1/type must be given once, RLIMIT_AS is a duplicate"},
    {kProcess, R"("rlimits":[{"type":"RLIMIT_AS"}])",
     "/process/rlimits/0/hard is required\n/process/rlimits/0/soft is required"},
    {kProcess, R"("rlimits":[{"type":"RLIMIT_AS","soft":-1,"hard":-1}])",
     "/process/rlimits/0/soft must be an integer between 0 and 18446744073709551615, not -1\n"
     "/process/rlimits/0/hard must be an integer between 0 and 18446744073709551615, not -1"},
    {kProcess, R"("scheduler":{})", "/process/scheduler/policy is required"},
    {kProcess, R"("scheduler":{"policy":"SCHED_FOO"})",
     "/process/scheduler/policy must be one of \"SCHED_OTHER\", \"SCHED_FIFO\", \"SCHED_RR\", \"SCHED_BATCH\", "
     "\"SCHED_ISO\", \"SCHED_IDLE\", \"SCHED_DEADLINE\", not \"SCHED_FOO\""},
    {kProcess, R"("scheduler":{"policy":"SCHED_OTHER","nice":20})",
     "/process/scheduler/nice must be between -20 and 19, not 20"},
    {kProcess, R"("scheduler":{"policy":"SCHED_FIFO"})",
     "/process/scheduler/priority must be between 1 and 99 with SCHED_FIFO, not 0"},
    {kProcess, R"("scheduler":{"policy":"SCHED_RR","priority":100})",
     "/process/scheduler/priority must be between 1 and 99 with SCHED_RR, not 100"},
    {kProcess, R"("scheduler":{"policy":"SCHED_BATCH","priority":1})",
     "/process/scheduler/priority is only allowed with SCHED_FIFO and SCHED_RR, not with SCHED_BATCH"},
    {kProcess, R"("scheduler":{"policy":"SCHED_IDLE","runtime":1,"deadline":2,"period":3})",
     "/process/scheduler/runtime is only allowed with SCHED_DEADLINE, not with SCHED_IDLE\n"
     "/process/scheduler/deadline is only allowed with SCHED_DEADLINE, not with SCHED_IDLE\n"
     "/process/scheduler/period is only allowed with SCHED_DEADLINE, not with SCHED_IDLE"},
    {kProcess, R"("scheduler":{"policy":"SCHED_DEADLINE"})",
     "/process/scheduler/runtime must be given with SCHED_DEADLINE"},
    {kProcess, R"("scheduler":{"policy":"SCHED_DEADLINE","runtime":3,"deadline":2,"period":1})",
     "/process/scheduler/deadline must not be less than the runtime\n"
     "/process/scheduler/period must not be less than the deadline"},
    {kProcess, R"("scheduler":{"policy":"SCHED_OTHER","flags":["X"]})",
     "/process/scheduler/flags/0 must be one of \"SCHED_FLAG_RESET_ON_FORK\", \"SCHED_FLAG_RECLAIM\", "
     "\"SCHED_FLAG_DL_OVERRUN\", \"SCHED_FLAG_KEEP_POLICY\", \"SCHED_FLAG_KEEP_PARAMS\", "
     "\"SCHED_FLAG_UTIL_CLAMP_MIN\", \"SCHED_FLAG_UTIL_CLAMP_MAX\", not \"X\""},
    {kProcess, R"("ioPriority":{"priority":1})", "/process/ioPriority/class is required"},
    {kProcess, R"("ioPriority":{"class":"IOPRIO_CLASS_RT","priority":8})",
     "/process/ioPriority/priority must be between 0 and 7, not 8"},
    {kProcess, R"("ioPriority":{"class":"RT"})",
     "/process/ioPriority/class must be one of \"IOPRIO_CLASS_RT\", \"IOPRIO_CLASS_BE\", \"IOPRIO_CLASS_IDLE\", not "
     "\"RT\""},
    {kProcess, R"("execCPUAffinity":{"initial":"a","final":"3-1"})",
     "/process/execCPUAffinity/initial must be a list of numbers and ranges such as \"0-3,7\"\n"
     "/process/execCPUAffinity/final has a range whose end is below its start"},
    {kProcess, R"("execCPUAffinity":{"initial":"65536"})", "/process/execCPUAffinity/initial has a number above 65535"},
    // Mounts.
    {kTop, R"("mounts":[{}])", "/mounts/0/destination is required"},
    {kTop, R"("mounts":{})", "/mounts must be an array, not an object"},
    {kMount, R"("destination":"")", "/mounts/0/destination must not be empty"},
    {kMount, R"("destination":"/a)" + kNul + "\"", "/mounts/0/destination must not contain NUL"},
    {kMount, R"("destination":"/)" + kLong + "\"", "/mounts/0/destination must be at most 4095 bytes long"},
    {kMount, R"("destination":"/a","source":"/b\r")", "/mounts/0/source must not contain control characters"},
    {kMount, R"("destination":"/a","type":"tm\tpfs")", "/mounts/0/type must not contain control characters"},
    {kMount, R"("destination":"/a","options":["ro","x)" + kNul + "\"]", "/mounts/0/options/1 must not contain NUL"},
    {kMount, R"("destination":"/a","uidMappings":[{"containerID":0,"hostID":0,"size":1}])",
     "/mounts/0/gidMappings must be given, as the other mapping is"},
    {kMount, R"("destination":"/a","gidMappings":[{"containerID":0,"hostID":0,"size":1}])",
     "/mounts/0/uidMappings must be given, as the other mapping is"},
    {kMount,
     R"("destination":"/a","gidMappings":[{"containerID":0,"hostID":0,"size":0}],)"
     R"("uidMappings":[{"containerID":0,"hostID":0}])",
     "/mounts/0/uidMappings/0/size is required\n/mounts/0/gidMappings/0/size must not be 0"},
    // Hooks.
    {kTop, R"("hooks":{"prestart":[{}]})", "/hooks/prestart/0/path is required"},
    {kTop, R"("hooks":{"poststop":[{"path":"/a"},{"path":"b"}]})", "/hooks/poststop/1/path must be an absolute path"},
    {kTop, R"("hooks":{"createRuntime":[{"path":"/a","timeout":0}]})",
     "/hooks/createRuntime/0/timeout must be an integer between 1 and 2147483647, not 0"},
    {kTop, R"("hooks":{"poststart":[{"path":"/a","timeout":-5}]})",
     "/hooks/poststart/0/timeout must be an integer between 1 and 2147483647, not -5"},
    {kTop, R"("hooks":{"startContainer":[{"path":"/a","args":["a)" + kNul + R"("]}]})",
     "/hooks/startContainer/0/args/0 must not contain NUL"},
    {kTop, R"("hooks":{"createContainer":[{"path":"/a","env":["a","b)" + kNul + R"("]}]})",
     "/hooks/createContainer/0/env/1 must not contain NUL"},
    // Namespaces and id maps.
    {kBareLinux, R"("namespaces":[{"type":"net"}])",
     "/linux/namespaces/0/type must be one of \"pid\", \"network\", \"mount\", \"ipc\", \"uts\", \"user\", \"cgroup\", "
     "\"time\", not \"net\""},
    {kBareLinux, R"("namespaces":[{"path":"/x"}])", "/linux/namespaces/0/type is required"},
    {kBareLinux, R"("namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"pid","path":"/p"}])",
     "/linux/namespaces/2/type must be given once, \"pid\" is a duplicate"},
    {kBareLinux, R"("namespaces":[{"type":"pid","path":"proc/1/ns/pid"}])",
     "/linux/namespaces/0/path must be an absolute path"},
    {kTop, R"("hostname":"h","linux":{"namespaces":7})", "/linux/namespaces must be an array, not 7"},
    {kBareLinux, R"("namespaces":[{"type":"user"}])",
     "/linux/uidMappings is required by the new user namespace\n/linux/gidMappings is required by the new user "
     "namespace"},
    {kLinux, R"("uidMappings":[{"containerID":0,"hostID":0,"size":1}])",
     "/linux/uidMappings needs a user namespace in /linux/namespaces"},
    {kBareLinux,
     R"("namespaces":[{"type":"user"}],"gidMappings":[{"containerID":0,"hostID":0,"size":1}],)"
     R"("uidMappings":[{"containerID":0,"hostID":100,"size":10},{"containerID":10,"hostID":200,"size":0}])",
     "/linux/uidMappings/1/size must not be 0"},
    {kBareLinux,
     R"("namespaces":[{"type":"user"}],"gidMappings":[{"containerID":0,"hostID":0,"size":1}],)"
     R"("uidMappings":[{"containerID":0,"hostID":100,"size":10},{"containerID":9,"hostID":200,"size":5}])",
     "/linux/uidMappings/1/containerID begins a range that overlaps that of entry 0"},
    {kBareLinux,
     R"("namespaces":[{"type":"user"}],"uidMappings":[{"containerID":0,"hostID":0,"size":1}],)"
     R"("gidMappings":[{"containerID":0,"hostID":105,"size":10},{"containerID":50,"hostID":100,"size":6}])",
     "/linux/gidMappings/0/hostID begins a range that overlaps that of entry 1"},
    {kBareLinux,
     R"("namespaces":[{"type":"user"}],"uidMappings":[{"containerID":0,"hostID":0,"size":1}],)"
     R"("gidMappings":[{"containerID":4294967295,"hostID":0,"size":2}])",
     "/linux/gidMappings/0/size makes the range go beyond the last id, 4294967295"},
    {kLinux, R"("timeOffsets":{"realtime":{"secs":1}})",
     "/linux/timeOffsets/realtime must be \"monotonic\" or \"boottime\", not \"realtime\""},
    {kLinux, R"("timeOffsets":{"monotonic":{"nanosecs":1000000000}})",
     "/linux/timeOffsets/monotonic/nanosecs must be an integer between 0 and 999999999, not 1000000000"},
    {kBareLinux, R"("timeOffsets":{"monotonic":{"secs":1}})",
     "/linux/timeOffsets needs a time namespace in /linux/namespaces"},
    {kBareLinux, R"("namespaces":[{"type":"time","path":"/t"}],"timeOffsets":{"monotonic":{"secs":1}})",
     "/linux/timeOffsets must not be given with a time namespace to join"},
    // Sysctls.
    {kLinux, R"("sysctl":{"kernel.panic":"1"})",
     "/linux/sysctl/kernel.panic belongs to no namespace and would change the host"},
    {kLinux, R"("sysctl":{"vm/swappiness":"1"})",
     "/linux/sysctl/vm~1swappiness belongs to no namespace and would change the host"},
    {kLinux, R"("sysctl":{"kernel.hostname":"h"})", "/linux/sysctl/kernel.hostname must be set with /hostname"},
    {kBareLinux, R"("sysctl":{"kernel.shmmax":"1"})",
     "/linux/sysctl/kernel.shmmax needs an ipc namespace in /linux/namespaces"},
    {kBareLinux, R"("sysctl":{"fs.mqueue.msg_max":"1"})",
     "/linux/sysctl/fs.mqueue.msg_max needs an ipc namespace in /linux/namespaces"},
    {kBareLinux, R"("sysctl":{"net.core.somaxconn":"1"})",
     "/linux/sysctl/net.core.somaxconn needs a network namespace in /linux/namespaces"},
    {kBareLinux, R"("sysctl":{"net/ipv4/conf/eth0.1/rp_filter":"1"})",
     "/linux/sysctl/net~1ipv4~1conf~1eth0.1~1rp_filter needs a network namespace in /linux/namespaces"},
    {kBareLinux, R"("sysctl":{"kernel.domainname":"d"})",
     "/linux/sysctl/kernel.domainname needs a uts namespace in /linux/namespaces"},
    {kLinux, R"("sysctl":{"user.max_net_namespaces":"1"})",
     "/linux/sysctl/user.max_net_namespaces needs a user namespace in /linux/namespaces"},
    {kTop, R"("domainname":"d","linux":{"namespaces":[{"type":"uts"}],"sysctl":{"kernel.domainname":"e"}})",
     "/linux/sysctl/kernel.domainname conflicts with /domainname"},
    {kLinux, R"("sysctl":{"net/../kernel/panic":"1"})",
     "/linux/sysctl/net~1..~1kernel~1panic must be named with letters, digits, '.', '_', '-' and '/'"},
    {kLinux, R"("sysctl":{"/net/core/x":"1"})",
     "/linux/sysctl/~1net~1core~1x must be named with letters, digits, '.', '_', '-' and '/'"},
    {kLinux, R"("sysctl":{"net.ipv4.*":"1"})",
     "/linux/sysctl/net.ipv4.* must be named with letters, digits, '.', '_', '-' and '/'"},
    {kLinux, R"("sysctl":{"":"1"})", "/linux/sysctl/ must be named with letters, digits, '.', '_', '-' and '/'"},
    {kLinux, R"("sysctl":{"net.core.x":1})", "/linux/sysctl/net.core.x must be a string, not 1"},
    // Devices.
    {kLinux, R"("devices":[{}])", "/linux/devices/0/path is required\n/linux/devices/0/type is required"},
    {kLinux, R"("devices":[{"path":"dev/x","type":"p"}])", "/linux/devices/0/path must be an absolute path"},
    {kLinux, R"("devices":[{"path":"/dev/x","type":"a","major":1,"minor":1}])",
     "/linux/devices/0/type must be \"b\", \"c\", \"u\" or \"p\", not \"a\""},
    {kLinux, R"("devices":[{"path":"/dev/x","type":"c"}])",
     "/linux/devices/0/major is required for a device of type \"c\"\n"
     "/linux/devices/0/minor is required for a device of type \"c\""},
    {kLinux, R"("devices":[{"path":"/dev/x","type":"b","major":4096,"minor":-1}])",
     "/linux/devices/0/major must be between 0 and 4095, not 4096\n"
     "/linux/devices/0/minor must be between 0 and 1048575, not -1"},
    {kLinux, R"("devices":[{"path":"/dev/x","type":"p","fileMode":65536}])",
     "/linux/devices/0/fileMode must be at most 65535 (0177777), not 65536"},
    {kLinux, R"("devices":[{"path":"/dev/x","type":"p","uid":-2}])",
     "/linux/devices/0/uid must be an integer between 0 and 4294967295, not -2"},
    {kLinux, R"("devices":[{"path":"/dev/x","type":"p"},{"path":"/dev/x","type":"p","uid":1}])",
     "/linux/devices/1/path must be given once: entry 0 has another device there"},
    // Network devices.
    {kBareLinux, R"("netDevices":{"a/b":{}})",
     "/linux/netDevices/a~1b must be named after a network interface (1 to 15 bytes), not \"a/b\""},
    {kLinux, R"("netDevices":{"eth0":{"name":23}})", "/linux/netDevices/eth0/name must be a string, not 23"},
    {kLinux, R"("netDevices":{"abcdefghijklmnop":{}})",
     "/linux/netDevices/abcdefghijklmnop must be named after a network interface (1 to 15 bytes), not "
     "\"abcdefghijklmnop\""},
    {kLinux, R"("netDevices":{"eth0":{"name":"a/b"}})",
     "/linux/netDevices/eth0/name must be a legal name of a network interface (1 to 15 bytes), not \"a/b\""},
    {kLinux, R"("netDevices":{"eth0":{"name":".."}})",
     "/linux/netDevices/eth0/name must be a legal name of a network interface (1 to 15 bytes), not \"..\""},
    {kLinux, R"("netDevices":{"eth0":{"name":"a"},"eth1":{"name":"a"}})",
     "/linux/netDevices/eth1/name must differ from those of the other devices"},
    // Paths below linux.
    {kLinux, R"("maskedPaths":["proc/kcore"])", "/linux/maskedPaths/0 must be an absolute path"},
    {kLinux, R"("readonlyPaths":["/a",""])", "/linux/readonlyPaths/1 must not be empty"},
    {kBareLinux, R"("maskedPaths":["/a"])", "/linux/maskedPaths needs a mount namespace in /linux/namespaces"},
    {kBareLinux, R"("readonlyPaths":["/a"])", "/linux/readonlyPaths needs a mount namespace in /linux/namespaces"},
    {kLinux, R"("cgroupsPath":"/a/../b")", "/linux/cgroupsPath must not contain \"..\""},
    {kLinux, R"("cgroupsPath":"..")", "/linux/cgroupsPath must not contain \"..\""},
    {kLinux, R"("cgroupsPath":"/a\nb")", "/linux/cgroupsPath must not contain control characters"},
    {kLinux, R"("cgroupsPath":")" + kLong + "\"", "/linux/cgroupsPath must be at most 4095 bytes long"},
    {kLinux, R"("mountLabel":"a\n")", "/linux/mountLabel must not contain control characters"},
    {kLinux, R"("rootfsPropagation":"all")",
     "/linux/rootfsPropagation must be one of \"private\", \"rprivate\", \"shared\", \"rshared\", \"slave\", "
     "\"rslave\", "
     "\"unbindable\", \"runbindable\", not \"all\""},
    {kLinux, R"("personality":{"domain":"BSD"})",
     "/linux/personality/domain must be one of \"LINUX\", \"LINUX32\", not \"BSD\""},
    {kLinux, R"("personality":{})", "/linux/personality/domain is required"},
    // Intel RDT, memory policy.
    {kLinux, R"("intelRdt":{"closID":"a/b"})", "/linux/intelRdt/closID must be the name of a directory, not \"a/b\""},
    {kLinux, R"("intelRdt":{"closID":".."})", "/linux/intelRdt/closID must be the name of a directory, not \"..\""},
    {kLinux, R"("intelRdt":{"closID":"."})", "/linux/intelRdt/closID must be the name of a directory, not \".\""},
    {kLinux, R"("intelRdt":{"memBwSchema":"L3:0=1"})", "/linux/intelRdt/memBwSchema must begin with \"MB:\""},
    {kLinux, R"("intelRdt":{"memBwSchema":"MB:0=1\nL3:0=1"})",
     "/linux/intelRdt/memBwSchema must not contain control characters"},
    {kLinux, R"("intelRdt":{"schemata":["a\nb"]})", "/linux/intelRdt/schemata/0 must not contain control characters"},
    {kLinux, R"("memoryPolicy":{"nodes":"0"})",
     "/linux/memoryPolicy/mode is required\n"
     "/linux/memoryPolicy/nodes must be empty with MPOL_DEFAULT"},
    {kLinux, R"("memoryPolicy":{"mode":"MPOL_BIND","nodes":""})",
     "/linux/memoryPolicy/nodes must not be empty with MPOL_BIND"},
    {kLinux, R"("memoryPolicy":{"mode":"MPOL_LOCAL","nodes":"0-1"})",
     "/linux/memoryPolicy/nodes must be empty with MPOL_LOCAL"},
    {kLinux, R"("memoryPolicy":{"mode":"MPOL_BIND","nodes":"0-"})",
     "/linux/memoryPolicy/nodes must be a list of numbers and ranges such as \"0-3,7\""},
    {kLinux,
     R"("memoryPolicy":{"mode":"MPOL_BIND","nodes":"0","flags":["MPOL_F_STATIC_NODES","MPOL_F_RELATIVE_NODES"]})",
     "/linux/memoryPolicy/flags must not have both MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES"},
    // Resources.
    {kResources, R"("pids":{})", "/linux/resources/pids/limit is required"},
    {kResources, R"("devices":[{"access":"rwm"}])", "/linux/resources/devices/0/allow is required"},
    {kResources, R"("devices":[{"allow":true}])", "/linux/resources/devices/0/access must not be empty"},
    {kResources, R"("devices":[{"allow":true,"access":"rx"}])",
     "/linux/resources/devices/0/access must consist of the letters r, w and m, not \"rx\""},
    {kResources, R"("devices":[{"allow":true,"access":"r","type":"p"}])",
     "/linux/resources/devices/0/type must be \"a\", \"b\" or \"c\", not \"p\""},
    {kResources, R"("devices":[{"allow":true,"access":"r","type":"c","major":-2}])",
     "/linux/resources/devices/0/major must be an integer between -1 and 4294967295, not -2"},
    {kResources, R"("memory":{"limit":-2})", "/linux/resources/memory/limit must be -1 (unlimited) or more, not -2"},
    {kResources, R"("memory":{"limit":9223372036854775808})",
     "/linux/resources/memory/limit must be an integer between -9223372036854775808 and 9223372036854775807, not "
     "9223372036854775808"},
    {kResources, R"("memory":{"limit":1e9})",
     "/linux/resources/memory/limit must be an integer between -9223372036854775808 and 9223372036854775807, not "
     "1000000000.0"},
    {kResources, R"("memory":{"limit":2000,"swap":1000})",
     "/linux/resources/memory/swap is the sum of memory and swap and must not be less than the limit of 2000"},
    {kResources, R"("memory":{"swap":1000})", "/linux/resources/memory/swap needs a memory limit"},
    {kResources, R"("memory":{"swappiness":101})",
     "/linux/resources/memory/swappiness must be an integer between 0 and 100, not 101"},
    {kResources, R"("cpu":{"quota":-2})", "/linux/resources/cpu/quota must be -1 (unlimited) or more, not -2"},
    {kResources, R"("cpu":{"shares":-1})",
     "/linux/resources/cpu/shares must be an integer between 0 and 18446744073709551615, not -1"},
    {kResources, R"("cpu":{"quota":1000,"burst":2000})",
     "/linux/resources/cpu/burst must not exceed the quota of 1000"},
    {kResources, R"("cpu":{"realtimeRuntime":2,"realtimePeriod":1})",
     "/linux/resources/cpu/realtimeRuntime must not exceed the period of 1"},
    {kResources, R"("cpu":{"realtimeRuntime":-2})",
     "/linux/resources/cpu/realtimeRuntime must be -1 (unlimited) or more, not -2"},
    {kResources, R"("cpu":{"idle":2})", "/linux/resources/cpu/idle must be an integer between 0 and 1, not 2"},
    {kResources, R"("cpu":{"cpus":"0,a"})",
     "/linux/resources/cpu/cpus must be a list of numbers and ranges such as \"0-3,7\""},
    {kResources, R"("cpu":{"mems":"5-2"})", "/linux/resources/cpu/mems has a range whose end is below its start"},
    {kResources, R"("blockIO":{"weight":5})",
     "/linux/resources/blockIO/weight must be 0 (unset) or between 10 and 1000, not 5"},
    {kResources, R"("blockIO":{"weight":65536})",
     "/linux/resources/blockIO/weight must be an integer between 0 and 65535, not 65536"},
    {kResources, R"("blockIO":{"weightDevice":[{"major":8,"minor":0,"leafWeight":1001}]})",
     "/linux/resources/blockIO/weightDevice/0/leafWeight must be 0 (unset) or between 10 and 1000, not 1001"},
    {kResources, R"("blockIO":{"throttleReadBpsDevice":[{"minor":0,"rate":1}]})",
     "/linux/resources/blockIO/throttleReadBpsDevice/0/major is required"},
    {kResources, R"("blockIO":{"throttleWriteIOPSDevice":[{"major":8,"minor":-1,"rate":1}]})",
     "/linux/resources/blockIO/throttleWriteIOPSDevice/0/minor must not be negative"},
    {kResources, R"("hugepageLimits":[{"pageSize":"64kB","limit":1}])",
     "/linux/resources/hugepageLimits/0/pageSize must be a number and KB, MB or GB, such as \"2MB\", not \"64kB\""},
    {kResources, R"("hugepageLimits":[{"pageSize":"02MB","limit":1}])",
     "/linux/resources/hugepageLimits/0/pageSize must be a number and KB, MB or GB, such as \"2MB\", not \"02MB\""},
    {kResources, R"("hugepageLimits":[{"pageSize":"MB","limit":1}])",
     "/linux/resources/hugepageLimits/0/pageSize must be a number and KB, MB or GB, such as \"2MB\", not \"MB\""},
    {kResources, R"("hugepageLimits":[{"limit":1}])", "/linux/resources/hugepageLimits/0/pageSize is required"},
    {kResources, R"("network":{"priorities":[{"name":"","priority":1}]})",
     "/linux/resources/network/priorities/0/name must be the name of a network interface, not \"\""},
    {kResources, R"("network":{"classID":-1})",
     "/linux/resources/network/classID must be an integer between 0 and 4294967295, not -1"},
    {kResources, R"("rdma":{"mlx5_1":{}})", "/linux/resources/rdma/mlx5_1 must have hcaHandles or hcaObjects"},
    {kResources, R"("rdma":{"a b":{"hcaObjects":1}})", "/linux/resources/rdma/a b must be named after a device"},
    {kResources, R"("rdma":{"mlx5_1":{"hcaHandles":"no"}})",
     "/linux/resources/rdma/mlx5_1/hcaHandles must be an integer between 0 and 4294967295, not a string"},
    {kResources, R"("unified":{"../memory.max":"1"})",
     "/linux/resources/unified/..~1memory.max must be named after a cgroup file, such as \"memory.high\", not "
     "\"../memory.max\""},
    {kResources, R"("unified":{"memory":"1"})",
     "/linux/resources/unified/memory must be named after a cgroup file, such as \"memory.high\", not \"memory\""},
    {kResources, R"("unified":{"a..b":"1"})",
     "/linux/resources/unified/a..b must be named after a cgroup file, such as \"memory.high\", not \"a..b\""},
    {kResources, R"("pids":{"limit":"5"})",
     "/linux/resources/pids/limit must be an integer between -9223372036854775808 and 9223372036854775807, not a "
     "string"},
    // Seccomp.
    {kSeccomp, R"("syscalls":[])", "/linux/seccomp/defaultAction is required"},
    {kSeccomp, R"("defaultAction":"ALLOW")",
     "/linux/seccomp/defaultAction must be one of \"SCMP_ACT_KILL\", \"SCMP_ACT_KILL_PROCESS\", "
     "\"SCMP_ACT_KILL_THREAD\", \"SCMP_ACT_TRAP\", \"SCMP_ACT_ERRNO\", \"SCMP_ACT_TRACE\", \"SCMP_ACT_ALLOW\", "
     "\"SCMP_ACT_LOG\", \"SCMP_ACT_NOTIFY\", not \"ALLOW\""},
    {kSeccomp, R"("defaultAction":"SCMP_ACT_NOTIFY")", "/linux/seccomp/defaultAction must not be SCMP_ACT_NOTIFY"},
    {kSeccomp, R"("defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1)",
     "/linux/seccomp/defaultErrnoRet is only allowed with SCMP_ACT_ERRNO and SCMP_ACT_TRACE, not with SCMP_ACT_ALLOW"},
    {kSeccomp, R"("defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":4095)",
     "/linux/seccomp/defaultErrnoRet must be at most 4094 with SCMP_ACT_ERRNO, not 4095"},
    {kSeccomp, R"("defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"m")",
     "/linux/seccomp/listenerMetadata needs a listenerPath"},
    {kSeccomp, R"("defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_NOTIFY"}])",
     "/linux/seccomp/listenerPath is required by SCMP_ACT_NOTIFY"},
    {kSeccomp, R"("defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[],"action":"SCMP_ACT_KILL"}])",
     "/linux/seccomp/syscalls/0/names must have at least one entry"},
    {kSeccomp, R"("defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read",""],"action":"SCMP_ACT_KILL"}])",
     "/linux/seccomp/syscalls/0/names/1 must not be empty"},
    {kSeccomp, R"("defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_KILL"}])",
     "/linux/seccomp/syscalls/0/names is required"},
    {kSeccomp, R"("defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_KILL","errnoRet":1}])",
     "/linux/seccomp/syscalls/0/errnoRet is only allowed with SCMP_ACT_ERRNO and SCMP_ACT_TRACE, not with "
     "SCMP_ACT_KILL"},
    {kSeccomp,
     R"("defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_KILL","args":[{"index":6,)"
     R"("value":1,"op":"SCMP_CMP_EQ"}]}])",
     "/linux/seccomp/syscalls/0/args/0/index must be an integer between 0 and 5, not 6"},
    {kSeccomp,
     R"("defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_KILL","args":[{"index":0,)"
     R"("value":1,"op":"=="}]}])",
     "/linux/seccomp/syscalls/0/args/0/op must be one of \"SCMP_CMP_NE\", \"SCMP_CMP_LT\", \"SCMP_CMP_LE\", "
     "\"SCMP_CMP_EQ\", \"SCMP_CMP_GE\", \"SCMP_CMP_GT\", \"SCMP_CMP_MASKED_EQ\", not \"==\""},
    {kSeccomp, R"("defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_NEW_LISTENER"])",
     "/linux/seccomp/flags/0 must be one of \"SECCOMP_FILTER_FLAG_TSYNC\", \"SECCOMP_FILTER_FLAG_LOG\", "
     "\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\", \"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\", not "
     "\"SECCOMP_FILTER_FLAG_NEW_LISTENER\""},
    {kSeccomp, R"("defaultAction":"SCMP_ACT_ALLOW","architectures":["amd64"])",
     "/linux/seccomp/architectures/0 must be one of \"SCMP_ARCH_X86\", \"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X32\", "
     "\"SCMP_ARCH_ARM\", \"SCMP_ARCH_AARCH64\", \"SCMP_ARCH_LOONGARCH64\", \"SCMP_ARCH_M68K\", \"SCMP_ARCH_MIPS\", "
     "\"SCMP_ARCH_MIPS64\", \"SCMP_ARCH_MIPS64N32\", \"SCMP_ARCH_MIPSEL\", \"SCMP_ARCH_MIPSEL64\", "
     "\"SCMP_ARCH_MIPSEL64N32\", \"SCMP_ARCH_PPC\", \"SCMP_ARCH_PPC64\", \"SCMP_ARCH_PPC64LE\", \"SCMP_ARCH_S390\", "
     "\"SCMP_ARCH_S390X\", \"SCMP_ARCH_SH\", \"SCMP_ARCH_SHEB\", \"SCMP_ARCH_PARISC\", \"SCMP_ARCH_PARISC64\", "
     "\"SCMP_ARCH_RISCV64\", not \"amd64\""},
    {kSeccomp,
     R"("defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])",
     "/linux/seccomp/flags/1 needs a rule with SCMP_ACT_NOTIFY"},
    {kSeccomp, R"("defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/)" + std::string(107, 's') + "\"",
     "/linux/seccomp/listenerPath must be at most 107 bytes long, as the path of a socket"},
    // Over-long strings, beyond those above.
    {kProcess, R"("env":["A=)" + kVeryLong + "\"]", "/process/env/0 must be at most 131071 bytes long, not 131074"},
    {kTop, R"("process":{"cwd":"/","args":["sh",")" + kVeryLong + R"("]})",
     "/process/args/1 must be at most 131071 bytes long, not 131072"},
    {kTop, R"("hooks":{"poststop":[{"path":"/a","args":["a",")" + kVeryLong + R"("]}]})",
     "/hooks/poststop/0/args/1 must be at most 131071 bytes long, not 131072"},
    {kProcess, R"("apparmorProfile":")" + kLong + "\"", "/process/apparmorProfile must be at most 4095 bytes long"},
    {kProcess, R"("selinuxLabel":")" + kLong + "\"", "/process/selinuxLabel must be at most 4095 bytes long"},
    {kLinux, R"("mountLabel":")" + kLong + "\"", "/linux/mountLabel must be at most 4095 bytes long"},
    {kMount, R"("destination":"/a","type":")" + kLong + "\"", "/mounts/0/type must be at most 4095 bytes long"},
    {kMount, R"("destination":"/a","options":[")" + kLong + R"("])",
     "/mounts/0/options/0 must be at most 4095 bytes long"},
    {kLinux, R"("cgroupsPath":"/a/)" + std::string(256, 'b') + "\"",
     "/linux/cgroupsPath must not have a name longer than 255 bytes"},
    {kLinux, R"("intelRdt":{"closID":")" + std::string(256, 'b') + "\"}",
     "/linux/intelRdt/closID must be at most 255 bytes long"},
    {kLinux, R"("sysctl":{"net.)" + std::string(256, 'b') + R"(":"1"})",
     "/linux/sysctl/net." + std::string(252, 'b') + "… must have a name of at most 255 bytes"},
    {kProcess, R"("user":{"additionalGids":[0)" + many(",0", 65536) + "]}",
     "/process/user/additionalGids must have at most 65536 entries"},
    // A key given twice does not hide the rest.
    {kTop, R"("hostname":"a","hostname":"b","process":{"cwd":"x","args":["a"]})",
     "/hostname is given more than once\n/process/cwd must be an absolute path"},
    // Everything at once: a wrong type, and rules in three places.
    {kTop, R"("hostname":"h","process":{"cwd":"x","args":[]},"linux":{"cgroupsPath":4,"maskedPaths":["/a"]})",
     "/linux/cgroupsPath must be a string, not 4\n/process/args must have at least one entry\n"
     "/process/cwd must be an absolute path\n/hostname needs a uts namespace in /linux/namespaces\n"
     "/linux/maskedPaths needs a mount namespace in /linux/namespaces"},
};

TEST(Invalid, EachRuleHasItsPlaceAndSentence) {
  for (const Case& c : kCases) {
    const std::string text = config(c.in, c.json);
    auto result = parse_spec(text);
    if (result) {
      ADD_FAILURE() << "accepted: " << text.substr(0, 500);
      continue;
    }
    EXPECT_EQ(result.error().code, ErrorCode::kConfigInvalid);
    std::string findings;
    for (const Finding& f : result.error().findings)
      findings += (findings.empty() ? "" : "\n") + f.pointer + " " + f.message;
    EXPECT_EQ(findings, c.findings) << text.substr(0, 500);
  }
  EXPECT_GE(std::size(kCases), 120u);
}

TEST(Invalid, MessageCountsTheFindings) {
  EXPECT_EQ(parse_spec("{}").error().text(), "config.json is invalid: 2 findings");
  EXPECT_EQ(parse_spec("[]").error().text(), "config.json is invalid: 1 finding");
  EXPECT_EQ(parse_process("{}").error().text(), "the process is invalid: 2 findings");
  EXPECT_EQ(parse_process("{}").error().findings[0], (Finding{"/cwd", "is required"}));
}

}  // namespace
}  // namespace cella::oci
