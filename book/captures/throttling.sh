# Timings: how the processor time of one busy process grows under `--cpus 0.5`. A line every 10 ms:
# microseconds since the first, microseconds of processor time, periods that ended in waiting.

minidock-02 run --name busy --cpus 0.5 lab /probe spin &
until minidock-02 inspect --format '{{.Usage.ThrottledPeriods}}' busy 2>/dev/null | grep -qxE '[3-9]|[1-9][0-9]+'; do
    sleep 0.02
done
cat >sample <<'END'
use Time::HiRes qw(time sleep);
sub field {
    my ($key, @files) = @_;
    for my $name (@files) {
        open my $file, "<", "/sys/fs/cgroup/$name" or next;
        while (<$file>) { return $1 if /^\Q$key\E(\d+)$/ }
    }
    return undef;
}
my $group = "minidock/busy";
# Version 2 counts the time with the controller or without; version 1 in nanoseconds, in a tree of its own.
my @unified = ("$group/cpu.stat", "unified/$group/cpu.stat");
sub used { field("usage_usec ", @unified) // field("", "cpuacct/$group/cpuacct.usage") / 1000 }
my ($start, $used, $waits);
for my $number (0 .. 50) {
    my @now = (time, used(), field("nr_throttled ", "cpu/$group/cpu.stat", "$group/cpu.stat"));
    ($start, $used, $waits) = @now unless $number;
    printf "%d %d %d\n", ($now[0] - $start) * 1e6, $now[1] - $used, $now[2] - $waits;
    my $next = $start + ($number + 1) / 100 - time;
    sleep $next if $next > 0;
}
END
perl sample
