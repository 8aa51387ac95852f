//! Hosts whose root cannot be exchanged.

use crate::host::Host;

#[test]
fn a_chroot_cannot_have_containers_until_its_root_is_a_mount() {
    let mut host = Host::new();
    // A lab's programs come with the libraries that the binary needs, too.
    host.change(&format!(
        "mkdir \"$SCRATCH/new\" && for part in bin lib lib64 usr; do \
         test ! -e {0}/$part || cp -R {0}/$part \"$SCRATCH/new\"; done",
        format_args!("{}/lab/*-*", testkit::shared_root().display())
    ));
    host.change("cd \"$SCRATCH/new\" && mkdir -p proc dev var/lib/minidock && cp \"$MINIDOCK\" m");
    host.change("mount -t proc proc proc && mount --rbind /dev dev && unset MINIDOCK_ROOT");
    let doctor = "chroot \"$SCRATCH/new\" /m doctor --json";
    let examine = |host: &mut Host| {
        let (code, text) = host.run(doctor);
        crate::host::Report::new(code, &text)
    };
    let report = examine(&mut host);
    report
        .needs("pivot-root", "missing", "mount --bind DIR DIR")
        .needs("namespace-user", "limited", "outside of the chroot")
        .is("container", "missing")
        .chapter(1, "no");
    // What is mounted in it comes along.
    host.change("cd / && mount --rbind \"$SCRATCH/new\" \"$SCRATCH/new\"");
    examine(&mut host).is("pivot-root", "ok").is("container", "ok");
}
