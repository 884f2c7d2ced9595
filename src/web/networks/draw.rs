//! Draws a picture as SVG. Colours and letters are those of the page's styles.

use super::{
    arrange::{Arranged, Place, Size, arrange},
    scene::{Card, Line, Ports, Scene, Shape, bar_class},
};
use crate::{
    api::{Answered, ApiError},
    pace::Pace,
};
use maud::{Markup, html};

/// With more boxes each of them is small; those that nothing is between have more room.
const MOST_LARGE: usize = 80;
const MOST_LARGE_WITHOUT_LINES: usize = 400;
/// What stays free around the picture.
const MARGIN: i64 = 12;
/// How much of a label is shown, in characters.
const LONGEST_LABEL: usize = 18;
/// From the side of a box to what is in it.
const INSET: i64 = 14;
/// Ports in a box: how wide and high each is, how wide with long addresses, and how many stand below each other.
const PORT: Size = Size { width: 186, height: 20 };
const WIDE_PORT: i64 = 380;
const LONG: usize = 19;
const PORTS_IN_COLUMN: usize = 12;
/// About how wide a letter of a port is.
const LETTER: i64 = 8;

/// How large things are.
struct Measures {
    width: i64,
    gap: Size,
    is_large: bool,
}

const LARGE: Measures = Measures { width: 210, gap: Size { width: 118, height: 26 }, is_large: true };
const SMALL: Measures = Measures { width: 156, gap: Size { width: 56, height: 12 }, is_large: false };

/// How ports stand in a box.
struct Columns {
    count: i64,
    rows: i64,
    width: i64,
}

impl Columns {
    fn of(ports: &Ports) -> Self {
        let number = |number: usize| i64::try_from(number).unwrap_or(0);
        let count = ports.shown.len().div_ceil(PORTS_IN_COLUMN).max(1);
        let is_long = ports.shown.iter().any(|port| port.address.len() > LONG);
        Self {
            count: number(count),
            rows: number(ports.shown.len().div_ceil(count)),
            width: if is_long { WIDE_PORT } else { PORT.width },
        }
    }
}

impl Measures {
    /// A box that is open is large, whatever the others are.
    fn of_card(&self, card: &Card) -> &Self {
        if card.ports.is_some() { &LARGE } else { self }
    }

    fn of(&self, card: &Card) -> Size {
        let Size { width, height } = self.of_card(card).of_closed(card);
        let Some(ports) = &card.ports else { return Size { width, height } };
        let columns = Columns::of(ports);
        let more = i64::from(ports.is_cut);
        Size {
            width: width.max(columns.count * (columns.width + INSET) + INSET),
            height: height + (columns.rows + more) * PORT.height + INSET,
        }
    }

    fn of_closed(&self, card: &Card) -> Size {
        let bar = if card.bar.is_some() { if self.is_large { 32 } else { 10 } } else { 0 };
        let texts = if self.is_large { i64::try_from(card.texts.len()).unwrap_or(0) * 18 } else { 0 };
        match card.shape {
            Shape::Pill => Size { width: 150, height: if self.is_large { 44 } else { 26 } },
            Shape::Card => Size { width: self.width, height: 34 + texts + bar },
        }
    }
}

/// A box and where it is.
#[derive(Clone, Copy)]
struct Frame {
    place: Place,
    size: Size,
}

/// Draws; `label` is for who does not see it.
///
/// # Errors
/// 503 if the server is about to stop.
pub async fn svg(scene: &Scene, label: &str) -> Answered<Markup> {
    let most = if scene.lines.is_empty() { MOST_LARGE_WITHOUT_LINES } else { MOST_LARGE };
    let measures = if scene.cards.len() > most { SMALL } else { LARGE };
    let sizes: Vec<Size> = scene.cards.iter().map(|card| measures.of(card)).collect();
    let edges: Vec<(usize, usize)> = scene.lines.iter().map(|line| (line.from, line.to)).collect();
    // It is arithmetic alone, and of two thousand it takes a while: beside the workers.
    let (own, gap) = (sizes.clone(), measures.gap);
    let Arranged { places, size } = tokio::task::spawn_blocking(move || arrange(&own, &edges, gap))
        .await
        .map_err(|_| ApiError::unavailable("The picture was not finished"))?;
    let frames = places
        .into_iter()
        .zip(sizes)
        .map(|(place, size)| Frame { place: Place { x: place.x + MARGIN, y: place.y + MARGIN }, size });
    let frames: Vec<Frame> = frames.collect();
    let (mut lines, mut labels, mut cards) = (Vec::new(), Vec::new(), Vec::new());
    let mut pace = Pace::new();
    for line in &scene.lines {
        pace.step().await;
        if let Some((from, to)) = frames.get(line.from).zip(frames.get(line.to)) {
            let way = Way::between(*from, *to);
            lines.push(way.draw(line, measures.is_large));
            if measures.is_large {
                labels.push(way.label(line));
            }
        }
    }
    for (card, frame) in scene.cards.iter().zip(&frames) {
        pace.step().await;
        cards.push(draw(card, *frame, measures.of_card(card).is_large));
    }
    let (width, height) = (size.width + 2 * MARGIN, size.height + 2 * MARGIN);
    Ok(html! {
        svg #picture role="group" aria-label=(label) width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
            defs {
                marker #arrow viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse" {
                    path d="M0 0L8 4L0 8z" {}
                }
            }
            g aria-hidden="true" { @for line in lines { (line) } }
            g { @for card in cards { (card) } }
            g aria-hidden="true" { @for label in labels { (label) } }
        }
    })
}

/// The way of a line.
struct Way {
    path: String,
    /// Where its label stands.
    middle: Place,
}

impl Way {
    fn between(from: Frame, to: Frame) -> Self {
        let centre = |frame: Frame| frame.place.y + frame.size.height / 2;
        let right = |frame: Frame| frame.place.x + frame.size.width;
        let half = |frame: Frame| frame.place.x + frame.size.width / 2;
        let (from_y, to_y) = (centre(from), centre(to));
        let (start, end, bend) = if right(from) <= to.place.x {
            (right(from), to.place.x, (to.place.x - right(from)) / 2)
        } else if right(to) <= from.place.x {
            (from.place.x, right(to), -(from.place.x - right(to)) / 2)
        } else if from_y == to_y {
            (half(from), half(to), 0)
        } else {
            // In one column: down, or out to the right and back, where something may be between.
            let (upper, lower) = if from_y < to_y { (from, to) } else { (to, from) };
            let (top, bottom) = (upper.place.y + upper.size.height, lower.place.y);
            if bottom - top <= 2 * LARGE.gap.height {
                let middle = Place { x: half(upper), y: i64::midpoint(top, bottom) };
                let path = format!("M{} {top}L{} {bottom}", half(upper), half(lower));
                return Self { path, middle };
            }
            let out = right(from).max(right(to)) + 44;
            let path = format!("M{} {from_y}C{out} {from_y} {out} {to_y} {} {to_y}", right(from), right(to));
            return Self { path, middle: Place { x: out - 12, y: i64::midpoint(from_y, to_y) } };
        };
        let path = if from_y == to_y {
            format!("M{start} {from_y}L{end} {to_y}")
        } else {
            format!("M{start} {from_y}C{} {from_y} {} {to_y} {end} {to_y}", start + bend, end - bend)
        };
        Self { path, middle: Place { x: i64::midpoint(start, end), y: i64::midpoint(from_y, to_y) } }
    }

    fn draw(&self, line: &Line, is_large: bool) -> Markup {
        let marker = (line.is_arrow && is_large).then_some("url(#arrow)");
        html! {
            path class=(line.class) d=(self.path) marker-end=[marker] data-ends={ (line.from) " " (line.to) } { title { (line.title) } }
        }
    }

    fn label(&self, line: &Line) -> Markup {
        let text: String = match line.label.char_indices().nth(LONGEST_LABEL) {
            Some((end, _)) => format!("{}…", line.label.get(..end).unwrap_or_default()),
            None => line.label.clone(),
        };
        html! { @if !text.is_empty() { text .label x=(self.middle.x) y=(self.middle.y - 5) text-anchor="middle" { (text) } } }
    }
}

/// A box. What is too long for it ends at its side.
fn draw(card: &Card, frame: Frame, is_large: bool) -> Markup {
    let Frame { place, size } = frame;
    let round = if card.shape == Shape::Pill { size.height / 2 } else { 8 };
    let is_pill = card.shape == Shape::Pill;
    let (first, step) = if is_pill { (18, 16) } else { (24, 18) };
    let first = if is_pill && !is_large { 17 } else { first };
    let inner = size.width - 2 * INSET;
    let mut y = first;
    let texts = card.texts.iter().take(if is_large { usize::MAX } else { 0 }).map(|text| {
        y += step;
        (y, text)
    });
    let texts: Vec<_> = texts.collect();
    let bar_y = texts.last().map_or(first, |(y, _)| *y) + if is_large { 9 } else { 8 };
    let bar_width = inner.min(LARGE.width - 2 * INSET);
    html! {
        g class=(card.class) data-uuid=(card.uuid) data-words=(card.words.to_lowercase()) transform={ "translate(" (place.x) " " (place.y) ")" } {
            rect width=(size.width) height=(size.height) rx=(round) {}
            svg x=(INSET) width=(inner) height=(size.height) {
                a href=(card.href) aria-label={ (card.title) @if let Some(text) = card.texts.first() { ", " (text.text) } } {
                    title { (card.title) @for text in &card.texts { ", " (text.text) } @if let Some((_, text)) = &card.bar { ", " (text) } }
                    text .name y=(first) { (card.title) }
                }
                @for (y, text) in texts {
                    @if let Some(href) = &text.switch {
                        a href=(href) aria-label={ (text.text) " of " (card.title) } aria-expanded=(card.ports.is_some()) data-switch {
                            text y=(y) { (text.text) @if card.ports.is_some() { " ▴" } @else { " ▾" } }
                        }
                    } @else {
                        text y=(y) { (text.text) }
                    }
                }
                @if let Some((filled, text)) = &card.bar {
                    @let filled_width = bar_width * i64::try_from(*filled).unwrap_or(0) / 1000;
                    rect .ground y=(bar_y) width=(bar_width) height=(if is_large { 7 } else { 5 }) rx="3" {}
                    @if *filled > 0 { rect class=(bar_class(*filled)) y=(bar_y) width=(filled_width.max(3)) height=(if is_large { 7 } else { 5 }) rx="3" {} }
                    @if is_large { text .small y=(bar_y + 20) { (text) } }
                }
                @if let Some(ports) = &card.ports { (draw_ports(ports, Measures::of_closed(&LARGE, card).height)) }
            }
        }
    }
}

/// The ports in an open box, from a height on: each with its address at the right.
fn draw_ports(ports: &Ports, top: i64) -> Markup {
    let Columns { rows, width, .. } = Columns::of(ports);
    let place = |index: usize| {
        let index = i64::try_from(index).unwrap_or(0);
        let (column, row) = (index / rows.max(1), index % rows.max(1));
        (column * (width + INSET), top + row * PORT.height)
    };
    html! {
        @for (index, port) in ports.shown.iter().enumerate() {
            @let (x, y) = place(index);
            @let letters = i64::try_from(port.address.chars().count()).unwrap_or(0);
            @let left = (width - letters * LETTER).max(width / 3);
            svg .port x=(x) y=(y) width=(width) height=(PORT.height) {
                a href=(port.href) aria-label={ "port " (port.name) " " (port.address) } {
                    title { (port.name) ", " (port.address) }
                    rect .row width=(width) height=(PORT.height - 1) rx="3" {}
                    svg x="4" width=(left - 4) height=(PORT.height) { text y="14" { (port.name) } }
                    " "
                    svg x=(left) width=(width - left - 4) height=(PORT.height) { text .address x="100%" y="14" text-anchor="end" { (port.address) } }
                }
            }
        }
        @if ports.is_cut {
            a href="#ports" aria-label="More ports, in the table below" { text x="4" y=(top + rows * PORT.height + 14) { "more below" } }
        }
    }
}
