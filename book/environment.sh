#!/usr/bin/env bash
# The machine that every transcript in the book is made on: namespaces of its own, so that it is the
# same everywhere and the real machine is not touched. `unshare` has already made them, and limits.sh
# control groups; $1 and the other words are the programs to be found on the PATH. Reads commands that end with a NUL, runs each
# as a person's shell would, and ends its output with a NUL.
set -euo pipefail

# The labs are read where they lie, also if that is one of the places that are covered below.
tree=$(dirname "$(dirname "$0")")
exec {repository}<"$tree"

# Everything is put on /mnt, which then covers the places that commands write to.
declare -A programs
for program in "$@"; do
    exec {descriptor}<"$program"
    programs[${program##*/}]=$descriptor
done
mount -t tmpfs -o mode=755 host /mnt
mkdir /mnt/bin /mnt/lib /mnt/home
mkdir -m 1777 /mnt/tmp
mkdir /mnt/run
# Here cargo puts programs and examples; an ordinary build, below the working directory.
mkdir -p /mnt/home/target/debug
ln -s /mnt/bin /mnt/home/target/release
ln -s /mnt/bin /mnt/home/target/debug/examples
for name in "${!programs[@]}"; do
    cat <&"${programs[$name]}" >"/mnt/bin/$name"
    exec {programs[$name]}<&-
done

cat >/mnt/bin/cargo <<'CARGO'
#!/bin/sh
# What cargo would build is built; this only finds it.
case $1 in
    minidock) shift; exec "$(ls -d /mnt/bin/minidock-[0-9]* | tail -n 1)" "$@" ;;
    ch[0-9]*) program=minidock-0${1#ch}; shift; exec "$program" "$@" ;;
    build) exit 0 ;;
    xtask) test "$2" = lab && { shift 2; exec labs "$@"; } ;;
esac
echo "cargo $*: not in the book's environment" >&2
exit 1
CARGO
printf '#!/bin/sh\nexec "$@"\n' >/mnt/bin/sudo
chmod 755 /mnt/bin/*

# The hierarchies, as our own cgroup namespace shows them: with our groups as their roots. Version 2
# stands alone if it has the controllers; otherwise each hierarchy has a directory.
mapfile -t hierarchies < <(
    sed -nE 's/^(\S+ ){4}(\S+) .* - (cgroup2?) \S+ (\S+)$/\2 \3 \4/p' /proc/self/mountinfo
)
mkdir /mnt/cgroup
mount -t tmpfs -o mode=755 cgroup /mnt/cgroup
top=/mnt/cgroup
for hierarchy in "${hierarchies[@]}"; do
    read -r point type options <<<"$hierarchy"
    names=unified
    if test "$type" = cgroup2; then
        options=rw
        if grep -q memory "$point/cgroup.controllers"; then top=/mnt/cgroup/unified; fi
    else
        wanted='memory|cpu|cpuacct|cpuset|pids|blkio|freezer'
        names=$(grep -owE "$wanted" <<<"$options" | paste -sd ,) && options=$names || continue
    fi
    mkdir -p "/mnt/cgroup/$names"
    mount -t "$type" -o "$options" cgroup "/mnt/cgroup/$names"
    for name in ${names//,/ }; do
        test -e "/mnt/cgroup/$name" || ln -s "$names" "/mnt/cgroup/$name"
    done
done
umount --recursive --lazy /sys/fs/cgroup
mount --move "$top" /sys/fs/cgroup
test "$top" = /mnt/cgroup || umount --recursive /mnt/cgroup
rmdir /mnt/cgroup

mount --bind /mnt/lib /var/lib
mount --bind /mnt/tmp /tmp
mount --bind /mnt/run /run
if ! test -e "$tree/labs"; then
    mkdir -p "$tree"
    # As it is: the name behind the link leads nowhere any more.
    mount --no-canonicalize --bind "/proc/self/fd/$repository" "$tree"
fi
exec {repository}<&-
hostname host
# A second interface, and what its cable leads to.
ip link add eth0 address 02:00:00:00:00:01 type veth peer name router address 02:00:00:00:00:02
ip link set eth0 up
ip link set router up
cd /mnt/home
cargo minidock run --rm lab true 2>/dev/null
set +eu
printf '\0'

while IFS= read -r -d '' command; do
    eval "$command" </dev/null 2>&1
    printf '\0'
done
