#!/usr/bin/env bash
# The machine that every transcript in the book is made on: namespaces of its own, so that it is the
# same everywhere and the real machine is not touched. `unshare` has already made them; $1 and the
# other words are the programs to be found on the PATH. Reads commands that end with a NUL, runs each
# as a person's shell would, and ends its output with a NUL.
set -euo pipefail

# Everything is put on /mnt, which then covers the places that commands write to.
declare -A programs
for program in "$@"; do
    exec {descriptor}<"$program"
    programs[${program##*/}]=$descriptor
done
mount -t tmpfs -o mode=755 host /mnt
mkdir /mnt/bin /mnt/lib /mnt/home
mkdir -m 1777 /mnt/tmp
# Here cargo puts the examples; an ordinary build, below the working directory.
mkdir -p /mnt/home/target/debug
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
esac
echo "cargo $*: not in the book's environment" >&2
exit 1
CARGO
printf '#!/bin/sh\nexec "$@"\n' >/mnt/bin/sudo
chmod 755 /mnt/bin/*

mount --bind /mnt/lib /var/lib
mount --bind /mnt/tmp /tmp
hostname host
# A second interface, and what its cable leads to.
ip link add eth0 address 02:00:00:00:00:01 type veth peer name router address 02:00:00:00:00:02
ip link set eth0 up
ip link set router up
cd /mnt/home
cargo minidock run lab true 2>/dev/null
set +eu
printf '\0'

while IFS= read -r -d '' command; do
    eval "$command" </dev/null 2>&1
    printf '\0'
done
