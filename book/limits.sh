#!/usr/bin/env bash
# Runs a command in control groups of its own, with limits on all that it starts: so the attacks in the
# book harm nothing but their own shell. To the command these groups are the roots of all hierarchies:
# it sees none of the machine's. They are removed when it ends, or when this is told to (SIGTERM).
set -euo pipefail
processes=256
memory=$((512 << 20))
name=book-$(cat /proc/sys/kernel/random/uuid)

refuse() {
    echo "limits.sh: $1" >&2
    exit 1
}

# "version controllers directory" of our own group in each hierarchy that a container has a group in.
hierarchies() {
    local root point type options id names path
    while read -r root point type options; do
        while IFS=: read -r id names path; do
            case $type:$names in
                cgroup2:) ;;
                cgroup:*memory* | cgroup:*cpu* | cgroup:*pids* | cgroup:*blkio* | cgroup:*freezer*)
                    [[ ,$options, == *,$names,* ]] || continue ;;
                *) continue ;;
            esac
            # What is mounted may be a part of the tree.
            [[ $root == / ]] || path=${path#"$root"}
            echo "$type ${names:--} $point${path%/}"
        done </proc/self/cgroup
    done < <(sed -E 's/^\S+ \S+ \S+ (\S+) (\S+) .* - (\S+) \S+ (\S+)$/\1 \2 \3 \4/' /proc/self/mountinfo)
}

# Version 2: a group's controllers, as far as they are of use, for those below it.
share() {
    local controller
    for controller in $(grep -owE 'cpu|cpuset|io|memory|pids' "$1/cgroup.controllers"); do
        echo "+$controller" >"$1/cgroup.subtree_control" || return
    done
}
export -f share

# A limit in the first of these files that is there.
limit() {
    local value=$1 file
    shift
    for file in "$@"; do
        if test -e "$file"; then
            echo "$value" >"$file"
            return
        fi
    done
    return 1
}

groups=()
leaf= pids= bytes= machine=
finish() {
    local group try left
    for try in {1..100}; do
        for group in "${groups[@]}"; do
            # They are empty; but a process that was killed takes a moment to be gone.
            find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
            # Somebody else's container may be beside ours.
            rmdir "${group%/*}" 2>/dev/null || true
        done
        left=$(ls -d "${groups[@]}" 2>/dev/null || true)
        test -n "$left" || return 0
        sleep 0.05
    done
    echo "limits.sh: these groups are left: $left" >&2
}
trap finish EXIT

while read -r type names own; do
    if test "$type" = cgroup2 && grep -q memory "$own/cgroup.controllers"; then
        # A group with processes, as is ours, shares out no controllers: those above it do. (The
        # root of all groups, which has no such type, may have processes.)
        if test -e "$own/cgroup.type"; then own=${own%/*}; fi
        share "$own" || refuse "$own shares out no controllers"
    fi
    group=$own/minidock/$name
    groups+=("$group")
    mkdir -p "${group%/*}"
    if test "$type" = cgroup2 && grep -q memory "$own/cgroup.controllers"; then
        share "${group%/*}"
        leaf=$group/shell
    fi
    mkdir "$group"
    if [[ $names == *cpuset* ]]; then
        # New ones are empty, and nothing may enter them.
        for directory in "${group%/*}" "$group"; do
            for file in cpuset.cpus cpuset.mems; do
                cat "$directory/../$file" >"$directory/$file"
            done
        done
    fi
    # `minidock clean` on this machine takes away only what nobody has locked.
    exec {lock}<"$group"
    flock "$lock"
    if limit "$memory" "$group/memory.max" "$group/memory.limit_in_bytes"; then
        bytes=limited
        limit 0 "$group/memory.swap.max" ||
            limit "$memory" "$group/memory.memsw.limit_in_bytes" || true
    fi
    if limit "$processes" "$group/pids.max"; then pids=limited; fi
done < <(hierarchies)
test -n "$pids$bytes" || refuse "there are no control groups here"
test -n "$pids" && test -n "$bytes" || refuse "memory or processes cannot be limited here"
test -z "$leaf" || mkdir "$leaf"

trap 'kill -KILL "$machine" 2>/dev/null || true' TERM INT HUP
exec {input}<&0
(
    trap - EXIT TERM INT HUP
    for group in "${groups[@]}"; do
        echo 0 >"$group/cgroup.procs"
    done
    # Only in its leaf, as the group shares out its controllers from then on.
    exec unshare --cgroup bash -c '
        if test -n "$1"; then
            echo 0 >"$1/cgroup.procs"
            share "${1%/*}"
        fi
        shift
        exec "$@"' limits "$leaf" "$@"
) <&"$input" {input}<&- &
machine=$!
exec <&- {input}<&-
# A signal ends the first wait; what it killed is waited for by the second.
{ wait "$machine" || wait "$machine" || true; } 2>/dev/null
