# The tree of groups, with two containers of root's and a part of it that is delegated to a user: each
# directory's depth, name and owner, who owns its limit, and how many processes are in it.
#
# In the hierarchy that has the controller pids. Of root's two containers, one has two processes.

top=/sys/fs/cgroup
test -d $top/pids && top=$top/pids
user=1000

minidock-02 run --name db --pids-limit 20 lab sleep 600 &
minidock-02 run --name web --pids-limit 20 lab sh -c 'sleep 600 & exec sleep 600' &
until test "$(cat $top/minidock/*/cgroup.procs 2>/dev/null | wc -l)" = 3; do sleep 0.05; done
# In version 2, this shell is in such a group already; in version 1 it may be anywhere.
mkdir -p $top/shell
echo $$ >$top/shell/cgroup.procs

# What delegation is: the directory and the files that say who is in it; not those that limit it.
mkdir $top/student
for file in '' /cgroup.procs /cgroup.threads /cgroup.subtree_control /tasks; do
    test ! -e $top/student$file || chown $user $top/student$file
done
as_user="setpriv --reuid $user --clear-groups"
$as_user mkdir $top/student/shell $top/student/minidock
# In version 2, what is below has a limit only if the user says so.
for group in $top/student $top/student/minidock; do
    test ! -e $group/cgroup.subtree_control || $as_user sh -c "echo +pids >$group/cgroup.subtree_control"
done
$as_user mkdir $top/student/minidock/mine
$as_user sleep 600 &
echo $! >$top/student/shell/cgroup.procs
$as_user sleep 600 &
mine=$!
# Version 1 lets the user move what is the user's already.
until test "$(stat -c %u /proc/$mine)" = $user; do sleep 0.05; done
# Somebody who may write above both groups puts it in; from there, the user moves it.
echo $mine >$top/student/shell/cgroup.procs
$as_user sh -c "echo $mine >$top/student/minidock/mine/cgroup.procs"

whose() { test "$(stat -c %u "$1")" = 0 && echo root || echo user; }
for group in $(find $top -type d | LC_ALL=C sort); do
    name=${group#"$top"}
    depth=$(tr -dc / <<<"$name" | wc -c)
    limit=none
    test ! -e "$group/pids.max" || test -z "$name" || limit=$(whose "$group/pids.max")
    count=$(wc -l <"$group/cgroup.procs")
    # What else there is of this machine's may be here, or beside this shell.
    case $name in '' | /shell) count=0 ;; esac
    echo "$depth ${name##*/} $(whose "$group") $limit $count" | sed 's|^0  |0 / |'
done
