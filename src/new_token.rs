//! `cirrus token new`: makes a token, and the line for the file of tokens that says whose it is. What it prints is the only place
//! where the token is.

use crate::authentication::token;
use clap::{Args, Subcommand};
use std::{
    io::{self, Write},
    time::Duration,
};
use time::{UtcDateTime, macros::format_description};
use uuid::Uuid;

/// What to do with tokens.
#[derive(Subcommand, Debug)]
pub enum TokenCommand {
    /// Make a token, and the line for the file of tokens (`cirrus serve --token-file`) that says whose it is
    New(NewToken),
}

/// Whose a token is to be.
#[derive(Args, Debug)]
pub struct NewToken {
    /// What its holder is called
    #[arg(long, value_name = "NAME", value_parser = some_name)]
    pub user: String,

    /// The project that it is for: its uuid, and its name for texts
    #[arg(long, value_name = "UUID[=NAME]", value_parser = project)]
    pub project: Option<(Uuid, Option<String>)>,

    /// The roles of its holder, joined by commas
    #[arg(long, value_name = "ROLE,..", value_delimiter = ',', required = true, value_parser = some_name)]
    pub roles: Vec<String>,

    /// The domain of its holder, by uuid, if it is not default-domain
    #[arg(long, value_name = "UUID[=NAME]", value_parser = project)]
    pub domain: Option<(Uuid, Option<String>)>,

    /// After how long it is of no use any more: 30m, 12h, 90d. Without it, it is good until its line is gone
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expires: Option<Duration>,
}

fn some_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("a name is expected".to_owned()) } else { Ok(text.to_owned()) }
}

fn project(text: &str) -> Result<(Uuid, Option<String>), String> {
    let (uuid, name) = text.split_once('=').map_or((text, None), |(uuid, name)| (uuid, Some(name.to_owned())));
    let expected =
        |_| "a uuid is expected, and a name may follow: 9ad1b2d4-0d0f-4f7e-8d33-0b6d3c1f6f8a=blue".to_owned();
    Ok((Uuid::try_parse(uuid.trim()).map_err(expected)?, name))
}

fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "a time is expected, like 30m, 12h or 90d; 36500d at most".to_owned();
    let (number, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let seconds: u64 = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(expected()),
    };
    let number = number.parse::<u64>().map_err(|_| expected())?;
    let all = number.checked_mul(seconds).filter(|all| (1..=36_500 * 24 * 3600).contains(all));
    all.map(Duration::from_secs).ok_or_else(expected)
}

/// Prints the token, and below it the line. What they are is said to people only.
///
/// # Errors
/// When there are no random numbers, or nobody to print to.
pub fn run(command: &TokenCommand) -> io::Result<()> {
    let TokenCommand::New(new) = command;
    let token = token::make().map_err(io::Error::other)?;
    let line = line(new, &token, UtcDateTime::now()).map_err(io::Error::other)?;
    eprintln!("The token, which is shown this once, and the line for the file of tokens:");
    let mut output = io::stdout().lock();
    writeln!(output, "{token}\n{line}")
}

/// The line for the file.
fn line(new: &NewToken, token: &str, now: UtcDateTime) -> Result<String, time::error::Format> {
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let scope = |field: &str, scope: &Option<(Uuid, Option<String>)>| {
        let Some((uuid, name)) = scope else { return String::new() };
        let name = name.as_ref().map(|name| format!(", {field}_name = {}", text(name))).unwrap_or_default();
        format!(", {field} = \"{uuid}\"{name}")
    };
    let roles: Vec<String> = new.roles.iter().map(|role| text(role)).collect();
    let expires = match new.expires {
        None => String::new(),
        Some(time) => {
            let end = (now + time).format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"))?;
            format!(", expires = \"{end}\"")
        }
    };
    Ok(format!(
        "{} = {{ user = {}{}{}, roles = [{}]{expires} }}",
        token::digest_name(&token::digest(token)),
        text(&new.user),
        scope("project", &new.project),
        scope("domain", &new.domain),
        roles.join(", "),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::utc_datetime;

    #[test]
    fn a_line_has_what_is_said_and_not_the_token() {
        let new = NewToken {
            user: "a \"quoted\" name".to_owned(),
            project: Some((Uuid::from_u128(7), Some("blue".to_owned()))),
            roles: vec!["member".to_owned(), "x".to_owned()],
            domain: Some((Uuid::from_u128(8), None)),
            expires: Some(duration("90d").unwrap()),
        };
        let line = line(&new, "abc", utc_datetime!(2026-11-26 12:00)).unwrap();
        assert_eq!(
            line,
            "sha256-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad = { user = 'a \"quoted\" name', \
             project = \"00000000-0000-0000-0000-000000000007\", project_name = \"blue\", \
             domain = \"00000000-0000-0000-0000-000000000008\", roles = [\"member\", \"x\"], \
             expires = \"2027-02-24T12:00:00Z\" }"
        );
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("30m"), Ok(Duration::from_mins(30)));
        assert_eq!(duration("12h"), Ok(Duration::from_hours(12)));
        for bad in ["", "d", "1", "1w", "-1d", "0d", "1.5h", "36501d", "99999999999999999999d", "1ü"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn projects_are_uuids_and_may_have_a_name() {
        let uuid = Uuid::from_u128(7);
        assert_eq!(project(&uuid.simple().to_string()), Ok((uuid, None)));
        assert_eq!(project(&format!("{uuid}=a=b")), Ok((uuid, Some("a=b".to_owned()))));
        assert!(project("blue").is_err());
    }
}
