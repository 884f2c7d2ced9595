//! A client of `/watch`.

use std::time::Duration;

use serde_json::Value;

use super::Api;

/// No event may take longer than this when one has to come.
const LIMIT: Duration = Duration::from_secs(90);

/// One event of the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    pub data: Value,
    pub id: Option<String>,
}

/// An open stream.
pub struct Events {
    response: reqwest::Response,
    unread: Vec<u8>,
}

impl Events {
    /// Asks for `/watch` with this query; an error means that there was no answer, a refusal is the inner one.
    pub async fn open(
        api: &Api,
        query: &str,
        last_event_id: Option<&str>,
    ) -> Result<Result<Self, u16>, reqwest::Error> {
        // A stream has no end, so the usual limit for a whole answer is not for it.
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = http.get(format!("{}/watch?{query}", api.base()));
        for (name, value) in api.headers() {
            request = request.header(name, value);
        }
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        if status != 200 {
            return Ok(Err(status));
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Ok(Ok(Self { response, unread: Vec::new() }))
    }

    /// The next event; nothing, when the stream has ended or is broken.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(frame) = self.next_frame(LIMIT).await?
                && let Some(event) = read(&frame)
            {
                return Some(event);
            }
        }
    }

    /// The next frame as it came, be it a comment; `Some(None)` when none comes in time.
    pub async fn next_frame(&mut self, limit: Duration) -> Option<Option<String>> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let frame: Vec<u8> = self.unread.drain(..end + 2).collect();
                return Some(Some(String::from_utf8(frame).unwrap()));
            }
            match tokio::time::timeout(limit, self.response.chunk()).await {
                Err(_) => return Some(None),
                Ok(Ok(Some(piece))) => self.unread.extend_from_slice(&piece),
                Ok(Ok(None) | Err(_)) => return None,
            }
        }
    }
}

/// A frame that is an event.
fn read(frame: &str) -> Option<Event> {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
    let name = field("event:")?.to_owned();
    let data = field("data:").map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
    Some(Event { name, data, id: field("id:").map(str::to_owned) })
}
