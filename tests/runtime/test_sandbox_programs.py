"""Real programs in the sandbox do what they do on Linux: every one is run by both engines, and the outputs compared."""
import pytest

from harness import REPO

TOUR = [line for line in (REPO / "tests/runtime/busybox_tour.sh").read_text().splitlines() if line and line[0] != "#"]
ENGINES = ("namespaces", "sandbox")
RUNNER = """
mkdir -p /tmp/tour && cd /tmp/tour && umask 022 || exit 1
number=0
while IFS= read -r line <&3; do
  echo "@@@ $number"
  ( eval "$line" ) 2>&1 3<&- </dev/null
  echo "@@@ status $?"
  number=$((number + 1))
done 3</tour.sh
"""


CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_MKNOD", "CAP_SETGID", "CAP_SETUID",
                "CAP_SYS_CHROOT", "CAP_SYS_NICE"]


def run(c, engine, timeout=60):
    """With a /tmp, as root with the capabilities that a container of podman's has."""
    c.config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]})
    process = c.config["process"]
    process["noNewPrivileges"] = False
    process["capabilities"] = {kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")}
    return c.run(f"--isolation={engine}", timeout=timeout, errors="replace")


def tour(box, engine):
    c = box("sh", "-c", RUNNER)
    (c.rootfs / "tour.sh").write_text("".join(line + "\n" for line in TOUR))
    c.config["root"]["readonly"] = False
    result = run(c, engine)
    assert result.returncode == 0, result.stderr
    parts = result.stdout.split("@@@ ")[1:]
    return {TOUR[int(head.split("\n", 1)[0])]: head.split("\n", 1)[1] + status for head, status in zip(parts[::2], parts[1::2])}


@pytest.fixture(scope="module")
def tours():
    return {}


def test_the_tour_is_long_enough():
    assert len(TOUR) >= 150 and len(set(TOUR)) == len(TOUR)


@pytest.mark.parametrize("line", TOUR)
def test_busybox(box, tours, line):
    for engine in ENGINES:
        if engine not in tours:
            tours[engine] = tour(box, engine)
    assert line in tours["namespaces"], "the tour on Linux ended before it"
    assert tours["sandbox"].get(line, "the tour in the sandbox ended before it") == tours["namespaces"][line]


# --- a Debian of its own

SCRIPTS = {
    "bash": r"""
declare -A count; for word in a b a c a; do (( count[$word]++ )); done
for key in $(printf '%s\n' "${!count[@]}" | sort); do echo "$key=${count[$key]}"; done
mapfile -t lines < <(printf 'one\ntwo\n'); echo "${#lines[@]} ${lines[1]}"
diff <(seq 3) <(seq 2 4); echo "diff $?"
coproc cat; echo hello >&"${COPROC[1]}"; read -r reply <&"${COPROC[0]}"; echo "$reply"; kill "$COPROC_PID"; wait
trap 'echo exiting' EXIT; trap 'echo usr1' USR1; kill -USR1 $$
( set -o pipefail; false | true; echo "pipefail $?" )
[[ "key: value" =~ ^([a-z]+):\ (.*)$ ]] && echo "${BASH_REMATCH[1]}-${BASH_REMATCH[2]}"
read -r -t 0.1 nothing < <(sleep 1); echo "timed out $(( $? > 128 ))"
printf -v padded '%08.3f' 3.14159; echo "$padded"; echo {1..5..2} $'tab\there'
""",
    "dash": r"""
i=0; while [ $i -lt 100 ]; do i=$((i + 1)); done; echo $i
set -- one "two three"; for a in "$@"; do echo "<$a>"; done
out=$(echo a; exit 4); echo "$out $?"; (sleep 0.05; echo background) & wait $!; echo joined
cat <<EOF | tr a-z A-Z
here $i
EOF
getopts ab: option -b value; echo "$option $OPTARG"; command -v sed; eval 'echo evaluated'
""",
    "coreutils": r"""
mkdir -p /tmp/c/d && cd /tmp/c; seq 1000 | shuf --random-source=/bin/bash | sort -n | sha256sum
seq 9 | split -l 3 - part; ls; cat part* | comm -12 - <(seq 5); join <(echo 1 a) <(echo 1 b)
install -m 751 /bin/true d/true; stat -c '%a %s' d/true | cut -d' ' -f1; cp --reflink=auto d/true copy; cmp copy d/true
ln -sr d/true link; readlink link; mv -v copy moved; tac <(seq 3); numfmt --to=iec 123456789; factor 360
truncate -s 1M sparse; cp --sparse=always sparse sparse2; du -k sparse2 | cut -f1; date -u -d '2001-02-03 +1 day' +%F
od -An -tx1 <<< abc; fmt -w 20 <<< "some words that are to be folded somewhere"; expr 5 + 5; nl <<< x; pr -t -2 <<< $'a\nb'
id -un; groups; env -i FOO=bar env; timeout 0.1 sleep 5; echo $?; nice -n 3 nice; stdbuf -oL echo x; test -t 0; echo $?
tsort <<< "a b b c"; csplit -s <(seq 9) 5; wc -l xx00 xx01; chmod g+s d; stat -c %A d; touch -d @0 d; stat -c %Y d
""",
    "python3": r"""
python3 - <<'EOF'
import hashlib, json, os, socket, subprocess, tempfile, threading, zlib
print(json.dumps({"a": [1, 2.5, None]}), hashlib.sha256(b"x" * 100000).hexdigest(), zlib.crc32(b"abc"))
results = []
threads = [threading.Thread(target=lambda n=n: results.append(sum(range(n)))) for n in range(20)]
[t.start() for t in threads]; [t.join() for t in threads]; print(sorted(results))
print(subprocess.run(["sh", "-c", "cat; exit 3"], input=b"piped", capture_output=True))
with tempfile.TemporaryDirectory() as d:
    for n in range(50): open(f"{d}/{n}", "w").write(str(n))
    print(sorted(os.listdir(d))[:5], sum(os.stat(f"{d}/{n}").st_size for n in range(50)))
pid = os.fork()
if pid == 0: os._exit(9)
print(os.waitpid(pid, 0)[1], os.uname().sysname)
EOF
""",
    "tar of 50 MB": r"""
mkdir /tmp/tree && cd /tmp/tree; for i in $(seq 50); do mkdir d$i; seq $((i * 1000)) $((i * 1000 + 150000)) > d$i/numbers
ln -s numbers d$i/link; done; find . -type f | wc -l; du -sm . | awk '{ print ($1 >= 50) }'
tar czf /tmp/tree.tgz . && mkdir /tmp/back && tar xzf /tmp/tree.tgz -C /tmp/back && diff -r /tmp/tree /tmp/back && echo same
gzip -dc /tmp/tree.tgz | tar tf - | wc -l; (cd /tmp/back; find . -type f -exec sha256sum {} + | sort -k2 | sha256sum)
""",
    "find and grep": r"""
find / -xdev -path /proc -prune -o -path /sys -prune -o -path /tmp -prune -o -path /dev -prune -o -printf '%y %m %u %s %p\n' |
  sed -E 's/^d ([^ ]+ [^ ]+) [0-9]+ /d \1 /' | LC_ALL=C sort | sha256sum
find /usr -type l | wc -l; grep -r -l 'GNU General' /etc /usr/share /var/lib/dpkg 2>/dev/null | LC_ALL=C sort | sha256sum
grep -rc root /etc/passwd /etc/group; grep -r -a -o ELF /usr/lib/x86_64-linux-gnu | wc -l
""",
    "pipeline of ten": "seq 100000 | grep 7 | sed s/7/x/ | sort -r | uniq | tr x y | awk '{ print length }' | sort -n | uniq -c | tail -n 3",
    "1,000 forks": "n=0; for i in $(seq 1000); do ( exit $((i % 7)) ); n=$((n + $?)); done; echo $n",
}


def output(box, debian_rootfs, engine, script):
    c = box("bash", "-c", script)
    c.config["root"] = {"path": str(debian_rootfs), "readonly": True}
    return run(c, engine, timeout=60)


@pytest.mark.parametrize("name", SCRIPTS)
def test_debian(box, debian_rootfs, name):
    script = SCRIPTS[name]
    if name == "dash":
        script = "exec dash <<'END'\n" + script + "END\n"
    linux, sandbox = (output(box, debian_rootfs, engine, script) for engine in ENGINES)
    assert linux.returncode == 0 and linux.stdout and not linux.stderr, linux.stderr
    assert (sandbox.stdout, sandbox.stderr, sandbox.returncode) == (linux.stdout, linux.stderr, linux.returncode)
