//! A URL that names several hosts, as `libpq` reads it, taken apart: the library knows URLs of one host.

/// Which server a session may be with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Whichever answers.
    Any,
    /// One that is no standby.
    Primary,
    /// One that is no standby, and on which transactions write unless they say that they don't.
    ReadWrite,
}

/// What a URL says of hosts.
#[derive(PartialEq, Eq, Debug)]
pub struct UrlHosts {
    /// A URL for each host, in their order.
    pub urls: Vec<String>,
    /// Which of them is wanted.
    pub wanted: Wanted,
}

const SEVERAL: &str = "postgresql://user:password@host:5432,another:5432/name";

impl UrlHosts {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// Says what is wrong, without user and password.
    pub fn of(url: &str) -> Result<Self, String> {
        // The library takes any scheme, and then nobody answers there.
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        let Some((scheme @ ("postgres" | "postgresql"), rest)) =
            scheme.zip(url.split_once("://").map(|(_, rest)| rest))
        else {
            return Err("postgresql://user:password@host/name is expected".to_owned());
        };
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let hosts: Vec<&str> = hosts.split(',').collect();
        let is_several = hosts.len() > 1;
        if is_several && hosts.contains(&"") {
            return Err(format!("a host is missing beside a comma: {SEVERAL} is expected"));
        }
        let (tail, attributes) = without_attributes(tail)?;
        let wanted = match attributes.as_deref() {
            None if is_several => Wanted::ReadWrite,
            None => Wanted::Any,
            Some("any") if !is_several => Wanted::Any,
            Some("primary") => Wanted::Primary,
            Some("read-write") => Wanted::ReadWrite,
            Some(_) => {
                return Err("target_session_attrs: read-write or primary is expected, for a server writes".to_owned());
            }
        };
        Ok(Self { urls: hosts.iter().map(|host| format!("{scheme}://{user}{host}{tail}")).collect(), wanted })
    }
}

/// What follows the hosts, without `target_session_attrs`, and what that says.
fn without_attributes(tail: &str) -> Result<(String, Option<String>), String> {
    let Some((path, query)) = tail.split_once('?') else { return Ok((tail.to_owned(), None)) };
    let mut attributes = None;
    let mut kept = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("target_session_attrs", value)) => attributes = Some(value.to_owned()),
            Some(("host" | "hostaddr" | "port", value)) if value.contains(',') || value.contains("%2C") => {
                return Err(format!("several hosts stand before the name of the database: {SEVERAL} is expected"));
            }
            _ => kept.push(pair),
        }
    }
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    Ok((format!("{path}{query}"), attributes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> (Vec<String>, Wanted) {
        let hosts = UrlHosts::of(url).unwrap();
        (hosts.urls, hosts.wanted)
    }

    #[test]
    fn one_host_is_taken_as_it_stands() {
        for url in [
            "postgresql://me:pw@db/name",
            "postgres://db",
            "postgresql:///name?host=/run/postgresql",
            "postgresql://cirrus@localhost:5432/cirrus?host=%2Ftmp%2Fx&sslmode=disable",
            "postgresql://[::1]:5432/name",
        ] {
            assert_eq!(read(url), (vec![url.to_owned()], Wanted::Any));
        }
        let wanted = |attributes: &str| read(&format!("postgresql://db/name?target_session_attrs={attributes}"));
        assert_eq!(wanted("read-write"), (vec!["postgresql://db/name".to_owned()], Wanted::ReadWrite));
        assert_eq!(wanted("primary").1, Wanted::Primary);
        assert_eq!(wanted("any").1, Wanted::Any);
    }

    #[test]
    fn each_host_has_user_and_options() {
        let url = "postgresql://me:p,w@a:5433,b,[::1]:5432/name?sslmode=require&target_session_attrs=read-write&x=y";
        let urls =
            ["a:5433", "b", "[::1]:5432"].map(|host| format!("postgresql://me:p,w@{host}/name?sslmode=require&x=y"));
        assert_eq!(read(url), (urls.to_vec(), Wanted::ReadWrite));
        assert_eq!(read("postgresql://a,b").1, Wanted::ReadWrite, "several are standbys of one");
    }

    #[test]
    fn what_can_not_be_meant_is_refused_without_passwords() {
        for (url, expected) in [
            ("http://me:secret@db/x", "postgresql://user:password@host/name is expected"),
            ("postgresql://me:secret@a,,b/x", "a host is missing"),
            ("postgresql://me:secret@a,/x", "a host is missing"),
            ("postgresql://me:secret@a,b/x?target_session_attrs=any", "read-write or primary"),
            ("postgresql://me:secret@a/x?target_session_attrs=standby", "read-write or primary"),
            ("postgresql://me:secret@/x?host=a,b", "before the name"),
            ("postgresql://me:secret@a/x?port=5432%2C5433", "before the name"),
        ] {
            let refused = UrlHosts::of(url).unwrap_err();
            assert!(refused.contains(expected) && !refused.contains("secret"), "{url}: {refused}");
        }
    }
}
