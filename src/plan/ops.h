// The steps that a Plan is made of: one table, one line a step.
//
//   X(identifier, "name", "arguments", "sentence")
//
// `arguments` names at most six: name:kind, in the order of Step::args. Kinds:
//   s string   l list of strings   b blob   n number   x flags (hexadecimal)   o octal mode   d device number
//   c CLONE_NEW* flags   m MS_* flags   a MOUNT_ATTR_* flags   f descriptor slot   p sync point   k capability set
//   r RLIMIT_* name
// `sentence` is what --dry-run prints; {name} is replaced by the argument.
//
// The launcher (container/launcher.h) carries out the first four; init/ the rest.
#pragma once

#define CELLA_PLAN_OPS(X)                                                                                              \
  /* The launcher's. */                                                                                                \
  X(kOpenDirectory, "open-directory", "slot:f path:s", "open the directory {path} as {slot}")                          \
  X(kOpenNamespace, "open-namespace", "slot:f path:s flags:c", "open the {flags} namespace {path} as {slot}")          \
  X(kOpenTree, "open-tree", "slot:f path:s flags:x", "clone the mount tree of {path} as {slot}")                       \
  X(kClone, "clone", "flags:c", "clone init with {flags}")                                                             \
  /* Processes and namespaces. */                                                                                      \
  X(kNoDumpable, "no-dumpable", "", "make init undumpable")                                                            \
  X(kSync, "sync", "point:p first:f count:n", "tell the runtime \"{point}\" and wait, receiving {count} descriptors")  \
  X(kJoinCgroups, "join-cgroups", "first:f count:n", "join the cgroup of each received tasks file")                    \
  X(kSetns, "setns", "slot:f flags:c", "join the namespaces {flags} of {slot}")                                        \
  X(kFork, "fork", "flags:c", "continue in a child cloned with {flags}")                                               \
  X(kUnshare, "unshare", "flags:c", "unshare {flags}")                                                                 \
  X(kRootIds, "root-ids", "uid:n gid:n", "become uid {uid} and gid {gid} of the user namespace")                       \
  X(kEnterTimeNamespace, "enter-time-namespace", "offsets:s", "enter a new time namespace with offsets {offsets}")     \
  X(kParentDeathSignal, "parent-death-signal", "signal:n", "ask for signal {signal} when the parent dies")             \
  X(kLoopbackUp, "loopback-up", "", "bring the loopback interface up")                                                 \
  X(kHostname, "hostname", "name:s", "set the hostname to {name}")                                                     \
  X(kDomainname, "domainname", "name:s", "set the domain name to {name}")                                              \
  X(kSysctl, "sysctl", "path:s value:s", "write {value} to /proc/sys/{path}")                                          \
  X(kKeyring, "keyring", "name:s", "join a new session keyring {name}")                                                \
  /* Mounts. A mount is made detached, changed, then attached. */                                                      \
  X(kChangeDirectory, "change-directory", "slot:f", "change the working directory to {slot}")                          \
  X(kPropagation, "propagation", "flags:m", "make every mount {flags}")                                                \
  X(kRootMount, "root-mount", "", "bind the working directory on itself and take it as the root")                      \
  X(kRootDirectory, "root-directory", "", "take the working directory as the root")                                    \
  X(kNewMount, "new-mount", "type:s source:s data:l flags:x attributes:a", "make a {type} from {source} with {data}")  \
  X(kCloneTree, "clone-tree", "path:s flags:x", "clone the mount tree of the host's {path}")                           \
  X(kSlotTree, "slot-tree", "slot:f", "take the mount tree {slot}")                                                    \
  X(kMountAttributes, "mount-attributes", "set:a clear:a propagation:m recursive:n", "set {set}, clear {clear}, propagation {propagation}") \
  X(kAttach, "attach", "target:s flags:x mode:o", "attach it to {target}")                                             \
  X(kMakeDirectory, "make-directory", "path:s mode:o", "make the directory {path}")                                    \
  X(kSymlink, "symlink", "target:s path:s", "link {path} to {target}")                                                 \
  X(kMakeNode, "make-node", "path:s mode:o device:d uid:n gid:n", "make the device {path} ({device})")                 \
  X(kBindDevice, "bind-device", "path:s source:s", "bind the host's {source} on {path}")                               \
  X(kPivot, "pivot", "", "make the root the root directory and detach the host's")                                     \
  X(kMoveRoot, "move-root", "", "move the root to / and chroot into it")                                               \
  X(kChroot, "chroot", "", "chroot into the root")                                                                     \
  X(kRootAttributes, "root-attributes", "set:a propagation:m", "set {set}, propagation {propagation} on the root")     \
  X(kRemountAttributes, "remount-attributes", "path:s set:a recursive:n", "set {set} on the mount at {path}")          \
  X(kMaskPath, "mask-path", "path:s", "mask {path}")                                                                   \
  X(kReadonlyPath, "readonly-path", "path:s", "make {path} read-only")                                                 \
  X(kConsole, "console", "socket:f width:n height:n uid:n bind:n", "make a terminal and send its master to {socket}")  \
  X(kHook, "hook", "state:f path:s args:l env:l timeout:n", "run the hook {path}")                                     \
  /* The process. */                                                                                                   \
  X(kNewSession, "new-session", "", "start a new session")                                                             \
  X(kOwnStdio, "own-stdio", "uid:n", "give standard input, output and error to uid {uid}")                             \
  X(kRlimit, "rlimit", "resource:r soft:n hard:n", "limit {resource} to {soft}, at most {hard}")                       \
  X(kScheduler, "scheduler", "attributes:b", "set the scheduling policy")                                              \
  X(kIoPriority, "io-priority", "value:x", "set the I/O priority to {value}")                                          \
  X(kAffinity, "affinity", "mask:b", "run on the CPUs {mask}")                                                         \
  X(kPersonality, "personality", "domain:x", "set the execution domain {domain}")                                      \
  X(kUmask, "umask", "mask:o", "set the umask to {mask}")                                                              \
  X(kBoundingSet, "bounding-set", "set:k", "limit the capability bounding set to {set}")                               \
  X(kGroups, "groups", "gids:b", "set the supplementary groups {gids}")                                                \
  X(kIds, "ids", "uid:n gid:n", "become uid {uid}, gid {gid}")                                                         \
  X(kCapabilities, "capabilities", "effective:k permitted:k inheritable:k", "keep the capabilities {permitted}")       \
  X(kAmbientSet, "ambient-set", "set:k", "raise the ambient capabilities {set}")                                       \
  X(kNoNewPrivileges, "no-new-privileges", "", "forbid new privileges")                                                \
  X(kLabel, "label", "attribute:s value:s", "write {value} to {attribute}")                                            \
  X(kWorkingDirectory, "working-directory", "path:s", "change the working directory to {path}")                        \
  X(kFindProgram, "find-program", "name:s search:s cwd:s", "find {name} in {search}")                                  \
  X(kWaitForStart, "wait-for-start", "slot:f", "wait until {slot} is read")                                            \
  X(kSeccomp, "seccomp", "program:b flags:x listener:f message:s", "load the seccomp filter {program}")                \
  X(kCloseDescriptors, "close-descriptors", "listener:f first:f count:n", "close every descriptor that is not passed on") \
  X(kPlaceDescriptors, "place-descriptors", "first:f count:n", "pass {count} descriptors from 3 on")                   \
  X(kExecute, "execute", "args:l env:l", "execute {args}")
