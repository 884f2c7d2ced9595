//! Questions to an issuer over the network. Each answer has a deadline, and is read up to a length only.

use crate::authentication::https;
use reqwest::{Client, RequestBuilder, Url};
use std::time::Duration;
use tokio::time::timeout;

/// How long an answer may be, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// Asks an issuer.
pub struct Questions {
    http: Client,
    /// How long an answer may take.
    answers_within: Duration,
}

impl Questions {
    /// By this client.
    pub fn new(http: Client, answers_within: Duration) -> Self {
        Self { http, answers_within }
    }

    /// What is there; the status has to be 200.
    ///
    /// # Errors
    /// Why there is no answer, for the log.
    pub async fn get(&self, place: &Url) -> Result<Vec<u8>, String> {
        let (status, body) = self.ask(self.http.get(place.clone()), place).await?;
        if status == 200 { Ok(body) } else { Err(format!("{place} answers with status {status}")) }
    }

    /// What is answered to a form that is sent there, and with which status; `more` adds to the question.
    ///
    /// # Errors
    /// Why there is no answer, for the log.
    pub async fn post(
        &self,
        place: &Url,
        form: String,
        more: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(u16, Vec<u8>), String> {
        let question = self.http.post(place.clone()).body(form);
        let question = question.header("Content-Type", "application/x-www-form-urlencoded");
        self.ask(more(question.header("Accept", "application/json")), place).await
    }

    async fn ask(&self, question: RequestBuilder, place: &Url) -> Result<(u16, Vec<u8>), String> {
        let read = async {
            let told = |error| https::told(&error);
            let mut response = question.send().await.map_err(told)?;
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(told)? {
                if body.len() + piece.len() > LONGEST_ANSWER {
                    return Err(format!("the answer of {place} has more than {LONGEST_ANSWER} bytes"));
                }
                body.extend_from_slice(&piece);
            }
            Ok((response.status().as_u16(), body))
        };
        let late = |_| Err(format!("no answer of {place} within {:?}", self.answers_within));
        timeout(self.answers_within, read).await.unwrap_or_else(late)
    }
}
