//! `GET /changes`: the log as JSON, a page at a time; for scripts that follow it, and for people who want to know who
//! changed what.

use super::{
    App,
    answer::Answer,
    call::Call,
    error::{Answered, ApiError},
    standing::Standing,
    watch::WatchedTypes,
};
use crate::{
    access::Identity,
    change_log::{LogEntry, LogOperation, Subject},
    feed::{Ended, OpenError, Sight},
    graph::{Graph, Position},
    json_text,
    render::{FieldNames, Renderer, Selection},
    timestamp::Timestamp,
};
use serde_json::{Value, json};
use std::{
    ops::RangeInclusive,
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, timeout_at};

/// How many changes an answer has where the client does not say, and at most.
const DEFAULT_LIMIT: u64 = 1000;
const MOST: u64 = 10_000;
/// How large an answer gets, about, in bytes.
const LARGEST: usize = 1 << 20;
/// How long an answer may be waited for, in seconds.
const LONGEST_WAIT: u64 = 60;
/// How long the database may take to tell older changes; then the answer has none of them, and is true all the same.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// How many changes are looked at for one answer: a filter may find nothing for a long time.
const LOOKED_AT: u64 = 100_000;

impl App {
    /// `GET /changes?since=&limit=&wait=&resource_type=`. Where it begins may be said as a time; it is this server's clock that
    /// says what was how long ago.
    ///
    /// # Errors
    /// 400 for arguments that can't be read, 401 if the token is not good any more when there is an answer, 404 for an unknown
    /// type, 410 for a position that is not in the log, 503 where the caller's project waits too often already.
    pub async fn changes(&self, call: &Call) -> Answered<Answer> {
        // Who may not read all types gets those that it may.
        let names = call.query.get("resource_type").map(String::as_str).or((!call.identity.is_admin()).then_some("*"));
        let mut wanted = names.map(|names| WatchedTypes::read(&self.model, call, names)).transpose()?;
        let limit = number(call, "limit", DEFAULT_LIMIT, 1..=MOST)?;
        let wait = number(call, "wait", 0, 0..=LONGEST_WAIT)?;
        let snapshot = self.snapshot(call).await?;
        if let Some(wanted) = &mut wanted {
            wanted.keep(|type_id| self.may_read_type(call, &snapshot.graph, type_id));
        }
        let current = snapshot.graph.position();
        let since = match call.query.get("since").map(String::as_str) {
            None | Some("now") => current,
            Some("oldest") => self.feed.oldest().await?,
            Some(text) => match moment(text, Timestamp::now()) {
                Some(moment) => self.feed.since(moment).await?,
                None => given_position(text)?,
            },
        };
        if call.head_only {
            return Ok(Answer::Empty);
        }
        // Nobody waits for longer than the token is good that he asks with.
        let left = call.known.as_ref().and_then(|known| known.expires_at);
        let left = left.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
        let wait = Duration::from_secs(wait);
        let deadline = Instant::now() + left.map_or(wait, |left| left.min(wait));
        // Who waits counts among the watchers.
        let _share = if wait.is_zero() { None } else { self.take_share(call)? };
        let mut reader = self.feed.open(since).await?;
        let from = reader.position();
        let graph = self.replica.current();
        let mut changes = Vec::new();
        let mut count = 0_u64;
        let mut standing = call.standing.clone();
        while count < limit && changes.len() < LARGEST && reader.position().revision - from.revision < LOOKED_AT {
            let reader_has_more = reader.position().revision < self.replica.current().revision();
            if count > 0 && !reader_has_more {
                break;
            }
            let next = reader.next_up_to(usize::try_from(limit - count).unwrap_or(usize::MAX));
            // What there is may take a moment to be read, also for who does not want to wait for more.
            let patience = if reader_has_more { deadline.max(Instant::now() + READ_WITHIN) } else { deadline };
            let ask_at = standing.as_ref().map(Standing::ask_at);
            let until = ask_at.filter(|_| !reader_has_more).map_or(patience, |at| at.min(patience));
            let asked = Instant::now();
            let next = timeout_at(until, next).await;
            if !reader_has_more {
                call.waited.set(call.waited.get() + asked.elapsed());
            }
            // Who has waited is told nothing that came after the token was withdrawn.
            let has_waited = !reader_has_more && !wait.is_zero();
            let is_due = ask_at.is_some_and(|at| Instant::now() >= at);
            if let Some(standing) = standing.as_mut().filter(|_| has_waited || is_due) {
                self.stands(standing).await?;
            }
            let page = match next {
                Ok(Ok(page)) => page,
                Ok(Err(Ended::Gone(gone))) => return Err(OpenError::Gone(gone).into()),
                Err(_) if Instant::now() < patience => continue,
                Ok(Err(Ended::Stopped)) | Err(_) => break,
            };
            for entry in &page {
                let is_wanted = wanted.as_ref().is_none_or(|wanted| wanted.fields(entry.type_id).is_some());
                if !is_wanted {
                    continue;
                }
                let sight = Sight::of(entry, &call.identity, &graph);
                if sight == Sight::Nothing {
                    continue;
                }
                if count > 0 {
                    changes.push(b',');
                }
                write_change(&mut changes, &graph, &call.identity, entry, sight, from);
                count += 1;
            }
        }
        call.place.set(Some(self.admission.request().await?));
        let to = reader.position();
        call.answered_at.set(Some(to));
        let mut body = format!("{{\"from\":\"{from}\",\"to\":\"{to}\",\"changes\":[").into_bytes();
        body.append(&mut changes);
        body.extend_from_slice(b"]}");
        Ok(Answer::Json { body: body.into(), etag: None, stale: false })
    }
}

/// A moment: a time with a zone, or how long ago, as `90s`, `30m`, `2h` and `1d`.
fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let ago = |text: &str| {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        let number: u32 = number.parse().ok().filter(|_| !number.starts_with('+'))?;
        Some(Timestamp(now.0.saturating_sub(i64::from(number).saturating_mul(seconds * 1_000_000))))
    };
    ago(text).or_else(|| Timestamp::parse_with_zone(text))
}

fn given_position(text: &str) -> Answered<Position> {
    let refuse = |_| {
        ApiError::bad_request(format!(
            "Bad Request, since: '{text}' is no position (<epoch>-<revision>, as in X-Cirrus-Revision), no time with a zone \
             (2026-11-26T14:00:00Z), not how long ago (90s, 30m, 2h, 1d), and neither 'oldest' nor 'now'"
        ))
    };
    text.parse().map_err(refuse)
}

/// An argument that is a whole number within a range.
fn number(call: &Call, name: &str, default: u64, range: RangeInclusive<u64>) -> Answered<u64> {
    let Some(text) = call.query.get(name) else { return Ok(default) };
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let (least, most) = range.into_inner();
        let text = format!("Bad Request, {name} must be a whole number from {least} to {most}, not '{text}'");
        ApiError::bad_request(text)
    })
}

fn write_change(
    output: &mut Vec<u8>,
    graph: &Graph,
    identity: &Identity,
    entry: &LogEntry,
    sight: Sight,
    history: Position,
) {
    let revision = Position { revision: entry.revision, ..history };
    let (operation, fq_name) = match sight {
        Sight::Appears => (LogOperation::Create, &entry.fq_name),
        // As who could read it knows it.
        Sight::Disappears => (LogOperation::Delete, entry.former_name.as_ref().unwrap_or(&entry.fq_name)),
        Sight::Whole | Sight::Nothing => (entry.operation, &entry.fq_name),
    };
    let shows_caller = Sight::shows_caller(entry, identity);
    let caller = entry.caller.as_ref().filter(|_| shows_caller);
    let mut head = json!({
        "revision": revision.to_string(),
        "time": format!("{}Z", entry.at),
        "operation": operation.name(),
        "type": graph.model().object_type(entry.type_id).name,
        "uuid": entry.uuid.to_string(),
        "fq_name": fq_name.elements(),
        "request_id": entry.request_id.as_ref().filter(|_| shows_caller),
        "who": entry.who.as_ref().filter(|_| shows_caller),
        "caller": caller.and_then(|caller| serde_json::from_str::<Value>(&caller.json).ok()),
    });
    if let Some(former) = entry.former_name.as_ref().filter(|_| sight == Sight::Whole) {
        head["former_fq_name"] = json!(former.elements());
    }
    if let Some(changed) = entry.changed.as_ref().filter(|_| sight == Sight::Whole) {
        head["changed"] = json!(changed);
    }
    if let Subject::Addresses(holds) = &entry.subject {
        head["addresses"] = holds.iter().map(|hold| hold.address.to_string()).collect();
    }
    json_text::write(output, &head);
    if let Some(object) = entry.object().filter(|_| sight != Sight::Disappears) {
        // Its own fields, as they were: the log says nothing of others.
        let renderer = Renderer { graph, identity, base: None, link_hrefs: false, name: false, parent: true };
        let own = Selection::All { back_references: false, children: false, also: FieldNames::new() };
        output.pop();
        output.extend_from_slice(b",\"object\":");
        renderer.logged_object(output, entry, object, &own);
        output.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_with_a_zone_or_how_long_ago() {
        let now = Timestamp::parse_with_zone("2026-11-26T14:00:00Z").unwrap();
        for (text, wanted) in [
            ("90s", "2026-11-26T13:58:30Z"),
            ("30m", "2026-11-26T13:30:00Z"),
            ("2h", "2026-11-26T12:00:00Z"),
            ("1d", "2026-11-25T14:00:00Z"),
            ("2026-11-26T10:00:00.5+01:00", "2026-11-26T09:00:00.5Z"),
        ] {
            assert_eq!(moment(text, now), Timestamp::parse_with_zone(wanted), "{text}");
        }
        let position = "8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10-7";
        for bad in ["", "h", "2", "-2h", "+2h", "2w", "2 h", "2hä", "2026-11-26T14:00:00", "yesterday", position] {
            assert_eq!(moment(bad, now), None, "{bad}");
        }
        assert!(moment("4294967295d", now).is_some_and(|moment| moment < Timestamp(0)));
    }
}
