//! A run as a picture: one panel for each figure, over the same time.
//!
//! Always: plain SVG, readable in any browser, with the floor of a panel as a dashed line where there is one.
//! Does not know: where it is kept.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Report, Sample};

const WIDTH: f64 = 900.0;
const PANEL: f64 = 120.0;
const GAP: f64 = 44.0;
const LEFT: f64 = 70.0;

/// One panel.
struct Panel<'a> {
    title: &'a str,
    unit: &'a str,
    lines: Vec<(&'a str, &'a str, Vec<Option<f64>>)>,
    floor: Option<f64>,
}

/// The report as an SVG picture.
#[must_use]
pub fn plot(report: &Report) -> String {
    let samples = &report.samples;
    let of = |figure: &dyn Fn(&Sample) -> Option<f64>| samples.iter().map(figure).collect::<Vec<_>>();
    let millis = |time: Duration| Some(time.as_secs_f64() * 1000.0);
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let panels = [
        Panel {
            title: "slowest durable commit, and slowest flush of the device",
            unit: "ms",
            lines: vec![
                ("commit", "#c0392b", of(&|sample| millis(sample.durable_worst))),
                ("device", "#2c3e50", of(&|sample| millis(sample.device_worst))),
            ],
            floor: None,
        },
        Panel {
            title: "median durable commit",
            unit: "ms",
            lines: vec![(
                "commit",
                "#c0392b",
                of(&|sample| millis(sample.durable_median).filter(|_| sample.commits > 0)),
            )],
            floor: None,
        },
        Panel {
            title: "resident memory of the process",
            unit: "MB",
            lines: vec![("memory", "#27ae60", of(&|sample| sample.resident_bytes.map(megabytes)))],
            floor: Some(megabytes(report.plan.memory_bytes) * 1.1),
        },
        Panel {
            title: "open descriptors",
            unit: "",
            lines: vec![("descriptors", "#8e44ad", of(&|sample| sample.descriptors.map(|count| count as f64)))],
            floor: None,
        },
        Panel {
            title: "bytes on disk",
            unit: "MB",
            lines: vec![("disk", "#2980b9", of(&|sample| Some(megabytes(sample.disk_bytes))))],
            floor: Some(megabytes(report.live_bytes) * 2.0),
        },
    ];
    let height = (PANEL + GAP) * panels.len() as f64 + 20.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\"><rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let times: Vec<f64> = samples.iter().map(|sample| sample.at.as_secs_f64()).collect();
    let mut top = GAP - 16.0;
    for panel in &panels {
        draw(&mut out, panel, &times, top);
        top += PANEL + GAP;
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, panel: &Panel<'_>, times: &[f64], top: f64) {
    let values = panel.lines.iter().flat_map(|(_, _, values)| values.iter().flatten());
    let most = values.copied().chain(panel.floor).fold(0.0_f64, f64::max).max(1e-6) * 1.05;
    let last = times.last().copied().unwrap_or(1.0).max(1e-6);
    let x = |time: f64| LEFT + time / last * (WIDTH - LEFT - 20.0);
    let y = |value: f64| top + PANEL * (1.0 - value / most);
    let (title, unit) = (panel.title, panel.unit);
    let _infallible = writeln!(out, "<text x=\"{LEFT}\" y=\"{:.1}\" font-weight=\"bold\">{title}</text>", top - 6.0);
    let _infallible = writeln!(
        out,
        "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{}\" height=\"{PANEL}\" fill=\"none\" stroke=\"#bbb\"/>",
        WIDTH - LEFT - 20.0
    );
    for value in [0.0, most / 2.0, most / 1.05] {
        let place = y(value) + 4.0;
        let _infallible =
            writeln!(out, "<text x=\"{}\" y=\"{place:.1}\" text-anchor=\"end\">{value:.1} {unit}</text>", LEFT - 4.0);
    }
    let _infallible = writeln!(
        out,
        "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{last:.0} s</text>",
        WIDTH - 20.0,
        top + PANEL + 14.0
    );
    if let Some(floor) = panel.floor {
        let place = y(floor);
        let _infallible = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{place:.1}\" y2=\"{place:.1}\" stroke=\"#888\" stroke-dasharray=\"6 4\"/>",
            WIDTH - 20.0
        );
    }
    for (number, (name, colour, values)) in (0_u8..).zip(&panel.lines) {
        let points = times.iter().zip(values).filter_map(|(time, value)| Some((x(*time), y((*value)?))));
        let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _infallible = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.2\"/>",
            points.join(" ")
        );
        let _infallible = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            LEFT + 8.0 + 80.0 * f64::from(number),
            top + 14.0
        );
    }
}
