# One invocation of busybox's a line; run by test_sandbox_tour.py in /tmp/tour, in order, on Linux and in the sandbox. What
# a line prints, its exit status included, must not depend on time, pids or the machine.
printf 'pear 3\napple 10\nfig 2\napple 1\n' > fruit; cat fruit
seq 1 200 > numbers; wc numbers
head -n 3 numbers
tail -n 3 numbers
tail -c +680 numbers
sort fruit
sort -k2n -r fruit
sort -u -k1,1 fruit
uniq -c fruit
cut -d' ' -f1 fruit
tr a-z A-Z < fruit
tr -d aeiou < fruit
rev fruit
tac fruit
nl fruit
paste fruit fruit
fold -w 4 fruit
expand fruit
unexpand -a fruit
sed -n '2,3p' fruit
sed 's/apple/plum/; /fig/d' fruit
sed -i 's/pear/quince/' fruit; cat fruit
grep apple fruit
grep -v apple fruit
grep -c a fruit
grep -n '^f' fruit
egrep 'apple|fig' fruit
fgrep -x 'fig 2' fruit
grep nothing fruit
awk '{ n += $2 } END { print n, NR }' fruit
awk 'BEGIN { printf "%s %5.2f\n", toupper("x"), 22/7 }'
awk -F: '{ print $1 }' /etc/passwd
echo -n one two; echo
echo -e 'a\tb\\n'
printf '%05d %x %s\n' 42 255 end
expr 6 \* 7
expr abcdef : 'abc\(.*\)'
factor 1001 65537
seq -s , 1 2 9
seq -w 8 11
echo '2^70; scale=5; 22/7' | bc
dc -e '3 4 * p'
test 3 -lt 4
test -d fruit
[ -f fruit ]
[[ abc = abc ]]
true
false
basename /usr/lib/libx.so .so
dirname /usr/lib/libx.so
realpath ../tour/./fruit
readlink -f fruit
pwd
mkdir -p dir/a/b/c; ls -R dir
mkdir dir
rmdir dir/a/b/c; ls dir/a/b
touch dir/file; ls -l dir | awk '{ print $1, $2, $NF }'
touch -d '2020-02-03 04:05:06' dir/file; stat -c '%y %s %F' dir/file
date -u -d @86400 +%Y-%m-%dT%H:%M:%S
date -u -r dir/file +%s
TZ=UTC0 cal 2 2024
ln -s file dir/link; readlink dir/link
ln fruit dir/hard; stat -c %h fruit
link fruit dir/hard2; ls -i fruit dir/hard2 | awk '{ print $1 }' | uniq | wc -l
unlink dir/hard2; ls dir
cp fruit copy; cmp fruit copy
cp -r dir tree; find tree | sort
cp -a dir tree2; find tree2 -type l
mv copy moved; ls moved copy
rm moved; ls moved
rm -r tree2; ls tree2
rm nothing
chmod 640 fruit; stat -c %a fruit
chmod u+x,g-r fruit; stat -c %A fruit
chmod -R go= dir; find dir -type f -exec stat -c '%a %n' {} + | sort
chown 1000:1000 dir/file; stat -c '%u %g' dir/file
chgrp 5 dir/file; stat -c %G dir/file
mkfifo pipe; stat -c %F pipe
(echo through >pipe &) ; cat pipe
mknod null c 1 3; stat -c '%F %t %T' null
mktemp -u name.XXXXXX | wc -c
truncate -s 12345 big; stat -c %s big
fallocate -l 4096 reserved; wc -c reserved
dd if=/dev/zero of=zeros bs=1024 count=64 2>/dev/null; md5sum zeros
dd if=numbers bs=1 skip=100 count=10 2>/dev/null
dd if=/dev/zero of=zeros bs=512 seek=10 count=1 conv=notrunc 2>&1 | head -n 2
shred -n 1 -u reserved; ls reserved
find . -name 'fr*' | sort
find . -type d | sort
find . -size +10k -name z\* -exec basename {} \;
find . -newer fruit -name nothing
find dir -perm 600 | sort
xargs -n 2 echo < fruit
echo a b c | xargs -n1 echo item
find . -name numbers -print0 | xargs -0 wc -l
tee t1 t2 < fruit; cmp t1 t2
du -a dir | awk '{ print $2 }' | sort
df /tmp | wc -l
ls -1 /proc/self/fd | head -n 3
ls -a | sort | head -n 4
ls -ld /tmp | cut -c1-10
ls --color=always -d dir | hexdump -C | head -n 2
stat -f -c %T /proc
which sh ls
tar cf archive.tar dir fruit; tar tf archive.tar | sort
tar czf archive.tgz dir numbers; tar tzf archive.tgz | sort
mkdir out; tar xzf archive.tgz -C out; cmp numbers out/numbers
tar cjf archive.tbz dir; tar tjf archive.tbz | wc -l
find dir | cpio -o -H newc 2>/dev/null | cpio -t 2>/dev/null | sort
gzip -c numbers | gunzip | cmp - numbers
gzip -k -9 numbers; zcat numbers.gz | md5sum
bzip2 -c numbers | bunzip2 | md5sum
bzip2 -k numbers; bzcat numbers.bz2 | tail -n 1
xz -dc < /dev/null
lzop -c numbers | lzop -dc | md5sum
uuencode fruit < fruit > coded; uudecode -o decoded coded; cmp fruit decoded
base64 fruit
base64 fruit | base64 -d
xxd fruit
xxd fruit | xxd -r
hexdump -C fruit
od -c fruit
od -An -tx4 -N16 numbers
strings -n 5 fruit
md5sum fruit
sha1sum fruit
sha256sum fruit numbers
sha512sum fruit
sha3sum fruit
sha256sum fruit > sums; sha256sum -c sums
crc32 fruit
diff fruit numbers | head -n 5
cp fruit fruit2; echo more >> fruit2; diff -u fruit fruit2 | tail -n +3
diff -u fruit fruit2 > change; patch < change; cmp fruit fruit2
dos2unix < fruit | md5sum
unix2dos < fruit | od -c | head -n 2
printf '1d\nw other\nq\n' | ed fruit; cat other
printf 'a\nb\n' | more
printf 'a\nb\n' | less
ascii | head -n 3
id
id -u user
whoami
groups
hostname > /dev/null
uname -s
uname -m
arch
nproc > /dev/null
env -i A=1 B=2 env
env -u HOME sh -c 'echo ${HOME-none}'
A=5 sh -c 'echo $A'
renice -n 5 -p 1 > /dev/null 2>&1; echo $?
timeout 5 echo in time
timeout 0.1 sleep 5
sleep 0.01
usleep 1000
time -f done true
sh -c 'kill -TERM $$'
sh -c 'trap "echo caught" USR1; kill -USR1 $$; echo after'
sh -c '{ sleep 10 & kill $!; wait $!; echo $?; } 2>/dev/null'
sh -c 'exit 7'
sh -c 'for i in 1 2 3; do echo $i; done | while read x; do echo got $x; done'
sh -c 'f() { [ $1 -le 1 ] && echo 1 && return; echo $(( $1 * $(f $(($1 - 1))) )); }; f 8'
sh -c 'echo $(( (1 << 40) % 1000007 ))'
printf 'cat <<X\nhere $((1+1))\nX\n' | sh
sh -c 'set -- a b c; shift; echo $# $*'
sh -c 'x=abcabc; echo ${x#a*b} ${x%%b*} ${#x} ${x/b/X}'
sh -c 'ulimit -n 64; ulimit -n'
sh -c 'umask 027; touch masked; stat -c %a masked'
sh -c 'exec 5>five; echo five >&5; cat five'
sh -c '(exit 3) || echo status $?'
sh -c 'cd /; pwd; cd - >/dev/null; pwd'
ash -c 'case abc in a*) echo yes;; esac'
setsid sh -c 'echo session'
pidof nothing
start-stop-daemon -S -x /bin/echo -- started
seq 1 3 | ts x | wc -l
watch -n 1 true < /dev/null | head -c 0
yes | head -n 3
yes no | head -n 200000 | md5sum
shuf -i 1-5 | sort -n | tr '\n' ' '
crontab -l
ipcalc -n 10.1.2.3 255.255.0.0
getopt -o ab: -- -a -b x y
mkpasswd -m md5 -S abcdefgh secret
tty
stty 2>&1
logname 2>/dev/null
clear < /dev/null | wc -c
run-parts --test /etc
mount | grep -c ' on / '
sysctl -n kernel.ostype
taskset -p 1 > /dev/null
chroot / echo in root
setpriv --dump | head -n 1
ionice -c 3 echo idle
nc -h 2>&1 | head -n 1 | cut -c1-7
free | head -n 1 | awk '{ print $1 }'
ps | head -n 1 | awk '{ print $1, $2 }'
busybox | head -n 1 | cut -c1-9
busybox nosuchapplet
nosuchcommand
cat nosuchfile
ls /nosuchdir
./fruit
tar xf fruit
rmdir dir
ln -s loop loop; cat loop
cat < dir
mv dir dir/inside
cp fruit /nosuchdir/fruit
sync
vi -h 2>&1 | head -n 1 | cut -c1-7
