// The steps that a Plan is made of: one table, one line a step.
//
//   X(identifier, "name", "arguments", "sentence")
//
// `arguments` names at most six: name:kind, in the order of Step::args. Kinds:
//   s string   l list of strings   n number   v limit (RLIM_INFINITY is "unlimited")   w yes or no   x hexadecimal
//   o octal mode   e octal mode with the type of a node   d device number   f descriptor slot   p sync point
//   flags: c CLONE_NEW*   m MS_*   a MOUNT_ATTR_*   t kAttach*   h SECCOMP_FILTER_FLAG_*   k capability set
//   r RLIMIT_*   y MPOL_* with MPOL_F_*
//   blobs: q struct sched_attr   i BPF program   g 32-bit ids   u mask of CPUs or memory nodes
// `sentence` is what --dry-run prints; {name} is replaced by the argument. A part in [brackets] vanishes when all of
// its arguments are empty: zero, "", no flag, an empty list, no slot. {name?} prints nothing, but counts for that.
//
// The launcher (container/launcher.h) carries out those up to clone; init/ the rest.
#pragma once

#define CELLA_PLAN_OPS(X)                                                                                            \
  /* The launcher's. */                                                                                              \
  X(kOpenDirectory, "open-directory", "slot:f path:s", "open the directory {path} as {slot}")                        \
  X(kOpenNamespace, "open-namespace", "slot:f path:s flags:c", "open the {flags} namespace {path} as {slot}")        \
  X(kNewUserNamespace, "new-user-namespace", "slot:f uids:l gids:l",                                                 \
    "make a user namespace as {slot}: uids {uids}, gids {gids}")                                                     \
  X(kOpenTree, "open-tree", "slot:f path:s recursive:w nofollow:w users:f map_recursive:w",                          \
    "clone the mount tree of {path}[ itself{nofollow?}][ with submounts{recursive?}] as {slot}"                      \
    "[, its ids mapped as in {users}][, and those of its submounts{map_recursive?}]")                                \
  X(kLimitInit, "limit-init", "resource:r soft:v hard:v", "limit init's {resource} to {soft}, at most {hard}")       \
  X(kNetDevice, "net-device", "name:s target:s",                                                                     \
    "move the host's network device {name} into the container's network namespace[ as {target}]")                    \
  X(kClone, "clone", "flags:c", "clone init[ into new namespaces: {flags}]")                                         \
  /* Processes and namespaces. */                                                                                    \
  X(kNoDumpable, "no-dumpable", "", "make init undumpable")                                                          \
  X(kSync, "sync", "point:p first:f count:n",                                                                        \
    "tell the runtime \"{point}\" and wait[, receiving up to {count} descriptors from {first} on]")                  \
  X(kTell, "tell", "point:p", "tell the runtime \"{point}\"")                                                        \
  X(kReceive, "receive", "point:p first:f count:n",                                                                  \
    "take what the runtime sends for \"{point}\"[, up to {count} descriptors from {first} on]")                      \
  X(kJoinCgroups, "join-cgroups", "first:f count:n", "join the cgroups of the tasks files received from {first} on") \
  X(kSetns, "setns", "slot:f flags:c", "join the namespaces of {slot}: {flags}")                                     \
  X(kFork, "fork", "flags:c", "continue in a child[ in new namespaces: {flags}]")                                    \
  X(kUnshare, "unshare", "flags:c", "create namespaces: {flags}")                                                    \
  X(kRootIds, "root-ids", "uid:n gid:n keep:w",                                                                      \
    "become uid {uid} and gid {gid} of the user namespace[, with the groups that it has{keep?}]")                    \
  X(kEnterTimeNamespace, "enter-time-namespace", "offsets:s", "enter a new time namespace[ with offsets {offsets}]") \
  X(kParentDeathSignal, "parent-death-signal", "signal:n", "ask for signal {signal} when the parent dies")           \
  X(kLoopbackUp, "loopback-up", "", "bring the loopback interface up")                                               \
  X(kHostname, "hostname", "name:s", "set the hostname to {name}")                                                   \
  X(kDomainname, "domainname", "name:s", "set the domain name to {name}")                                            \
  X(kSysctl, "sysctl", "path:s value:s", "write {value} to the kernel parameter {path}")                             \
  X(kKeyring, "keyring", "name:s", "join a new session keyring {name}")                                              \
  /* Mounts. A mount is made detached, changed, then attached. */                                                    \
  X(kChangeDirectory, "change-directory", "slot:f", "change the working directory to {slot}")                        \
  X(kPropagation, "propagation", "flags:m", "change the propagation of every mount to {flags}")                      \
  X(kRootMount, "root-mount", "", "bind the working directory on itself and take it as the root")                    \
  X(kRootDirectory, "root-directory", "", "take the working directory as the root")                                  \
  X(kNewMount, "new-mount", "type:s source:s data:l flags:m attributes:a",                                           \
    "make a {type} from {source}[ with {data}][, superblock {flags}][, attributes {attributes}]")                    \
  X(kCloneTree, "clone-tree", "path:s recursive:w nofollow:w",                                                       \
    "clone the mount tree of the host's {path}[ itself{nofollow?}][ with submounts{recursive?}]")                    \
  X(kSlotTree, "slot-tree", "slot:f", "take the mount tree {slot}")                                                  \
  X(kMountAttributes, "mount-attributes", "set:a clear:a propagation:m recursive:w",                                 \
    "change it[ and its submounts{recursive?}]:[ set {set}][ clear {clear}][ propagation {propagation}]")            \
  X(kAttach, "attach", "target:s flags:t mode:o", "attach it to {target}[ ({flags})]")                               \
  X(kReconfigure, "reconfigure", "path:s data:l flags:m cleared:m",                                                  \
    "reconfigure the filesystem that is mounted on {path}[: with {data}][: set {flags}][: clear {cleared}]")         \
  X(kRemount, "remount", "path:s set:a clear:a propagation:m recursive:w",                                           \
    "change the mount on {path}[ and its submounts{recursive?}]:[ set {set}][ clear {clear}]"                        \
    "[ propagation {propagation}]")                                                                                  \
  X(kMakeDirectory, "make-directory", "path:s mode:o", "make the directory {path}, mode {mode}")                     \
  X(kSymlink, "symlink", "target:s path:s", "link {path} to {target}")                                               \
  X(kMakeNode, "make-node", "path:s mode:e device:d uid:n gid:n",                                                    \
    "make the device {path}: {mode} {device}[, owner {uid}:{gid}]")                                                  \
  X(kBindDevice, "bind-device", "path:s source:s", "bind the host's {source} on {path}")                             \
  X(kPivot, "pivot", "", "make the root the root directory and detach the host's")                                   \
  X(kMoveRoot, "move-root", "", "move the root to / and chroot into it")                                             \
  X(kChroot, "chroot", "", "chroot into the root")                                                                   \
  X(kRootAttributes, "root-attributes", "set:a propagation:m recursive:w",                                           \
    "change the root's mount[ and its submounts{recursive?}]:[ set {set}][ propagation {propagation}]")              \
  X(kRemountAttributes, "remount-attributes", "path:s set:a recursive:w",                                            \
    "change the mount on {path}[ and its submounts{recursive?}]: set {set}")                                         \
  X(kMaskPath, "mask-path", "path:s", "mask {path}")                                                                 \
  X(kReadonlyPath, "readonly-path", "path:s", "make {path} read-only")                                               \
  X(kConsole, "console", "socket:f width:n height:n uid:n bind:w",                                                   \
    "make a terminal[ of {width}x{height}] for uid {uid}[, also as /dev/console{bind?}][, and send its master to "   \
    "{socket}]")                                                                                                     \
  X(kHook, "hook", "state:f path:s args:l env:l timeout:n output:f",                                                 \
    "run the hook {path} as {args}[ in the environment {env}][ for at most {timeout} s], state from {state}"         \
    "[, output to {output} and the next]")                                                                           \
  /* The process. */                                                                                                 \
  X(kNewSession, "new-session", "", "start a new session")                                                           \
  X(kOwnStdio, "own-stdio", "uid:n", "give standard input, output and error to uid {uid}")                           \
  X(kRlimit, "rlimit", "resource:r soft:v hard:v", "limit {resource} to {soft}, at most {hard}")                     \
  X(kScheduler, "scheduler", "attributes:q", "schedule it by {attributes}")                                          \
  X(kIoPriority, "io-priority", "value:x", "set the I/O priority to {value}")                                        \
  X(kAffinity, "affinity", "mask:u", "run on the CPUs {mask}")                                                       \
  X(kPersonality, "personality", "domain:x", "set the execution domain {domain}")                                    \
  X(kMemoryPolicy, "memory-policy", "mode:y nodes:u", "take memory by the policy {mode}[ from the nodes {nodes}]")   \
  X(kUmask, "umask", "mask:o", "set the umask to {mask}")                                                            \
  X(kBoundingSet, "bounding-set", "set:k", "limit the capability bounding set to {set}")                             \
  X(kGroups, "groups", "gids:g", "set the supplementary groups to {gids}")                                           \
  X(kIds, "ids", "uid:n gid:n", "become uid {uid}, gid {gid}")                                                       \
  X(kCapabilities, "capabilities", "effective:k permitted:k inheritable:k",                                          \
    "keep the capabilities: permitted {permitted}, effective {effective}, inheritable {inheritable}")                \
  X(kAmbientSet, "ambient-set", "set:k", "raise the ambient capabilities {set}")                                     \
  X(kNoNewPrivileges, "no-new-privileges", "", "forbid new privileges")                                              \
  X(kLabel, "label", "attribute:s value:s", "write {value} to init's {attribute}")                                   \
  X(kWorkingDirectory, "working-directory", "path:s", "change the working directory to {path}, inside the root")     \
  X(kFindProgram, "find-program", "name:s search:s cwd:s", "find {name} in {search}")                                \
  X(kHome, "home", "uid:n", "set $HOME to the home directory of uid {uid}")                                          \
  X(kWaitForStart, "wait-for-start", "slot:f", "wait until the fifo {slot} is read")                                 \
  X(kSeccomp, "seccomp", "program:i flags:h listener:f message:f",                                                   \
    "load the seccomp filter of {program}[ with {flags}][, and send its listener to {listener}][ with {message}]")   \
  X(kCloseDescriptors, "close-descriptors", "listener:f message:f state:f first:f count:n output:f",                 \
    "close every descriptor but the standard streams[, {listener}][, {message}][, {state}][, {output} and the next]" \
    "[, {count} from {first} on]")                                                                                   \
  X(kPlaceDescriptors, "place-descriptors", "first:f count:n", "pass {count} descriptors, {first} on, as 3 and up")  \
  X(kRefuse, "refuse", "reason:s", "fail: {reason}")                                                                 \
  X(kExecute, "execute", "args:l env:l", "execute {args}[ in the environment {env}]")                                \
  X(kExecuteOpen, "execute-open", "program:f report:n args:l env:l",                                                 \
    "execute the open program {program} as {args}[ in the environment {env}]; it tells on descriptor {report} "      \
    "whether it can begin")
