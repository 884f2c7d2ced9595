//! How a line is written. Whatever somebody sends, it is neither a second line nor another field: in JSON all is escaped, and in
//! text what goes on after a line break begins with a tab, as in PostgreSQL's log.

#![allow(clippy::doc_markdown, reason = "PostgreSQL is a name here, not code")]

use super::{Served, Trace};
use serde::{Serialize, Serializer as _};
use serde_json::{Serializer, json};
use std::fmt::{self, Debug};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Full, Writer},
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// What stands in each line, so that no field of an event can say something else.
const OWN: [&str; 5] = ["time", "level", "target", "request_id", "trace_id"];

/// Now, as `2026-11-27T09:15:00.123456Z`.
fn now() -> String {
    let mut text = String::new();
    // Writing to a text can't fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// Lines for people.
pub struct TextLine {
    plain: Format<Full, SystemTime>,
    colours: bool,
}

impl TextLine {
    pub fn new(colours: bool) -> Self {
        Self { plain: Format::default().with_ansi(false), colours }
    }
}

impl<S, N> FormatEvent<S, N> for TextLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut text = String::new();
        self.plain.format_event(context, Writer::new(&mut text), event)?;
        let mut line = text.strip_suffix('\n').unwrap_or(&text);
        let level = *event.metadata().level();
        if self.colours
            && let Some((time, rest)) = line.split_once(level.as_str())
        {
            write!(writer, "\u{1b}[2m{time}\u{1b}[0m\u{1b}[{}m{level}\u{1b}[0m", colour(level))?;
            line = rest;
        }
        write_harmless(&mut writer, line)?;
        Served::look(|served| write!(writer, " request_id={:?}", served.id)).unwrap_or(Ok(()))?;
        writer.write_char('\n')
    }
}

fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

/// Writes what may come from anybody: nothing of it steers a terminal.
fn write_harmless(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    if !text.contains(char::is_control) {
        return writer.write_str(text);
    }
    for letter in text.chars() {
        match letter {
            '\n' => writer.write_str("\n\t")?,
            '\t' => writer.write_char(letter)?,
            _ if letter.is_control() => write!(writer, "{}", letter.escape_default())?,
            _ => writer.write_char(letter)?,
        }
    }
    Ok(())
}

/// Lines for programs.
pub struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields { text: Vec::with_capacity(256), target: None };
        event.record(&mut fields);
        let metadata = event.metadata();
        let target = fields.target.as_deref().unwrap_or(metadata.target());
        // A level and the time need no escapes.
        write!(writer, r#"{{"time":"{}","level":"{}","target":{}"#, now(), metadata.level(), json!(target))?;
        writer.write_str(str::from_utf8(&fields.text).map_err(|_| fmt::Error)?)?;
        Served::look(|served| {
            let trace = served.trace.as_deref().map(Trace::id);
            trace.map_or(Ok(()), |trace| write!(writer, r#","trace_id":"{trace}""#))?;
            write!(writer, r#","request_id":{}"#, json!(served.id))
        })
        .unwrap_or(Ok(()))?;
        writer.write_str("}\n")
    }
}

/// The fields of an event, each with a comma before it.
struct Fields {
    text: Vec<u8>,
    /// What libraries say that speak by way of the crate `log`.
    target: Option<String>,
}

impl Fields {
    fn begin(&mut self, field: &Field) {
        let name = field.name().trim_start_matches("r#");
        self.text.push(b',');
        // Memory takes everything.
        let _ = if OWN.contains(&name) {
            serde_json::to_writer(&mut self.text, &format!("field_{name}"))
        } else {
            serde_json::to_writer(&mut self.text, name)
        };
        self.text.push(b':');
    }

    fn value(&mut self, field: &Field, value: impl Serialize) {
        self.begin(field);
        let _ = serde_json::to_writer(&mut self.text, &value);
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "log.target" {
            self.target = Some(value.to_owned());
            return;
        }
        if !field.name().starts_with("log.") {
            self.value(field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name().starts_with("log.") {
            return;
        }
        self.begin(field);
        let _ = Serializer::new(&mut self.text).collect_str(&format_args!("{value:?}"));
    }
}

/// A line of an error, by itself.
pub fn last_word(text: &str) -> String {
    format!("{}\n", json!({"time": now(), "level": "ERROR", "target": "cirrus", "message": text}))
}

/// The same for a person.
pub fn of_person(text: &str) -> String {
    format!("cirrus: {text}\n")
}

/// A line that says how many there should be before it.
pub fn dropped(lines: u64, is_json: bool) -> String {
    let text = format!("{lines} lines of the log were dropped, as nobody took them");
    let (time, target) = (now(), "cirrus::logs");
    if is_json {
        let line = json!({"time": time, "level": "WARN", "target": target, "message": text, "dropped": lines});
        format!("{line}\n")
    } else {
        format!("{time}  WARN {target}: {text} dropped={lines}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::{
        io,
        sync::{Arc, Mutex},
    };
    use tracing_subscriber::{fmt::layer, layer::SubscriberExt, registry};

    /// Where lines are kept.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written in one form, and in the other one.
    fn written(say: impl Fn()) -> (String, Value) {
        let [text, json] = [Kept::default(), Kept::default()];
        let (writes_text, writes_json) = (text.clone(), json.clone());
        let lines = registry()
            .with(layer().event_format(TextLine::new(false)).with_writer(move || writes_text.clone()))
            .with(layer().event_format(JsonLine).with_writer(move || writes_json.clone()));
        tracing::subscriber::with_default(lines, || {
            let served = Served { id: "an id\" level=ERROR \\".into(), trace: None };
            served.during(say);
        });
        let [text, json] = [text, json].map(|kept| String::from_utf8(kept.0.lock().unwrap().clone()).unwrap());
        assert_eq!(json.matches('\n').count(), 1, "{json}");
        (text, serde_json::from_str(&json).unwrap())
    }

    #[test]
    fn a_line_has_its_fields_and_those_of_the_request() {
        let none: Option<&str> = None;
        let (text, line) = written(|| {
            tracing::info!(
                name = "net",
                number = 7_u64,
                less = -7,
                yes = true,
                part = 0.5,
                nan = f64::NAN,
                list = ?["a"],
                none,
                "said {}",
                1
            );
        });
        let expected = json!({"time": line["time"], "level": "INFO", "target": line["target"], "message": "said 1", "name": "net",
            "number": 7, "less": -7, "yes": true, "part": 0.5, "nan": null, "list": "[\"a\"]",
            "request_id": "an id\" level=ERROR \\"});
        assert_eq!(line, expected);
        assert!(line["target"].as_str().unwrap().ends_with("logs::line::tests"), "{line}");
        assert!(
            time::OffsetDateTime::parse(line["time"].as_str().unwrap(), &time::format_description::well_known::Rfc3339)
                .is_ok()
        );
        assert!(text.ends_with(" request_id=\"an id\\\" level=ERROR \\\\\"\n"), "{text}");
        assert!(text.contains(" INFO ") && text.contains("said 1 name=\"net\" number=7"), "{text}");
    }

    #[test]
    fn nothing_makes_a_line_of_its_own_or_takes_the_place_of_a_field() {
        let forged = "one\n2026-11-27T09:15:00Z ERROR cirrus: forged\u{1b}[31m \"level\":\"ERROR\"";
        let (text, line) = written(|| tracing::warn!(level = "x", request_id = "y", why = %forged, "{forged}"));
        assert_eq!((line["level"].as_str(), line["field_level"].as_str()), (Some("WARN"), Some("x")));
        assert_eq!(
            (line["request_id"].as_str(), line["field_request_id"].as_str()),
            (Some("an id\" level=ERROR \\"), Some("y"))
        );
        assert_eq!((line["why"].as_str(), line["message"].as_str()), (Some(forged), Some(forged)));
        assert!(text.lines().skip(1).all(|line| line.starts_with('\t')), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
