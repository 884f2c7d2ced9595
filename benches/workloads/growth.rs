//! What a request costs as the configuration grows, up to a million objects, and what a server of that size needs.

use crate::{
    load::{self, Measured, Request},
    support::Server,
    table::{self, Against, Goal},
};
use std::{
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// At how many objects the cost is looked at.
const STEPS: [u64; 7] = [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000];
/// 1.1 KiB an object, in MiB.
const MOST_MEMORY: Goal = Goal::AtMost(1074.0);
/// What is drawn: name, colour, and by how much the name is moved so that no two are in one place.
const OPERATIONS: [(&str, &str, f64); 4] = [
    ("create network", "#c0392b", 4.0),
    ("GET by id", "#2471a3", -3.0),
    ("fqname-to-id", "#1e8449", 13.0),
    ("page of 100", "#8e44ad", 4.0),
];

/// The costs at one size.
struct Step {
    objects: u64,
    measured: [Measured; 4],
}

/// Grows a server's configuration up to `most` objects, prints what that costs, and draws it into a file.
pub fn grow(duration: Duration, most: u64, plot: &Path) {
    let server = Server::start(&[]);
    let mut steps: Vec<Step> = Vec::new();
    let mut networks = 0;
    for objects in STEPS.into_iter().filter(|objects| *objects <= most) {
        // A network brings a routing instance. What was measured made some, too.
        let missing = (objects / 2).saturating_sub(count(&server));
        let first = networks;
        load::counted(&[&server], 64, missing, &|number| network(first + number));
        networks += missing;
        if objects == most {
            table::value("memory with all objects, as made", server.memory(), "MiB", MOST_MEMORY);
        }
        let measured = measure(&server, duration, networks, &format!("at-{objects}"));
        for ((name, ..), measured) in OPERATIONS.iter().zip(measured) {
            let name = format!("{name}, {objects} objects");
            table::row(&name, measured, Against::Nothing, Goal::None);
        }
        steps.push(Step { objects, measured });
    }
    fs::write(plot, draw(&steps)).unwrap();
    let begin = Instant::now();
    let server = server.restart();
    table::value("ready after a restart, with stopping", begin.elapsed().as_secs_f64(), "s", Goal::AtMost(10.0));
    table::value("memory after it", server.memory(), "MiB", MOST_MEMORY);
    let base = steps.iter().find(|step| step.objects == 10_000);
    if let (Some(base), Some(last)) = (base, steps.last().filter(|step| step.objects == 1_000_000)) {
        for (index, (name, ..)) in OPERATIONS.iter().enumerate() {
            let name = format!("{name}: 1,000,000 objects / 10,000");
            table::value(&name, last.measured[index].rate / base.measured[index].rate, "", Goal::AtLeast(0.9));
        }
    }
}

/// How many networks there are.
fn count(server: &Server) -> u64 {
    let counted = crate::send(server, &crate::get("/virtual-networks?count=true"));
    counted["virtual-networks"]["count"].as_u64().unwrap()
}

fn network(number: u64) -> Request {
    crate::network(&format!("grown-{number}"))
}

/// The four operations, on objects all over the configuration.
fn measure(server: &Server, duration: Duration, networks: u64, name: &str) -> [Measured; 4] {
    // Names far apart, in an order that no cache likes.
    let somewhere = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % networks;
    let ask = |number: u64| {
        let name = format!("grown-{}", somewhere(number));
        let body =
            format!("{{\"type\":\"virtual-network\",\"fq_name\":[\"default-domain\",\"default-project\",\"{name}\"]}}");
        ("POST", "/fqname-to-id".to_owned(), body)
    };
    let uuids: Vec<String> = {
        let mut connection = server.connect();
        let uuid = |number| {
            let (method, path, body) = ask(number);
            let answer: serde_json::Value =
                serde_json::from_slice(&connection.send(method, &path, &body).body).unwrap();
            answer["uuid"].as_str().unwrap().to_owned()
        };
        (0..1000).map(uuid).collect()
    };
    let read = |number: u64| {
        let uuid = &uuids[usize::try_from(number).unwrap() % uuids.len()];
        ("GET", format!("/virtual-network/{uuid}"), String::new())
    };
    let page = |number: u64| {
        let first = number as usize % (uuids.len() - 100);
        ("GET", format!("/virtual-networks?obj_uuids={}", uuids[first..first + 100].join(",")), String::new())
    };
    let clients = 64;
    [
        load::closed(&[server], clients, duration, &|number| crate::network(&format!("{name}-{number}"))),
        load::closed(&[server], clients, duration, &read),
        load::closed(&[server], clients, duration, &ask),
        load::closed(&[server], clients, duration, &page),
    ]
}

/// Microseconds a request over the number of objects, both axes logarithmic.
fn draw(steps: &[Step]) -> String {
    const WIDTH: f64 = 720.0;
    const HEIGHT: f64 = 400.0;
    const LEFT: f64 = 70.0;
    const BOTTOM: f64 = 350.0;
    let x = |objects: f64| LEFT + (objects.log10() - 3.0) / 3.0 * (WIDTH - LEFT - 130.0);
    let y = |microseconds: f64| BOTTOM - (microseconds.log10() - 1.0) / 3.0 * (BOTTOM - 40.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\">Microseconds a request (64 clients, 1 / rate) over the number of objects</text>\n"
    );
    for power in 3..=6 {
        let (objects, label) = (10_f64.powi(power), ["1,000", "10,000", "100,000", "1,000,000"][power as usize - 3]);
        let x = x(objects);
        writeln!(svg, "<path d=\"M{x:.1} 40V{BOTTOM}\" stroke=\"#ddd\"/>").unwrap();
        writeln!(svg, "<text x=\"{x:.1}\" y=\"370\" text-anchor=\"middle\">{label}</text>").unwrap();
    }
    for power in 1..=4 {
        let y = y(10_f64.powi(power));
        writeln!(svg, "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"#ddd\"/>", WIDTH - 130.0).unwrap();
        let label = 10_u32.pow(power.unsigned_abs());
        writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 8.0, y + 4.0).unwrap();
    }
    for (index, (name, colour, moved)) in OPERATIONS.iter().enumerate() {
        let points = steps.iter().map(|step| (x(step.objects as f64), y(1e6 / step.measured[index].rate)));
        let points: Vec<(f64, f64)> = points.collect();
        let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", line.join(" "))
            .unwrap();
        for (x, y) in &points {
            writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>").unwrap();
        }
        if let Some((x, y)) = points.last() {
            writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>", x + 10.0, y + moved)
                .unwrap();
        }
    }
    svg.push_str("</svg>\n");
    svg
}
