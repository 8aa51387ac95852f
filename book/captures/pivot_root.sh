# Two mount tables of a container's first process: just before pivot_root(2), and in the command.
#
# --explain=step waits for a key before each call, so the process stands where its keys end; the
# number of calls before that one is counted in a run that does not wait.

# Number, parent's number, mount point, type, whose: of the container's mounts, and of the host's
# only / and /proc, as the others differ from machine to machine.
table() {
    awk '
        {
            for (field = 7; $field != "-"; field++);
            id[NR] = $1; parent[NR] = $2; point[NR] = $5; type[NR] = $(field + 1)
            if ($5 == "/" && $4 ~ /\/lab\//) new = $1
            else if ($5 == "/") old = $1
        }
        function ours(mount,    row) {
            if (mount == new) return 1
            for (row = 1; row <= NR; row++) if (id[row] == mount) return ours(parent[row])
            return 0
        }
        END {
            number[old] = 1
            if (old != "") print 1, 0, "/", "‹type›", "host"
            kept = 1
            for (pass = 1; pass <= 2; pass++) for (row = 1; row <= NR; row++) {
                whose = ours(id[row]) ? "container" : "host"
                # The host first; a mount before what is mounted in it.
                if ((pass == 1) != (whose == "host") || id[row] == old) continue
                if (whose == "host" && (point[row] != "/proc" || parent[row] != old)) continue
                if (whose == "container" && point[row] ~ /^\/(proc|sys)\//) continue
                order[++count] = row
                number[id[row]] = ++kept
            }
            for (i = 1; i <= count; i++) {
                row = order[i]
                whose = ours(id[row]) ? "container" : "host"
                print number[id[row]], number[parent[row]] + 0, point[row], type[row], whose
            }
        }' "$1"
}

before_pivot() {
    local keys
    keys=$(minidock-01 --explain run lab true 2>&1 | sed '/^child: make it the root/,$d' | grep -c '^    ')
    { printf "%${keys}s" ''; sleep 60; } |
        script --quiet --flush --command 'minidock-01 --explain=step run lab true' /dev/null >/tmp/told &
    until grep -q '^child: make it the root' /tmp/told 2>/dev/null; do sleep 0.05; done
    table "/proc/$(pgrep --newest minidock)/mountinfo"
    pkill --oldest minidock
    rm /tmp/told
}

echo before
before_pivot
echo after
minidock-01 run lab cat /proc/self/mountinfo >/tmp/after
table /tmp/after
rm /tmp/after
