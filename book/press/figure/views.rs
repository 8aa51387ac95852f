//! One kernel, many views: a container beside a virtual machine.

use super::{Anchor, Picture};

/// Processes, and what each takes to be its machine.
const PROCESSES: [[&str; 4]; 3] = [
    ["a process", "host name: host", "its number: 4711", "/ is the disk"],
    ["a container’s", "host name: a5d8…", "its number: 1", "/ is a directory"],
    ["a container’s", "host name: 17c0…", "its number: 1", "/ is a directory"],
];

const BOX: u32 = 128;
const GAP: u32 = 10;
const LINE: u32 = 19;
const LEFT: u32 = 10;
/// Where the second half begins.
const RIGHT: u32 = LEFT + 3 * BOX + 2 * GAP + 50;

/// Draws it.
pub(super) fn draw() -> Picture {
    let width = 3 * BOX + 2 * GAP;
    let mut picture = Picture::new("One kernel, many views", RIGHT + width + LEFT, 330);
    let tops = [40, 145, 235, 280];
    for (start, title) in [(LEFT, "Containers"), (RIGHT, "Virtual machines")] {
        picture.text(start + width / 2, 24, Anchor::Middle, "title", title);
        picture.rectangle(start, tops[3], width, 36, "solid");
        picture.text(start + width / 2, tops[3] + 23, Anchor::Middle, "text", "one machine");
    }
    for (index, lines) in PROCESSES.iter().enumerate() {
        let at = |start: u32| start + index as u32 * (BOX + GAP);
        for start in [LEFT, RIGHT] {
            let x = at(start);
            let class = if index == 0 { "dashed" } else { "solid" };
            picture.rectangle(x, tops[0], BOX, 4 * LINE + 14, class);
            let lines = if start == RIGHT && index > 0 { &GUEST } else { lines };
            for (row, line) in lines.iter().enumerate() {
                let y = tops[0] + 20 + row as u32 * LINE;
                let class = if row == 0 { "title" } else { "text" };
                picture.text(x + BOX / 2, y, Anchor::Middle, class, line);
            }
        }
        // A view is a slice of the one kernel; a guest's kernel is a second one.
        let x = at(LEFT);
        picture.rectangle(x, tops[1], BOX, 75, "view");
        let view = ["the host’s", "a set of", "a set of"][index];
        picture.text(x + BOX / 2, tops[1] + 32, Anchor::Middle, "text", view);
        picture.text(x + BOX / 2, tops[1] + 50, Anchor::Middle, "text", "namespaces");
        if index > 0 {
            let x = at(RIGHT);
            picture.rectangle(x, tops[1], BOX, 75, "filled");
            picture.text(x + BOX / 2, tops[1] + 32, Anchor::Middle, "title", "a kernel");
            picture.text(x + BOX / 2, tops[1] + 50, Anchor::Middle, "text", "of its own");
        }
    }
    for (start, text) in [(LEFT, "one kernel"), (RIGHT, "one kernel, with a hypervisor in it")] {
        picture.rectangle(start, tops[2], width, 36, "filled");
        picture.text(start + width / 2, tops[2] + 23, Anchor::Middle, "title", text);
    }

    picture.say("Containers: three processes stand on one kernel, which stands on one machine.");
    picture.say("Each process sees the kernel through its own set of namespaces: a host name, process numbers, a root. One of the sets is the host’s.");
    picture
        .say("Virtual machines: two of the three processes stand on a kernel of their own each.");
    picture.say("Those kernels stand on virtual hardware that the hypervisor in the host’s kernel provides; the third process is an ordinary one of the host’s.");
    picture
}

/// A process in a virtual machine.
const GUEST: [&str; 4] = ["a guest’s", "host name: guest", "its number: 417", "/ is a disk"];
