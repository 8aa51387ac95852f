//! Times as a picture: a rung a line, times on a logarithmic scale, as a process and a virtual
//! machine are three powers of ten apart. Kinds differ by the shape of their mark; what was emulated
//! is hollow.

use crate::results::{Kind, Results, Row};
use crate::rounds::Times;
use crate::words::{escape, label, short};

/// Percent of the width, so that the picture fits a phone; the numbers of the grid need the margins.
const LEFT: f64 = 3.0;
const RIGHT: f64 = 97.0;
/// Pixels: the numbers of the grid, a heading, a rung's name, its line below it.
const TOP: f64 = 24.0;
const HEADING: f64 = 30.0;
const NAME: f64 = 23.0;
const LINE: f64 = 12.0;

/// The ladder's figure; `id` tells the figures of a page apart.
pub(crate) fn starts(results: &Results, id: &str) -> String {
    figure(&format!("Start-up of {}", results.name), results.starts(), id)
}

/// What first writes cost.
pub(crate) fn writes(results: &Results, id: &str) -> String {
    figure(&format!("First writes on {}", results.name), results.writes(), id)
}

/// How long the steps of a container's life take.
pub(crate) fn lives(results: &Results, id: &str) -> String {
    figure(&format!("A container's life on {}", results.name), results.lives(), id)
}

fn figure<'a>(title: &str, rows: impl Iterator<Item = &'a Row>, id: &str) -> String {
    let rows: Vec<&Row> = rows.collect();
    let scale = Scale::of(rows.iter().filter_map(|row| row.times()));
    let (mut parts, mut words) = (String::new(), Vec::new());
    let mut y = TOP;
    let mut last = None;
    for row in rows {
        if last != Some(row.kind) {
            y += HEADING;
            parts += &text(0.0, y, "start", "kind", kind(row.kind));
            last = Some(row.kind);
        }
        y += NAME;
        parts += &text(0.0, y, "start", "", &label(row));
        let value = match row.times() {
            Some(times) => {
                parts += &bar(times, &scale, y + LINE);
                parts += &mark(row, scale.place(times.median), y + LINE);
                let (median, p95) = (short(times.median), short(times.p95));
                words.push(format!("{}: median {median}, 95th percentile {p95}.", label(row)));
                median
            }
            None => {
                words.push(format!("{}: not measured.", label(row)));
                "not measured".into()
            }
        };
        parts += &text(100.0, y, "end", if row.times().is_some() { "" } else { "absent" }, &value);
        // What was not measured has no line.
        y += row.times().map_or(0.0, |_| LINE);
    }
    let bottom = y + LINE;
    let grid = scale.grid(bottom);
    let (height, words) = (bottom + 26.0, escape(&words.join(" ")));
    let title = escape(&format!("{title}, milliseconds, logarithmic"));
    let axis = text(50.0, bottom + 20.0, "middle", "tick", "milliseconds, logarithmic");
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="{height:.0}" role="img" aria-labelledby="{id}-title {id}-words"><title id="{id}-title">{title}</title><desc id="{id}-words">{words}</desc>{grid}{parts}{axis}</svg>
"#
    )
}

/// The heading of a kind's rows.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Host => "Host",
        Kind::Namespace => "Namespaces, one by one",
        Kind::Container => "Containers",
        Kind::VirtualMachine => "Virtual machines",
        Kind::Workload => "Work",
        Kind::Write => "First writes",
        Kind::Life => "A container's life",
    }
}

/// From the fastest to the 95th percentile, with a stop there.
fn bar(times: &Times, scale: &Scale, y: f64) -> String {
    let (from, to) = (scale.place(times.min), scale.place(times.p95));
    let (above, below) = (y - 5.0, y + 5.0);
    line((from, y), (to, y), "bar") + &line((to, above), (to, below), "bar")
}

fn mark(row: &Row, x: f64, y: f64) -> String {
    let class = if row.is_emulated() { "mark hollow" } else { "mark" };
    let shape = match row.kind {
        Kind::Host | Kind::Workload | Kind::Write | Kind::Life => r#"<circle r="5""#,
        Kind::Namespace => r#"<polygon points="0,-6 6,5 -6,5""#,
        Kind::Container => r#"<polygon points="-5,-5 5,-5 5,5 -5,5""#,
        Kind::VirtualMachine => r#"<polygon points="0,-7 7,0 0,7 -7,0""#,
    };
    // A place of its own, because the points of a polygon cannot be percentages.
    format!(r#"<svg x="{x:.2}%" y="{y:.1}" overflow="visible">{shape} class="{class}"/></svg>"#)
}

fn text(x: f64, y: f64, anchor: &str, class: &str, text: &str) -> String {
    let text = escape(text);
    format!(r#"<text x="{x:.2}%" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#)
}

fn line(from: (f64, f64), to: (f64, f64), class: &str) -> String {
    let ((x1, y1), (x2, y2)) = (from, to);
    format!(r#"<line x1="{x1:.2}%" y1="{y1:.1}" x2="{x2:.2}%" y2="{y2:.1}" class="{class}"/>"#)
}

/// Microseconds to percent of the width.
struct Scale {
    from: f64,
    to: f64,
}

impl Scale {
    /// Holds all of them, between two lines of the grid.
    fn of<'a>(times: impl Iterator<Item = &'a Times>) -> Scale {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for times in times {
            least = least.min(times.min.max(1) as f64);
            most = most.max(times.p95 as f64);
        }
        if most == 0.0 {
            return Scale { from: 100.0, to: 1000.0 };
        }
        let from = steps().filter(|step| *step <= least).last().unwrap_or(1.0);
        let to = steps().find(|step| *step >= most && *step > from).unwrap_or(most);
        Scale { from, to }
    }

    fn place(&self, micros: u64) -> f64 {
        let part = (micros.max(1) as f64 / self.from).log10() / (self.to / self.from).log10();
        LEFT + part * (RIGHT - LEFT)
    }

    /// Each has its number where there is room for all, otherwise the powers of ten.
    fn grid(&self, bottom: f64) -> String {
        let steps = || steps().filter(|step| (self.from..=self.to).contains(step));
        let room = steps().count() <= 8;
        let draw = |step: f64| {
            let (x, round) = (self.place(step as u64), step.log10().fract() == 0.0);
            let class = if round { "grid ten" } else { "grid" };
            let number = text(x, TOP - 8.0, "middle", "tick", &format!("{}", step / 1e3));
            line((x, TOP), (x, bottom), class) + if room || round { &number } else { "" }
        };
        steps().map(draw).collect()
    }
}

/// 1, 2, 5, 10 … microseconds, up to minutes.
fn steps() -> impl Iterator<Item = f64> {
    (0..9).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(power)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::sample;
    use vm::machine::Accelerator;

    #[test]
    fn the_scale_holds_everything_and_is_logarithmic() {
        let times = |min, p95| Times { count: 1, median: min, p95, min };
        let all = [times(370, 900), times(1000, 1_270_000)];
        let scale = Scale::of(all.iter());
        assert_eq!((scale.from, scale.to), (200.0, 2_000_000.0));
        assert_eq!((scale.place(200), scale.place(2_000_000)), (LEFT, RIGHT));
        let step = |micros: u64| scale.place(micros * 10) - scale.place(micros);
        assert!((step(400) - step(90_000)).abs() < 1e-6);
        let grid = scale.grid(100.0);
        assert_eq!((grid.matches("<line").count(), grid.matches("<text").count()), (13, 4));
    }

    #[test]
    fn a_figure_says_in_words_what_it_shows_and_marks_what_was_emulated() {
        let figure = |accelerator| starts(&sample(accelerator), "a");
        let emulated = figure(Accelerator::Tcg);
        for row in &sample(Accelerator::Tcg).rows {
            let shown = emulated.contains(&format!("{}: ", escape(&label(row))));
            let is_start = !matches!(row.kind, Kind::Workload | Kind::Write | Kind::Life);
            assert_eq!(shown, is_start, "{}", row.name);
        }
        assert!(emulated.contains("minidock-01: median 3.00 ms, 95th percentile 6.00 ms."));
        assert!(emulated.contains("runc: not measured."));
        assert!(emulated.contains("hollow"));
        assert!(!figure(Accelerator::Kvm).contains("hollow"));
        let writes = writes(&sample(Accelerator::Kvm), "b");
        assert!(
            writes.contains("lower layer: median 3.50 ms, 95th percentile 7.00 ms."),
            "{writes}"
        );
        assert!(!writes.contains("minidock-01"), "{writes}");
        let lives = lives(&sample(Accelerator::Kvm), "c");
        assert!(lives.contains("ps, many: median 9.00 ms, 95th percentile 18.0 ms."), "{lives}");
        assert!(!lives.contains("lower layer"), "{lives}");
    }
}
