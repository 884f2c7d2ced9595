//! What PostgreSQL says, as lines of our own log, marked with `source: "postgresql"`. It writes to a file, and never waits for us;
//! the file is read as it grows.

use super::cluster::LINE_PREFIX;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::Level;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How much of it is read at a time, in bytes.
const PIECE: usize = 64 << 10;
/// How many bytes of what PostgreSQL says at a time are told: a statement may be very long.
const LONGEST: usize = 16 << 10;
/// How long the last lines may take to be read.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// The words that lines begin with, and what they mean here. As PostgreSQL itself has it for syslog, but for FATAL: it ends a
/// session, which may have been asked for, and not the server.
const SEVERITIES: [(&str, Level); 12] = [
    ("DEBUG5", Level::DEBUG),
    ("DEBUG4", Level::DEBUG),
    ("DEBUG3", Level::DEBUG),
    ("DEBUG2", Level::DEBUG),
    ("DEBUG1", Level::DEBUG),
    ("LOG", Level::INFO),
    ("INFO", Level::INFO),
    ("NOTICE", Level::INFO),
    ("WARNING", Level::WARN),
    ("ERROR", Level::WARN),
    (FATAL, Level::WARN),
    ("PANIC", Level::ERROR),
];
const FATAL: &str = "FATAL";
/// What each connection is refused with while PostgreSQL starts, recovers or stops, ten times a second: that it does so was said.
const STARTS_OR_STOPS: &str = "the database system is ";
/// What it says when it is stopped, ...
const STOPS: &str = "received fast shutdown request";
/// ... and then of each session that there still is.
const ENDS_SESSION: &str = "terminating connection ";
/// The words that lines begin with which say more of the one before.
const MORE: [&str; 7] = ["DETAIL", "HINT", "QUERY", "CONTEXT", "LOCATION", "BACKTRACE", "STATEMENT"];

/// Who reads the file.
#[derive(Debug)]
pub struct Lines {
    ends: watch::Sender<bool>,
    reading: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Lines {
    /// Tells what is written to the file from now on.
    pub fn follow(path: PathBuf) -> Self {
        let (ends, end) = watch::channel(false);
        let reader = Reader::at_end_of(path);
        Self { ends, reading: tokio::sync::Mutex::new(Some(tokio::spawn(reader.run(end)))) }
    }

    /// Tells what is there, and ends.
    pub async fn stop(&self) {
        self.ends.send_replace(true);
        if let Some(reading) = self.reading.lock().await.take() {
            let _ = timeout(ENDS_WITHIN, reading).await;
        }
    }
}

struct Reader {
    path: PathBuf,
    file: Option<File>,
    records: Records,
}

impl Reader {
    fn at_end_of(path: PathBuf) -> Self {
        let at_end = |mut file: File| file.seek(SeekFrom::End(0)).map(|_| file);
        let file = File::open(&path).and_then(at_end).ok();
        Self { path, file, records: Records::default() }
    }

    async fn run(mut self, mut end: watch::Receiver<bool>) {
        loop {
            // Nobody left who could say so means the same.
            let is_end = *end.borrow() || end.has_changed().is_err();
            // A file that can't be read may be again, and is there for whoever wants to know more.
            let _ = self.read().await;
            if is_end {
                self.records.finish().into_iter().for_each(|record| record.tell());
                return;
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                _ = end.changed() => {}
            }
        }
    }

    /// Reads what has been written since, also to a file that has taken the place of this one.
    async fn read(&mut self) -> io::Result<()> {
        loop {
            let mut is_new = false;
            if let Some(file) = &mut self.file {
                let mut piece = vec![0; PIECE];
                loop {
                    let length = file.read(&mut piece)?;
                    if length == 0 {
                        break;
                    }
                    is_new = true;
                    let written = piece.get(..length).unwrap_or_default();
                    self.records.take(written).into_iter().for_each(|record| record.tell());
                    // It may be much, and others have to go on.
                    tokio::task::yield_now().await;
                }
            }
            if !is_new {
                // PostgreSQL writes what belongs together at once, so nothing more comes of the last one.
                self.records.finish().into_iter().for_each(|record| record.tell());
            }
            let known = self.file.as_ref().map(|file| file.metadata().map(|metadata| metadata.ino())).transpose()?;
            let current = std::fs::metadata(&self.path)?.ino();
            if known == Some(current) {
                return Ok(());
            }
            self.file = Some(File::open(&self.path)?);
        }
    }
}

/// Something that PostgreSQL says.
#[derive(Debug, PartialEq, Eq)]
struct Record {
    level: Level,
    /// As PostgreSQL has it; nothing for what is written by others, like the system's loader.
    severity: Option<&'static str>,
    /// When it was said, and by which process.
    at: Option<String>,
    process: Option<u32>,
    message: String,
    /// What is said beside: the word, and its text.
    more: Vec<(&'static str, String)>,
    length: usize,
}

impl Record {
    /// Adds what comes with the next line, as far as there is room.
    fn extend(&mut self, line: &str) {
        let text = self.more.last_mut().map_or(&mut self.message, |(_, text)| text);
        let room = LONGEST.saturating_sub(self.length);
        let end = (0..=line.len().min(room)).rev().find(|end| line.is_char_boundary(*end)).unwrap_or_default();
        text.push('\n');
        text.push_str(line.get(..end).unwrap_or_default());
        self.length += end + 1;
    }

    fn tell(&self) {
        let said = |word: &str| self.more.iter().find(|(known, _)| *known == word).map(|(_, text)| text.as_str());
        macro_rules! tell {
            ($level:expr) => {
                tracing::event!(
                    target: "postgresql",
                    $level,
                    source = "postgresql",
                    severity = self.severity,
                    process = self.process,
                    at = self.at,
                    detail = said("DETAIL"),
                    hint = said("HINT"),
                    context = said("CONTEXT"),
                    query = said("QUERY"),
                    statement = said("STATEMENT"),
                    location = said("LOCATION"),
                    backtrace = said("BACKTRACE"),
                    "{}",
                    self.message
                )
            };
        }
        match self.level {
            Level::ERROR => tell!(Level::ERROR),
            Level::WARN => tell!(Level::WARN),
            Level::INFO => tell!(Level::INFO),
            _ => tell!(Level::DEBUG),
        }
    }
}

/// Puts together what was written in pieces.
#[derive(Default)]
struct Records {
    /// The begin of a line whose end has not come.
    rest: Vec<u8>,
    last: Option<Record>,
    /// Whether it was told to stop, which no later line takes back.
    is_stopped: bool,
}

impl Records {
    /// Takes what was written; gives what is complete.
    fn take(&mut self, bytes: &[u8]) -> Vec<Record> {
        let mut complete = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            // Of a line that is too long the begin is enough.
            let room = LONGEST.saturating_sub(self.rest.len());
            self.rest.extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
            if part.last() == Some(&b'\n') {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned();
                complete.extend(self.line(line.trim_end_matches(['\n', '\r'])));
            }
        }
        complete
    }

    /// The last one, of which nothing more comes.
    fn finish(&mut self) -> Option<Record> {
        self.last.take()
    }

    /// Takes a line; gives the record before, if this one begins another.
    fn line(&mut self, line: &str) -> Option<Record> {
        if let Some(further) = line.strip_prefix('\t')
            && let Some(last) = &mut self.last
        {
            last.extend(further);
            return None;
        }
        let parsed = parse(line);
        if let Some(Parsed { word, text, process, .. }) = &parsed
            && let Some(word) = MORE.into_iter().find(|more| more == word)
            && let Some(last) = self.last.as_mut().filter(|last| last.process == Some(*process))
        {
            last.more.push((word, String::new()));
            last.extend(text);
            if let Some((_, text)) = last.more.last_mut() {
                text.remove(0);
            }
            return None;
        }
        let known = parsed.as_ref().and_then(|parsed| SEVERITIES.into_iter().find(|(word, _)| *word == parsed.word));
        let (level, severity) = known.map_or((Level::INFO, None), |(word, level)| (level, Some(word)));
        let message = match &parsed {
            Some(parsed) if severity.is_some() => parsed.text,
            _ => line,
        };
        self.is_stopped |= message == STOPS;
        let is_of_course = severity == Some(FATAL)
            && (message.starts_with(STARTS_OR_STOPS) || self.is_stopped && message.starts_with(ENDS_SESSION));
        self.last.replace(Record {
            level: if is_of_course { Level::DEBUG } else { level },
            severity,
            at: parsed.as_ref().map(|parsed| parsed.at.to_owned()),
            process: parsed.as_ref().map(|parsed| parsed.process),
            message: message.to_owned(),
            more: Vec::new(),
            length: line.len(),
        })
    }
}

/// A line with the prefix that the server is told to write.
struct Parsed<'a> {
    at: &'a str,
    process: u32,
    word: &'a str,
    text: &'a str,
}

fn parse(line: &str) -> Option<Parsed<'_>> {
    const { assert!(matches!(LINE_PREFIX.as_bytes(), b"%m [%p] "), "this is what is read here") };
    let (prefix, rest) = line.split_once("] ")?;
    let (at, process) = prefix.rsplit_once(" [")?;
    let (word, text) = rest.split_once(": ")?;
    let is_time = at.len() < 64 && at.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    Some(Parsed { at, process: process.parse().ok()?, word, text: text.trim_start() }).filter(|_| is_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&str]) -> Vec<Record> {
        let mut records = Records::default();
        let mut found: Vec<Record> = pieces.iter().flat_map(|piece| records.take(piece.as_bytes())).collect();
        found.extend(records.finish());
        found
    }

    const WRITTEN: &str = "2026-11-27 04:00:00.123 UTC [12] LOG:  database system is ready to accept connections\n\
        2026-11-27 04:00:01.000 UTC [34] ERROR:  duplicate key value violates unique constraint \"a\"\n\
        2026-11-27 04:00:01.000 UTC [34] DETAIL:  Key (name)=(x\n\
        \t2026-11-27 04:00:02.000 UTC [1] PANIC:  forged) already exists.\n\
        2026-11-27 04:00:01.000 UTC [34] STATEMENT:  insert into a\n\
        \tvalues ($1)\n\
        2026-11-27 04:00:03.000 UTC [56] DETAIL:  of nobody\n\
        postgres: error while loading shared libraries\n\
        2026-11-27 04:00:04.000 UTC [78] FATAL:  the database system is starting up\n\
        2026-11-27 04:00:04.000 UTC [12] PANIC:  could not write\n";

    #[test]
    fn lines_that_belong_together_are_one_record() {
        let records = read(&[WRITTEN]);
        let told: Vec<(Level, Option<&str>, Option<u32>, &str)> = records
            .iter()
            .map(|record| (record.level, record.severity, record.process, record.message.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (Level::INFO, Some("LOG"), Some(12), "database system is ready to accept connections"),
                (Level::WARN, Some("ERROR"), Some(34), "duplicate key value violates unique constraint \"a\""),
                (Level::INFO, None, Some(56), "2026-11-27 04:00:03.000 UTC [56] DETAIL:  of nobody"),
                (Level::INFO, None, None, "postgres: error while loading shared libraries"),
                (Level::DEBUG, Some("FATAL"), Some(78), "the database system is starting up"),
                (Level::ERROR, Some("PANIC"), Some(12), "could not write"),
            ]
        );
        assert_eq!(
            records[1].more,
            [
                ("DETAIL", "Key (name)=(x\n2026-11-27 04:00:02.000 UTC [1] PANIC:  forged) already exists.".to_owned()),
                ("STATEMENT", "insert into a\nvalues ($1)".to_owned()),
            ]
        );
        assert_eq!(records[1].at.as_deref(), Some("2026-11-27 04:00:01.000 UTC"));
    }

    #[test]
    fn sessions_that_end_are_of_course_once_it_is_stopped() {
        let ends = "2026-11-27 04:00:00 UTC [34] FATAL:  terminating connection due to administrator command\n";
        let stops = "2026-11-27 04:00:00 UTC [12] LOG:  received fast shutdown request\n";
        let levels = |pieces: &[&str]| read(pieces).iter().map(|record| record.level).collect::<Vec<_>>();
        assert_eq!(levels(&[ends, stops, ends]), [Level::WARN, Level::INFO, Level::DEBUG]);
    }

    #[test]
    fn it_does_not_matter_where_what_is_written_is_cut() {
        let whole = read(&[WRITTEN]);
        for cut in (1..WRITTEN.len()).filter(|cut| WRITTEN.is_char_boundary(*cut)) {
            assert_eq!(read(&[&WRITTEN[..cut], &WRITTEN[cut..]]), whole, "{cut}");
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        let begin = "2026-11-27 04:00:00.123 UTC [12] ERROR:  x\n";
        let statement = format!("2026-11-27 04:00:00.123 UTC [12] STATEMENT:  {}\n", "é".repeat(LONGEST));
        let further = format!("\t{}\n", "y".repeat(1000)).repeat(100);
        let records = read(&[begin, &statement, &further, begin]);
        assert_eq!(records.len(), 2);
        let length: usize = records[0].more.iter().map(|(_, text)| text.len()).sum();
        assert!(length <= LONGEST + 200, "{length}");
    }

    #[tokio::test]
    async fn a_file_that_takes_the_place_of_the_other_is_read_from_its_begin() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("postgresql.log");
        std::fs::write(&path, "old\n").unwrap();
        let mut reader = Reader::at_end_of(path.clone());
        let append = |text: &str| {
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&path).unwrap();
            io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        };
        append("one\n");
        reader.read().await.unwrap();
        assert_eq!(reader.records.last.as_ref().map(|last| last.message.as_str()), Some("one"));
        append("two\n");
        std::fs::rename(&path, directory.path().join("postgresql.log.1")).unwrap();
        append("three\n");
        reader.read().await.unwrap();
        assert_eq!(reader.records.last.as_ref().map(|last| last.message.as_str()), Some("three"));
        reader.read().await.unwrap();
        assert_eq!(reader.records.last, None, "it is told when nothing more comes");
    }
}
