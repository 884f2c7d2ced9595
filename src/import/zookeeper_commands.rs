//! Ids that daemons keep in `ZooKeeper`, as commands for its own client (CQL contract 7).

use std::{
    collections::HashSet,
    io::{self, Write},
};

/// Below which paths they are: those of the schema-transformer and of the device-manager. All others are the API server's.
const OF_DAEMONS: [&str; 4] = ["id/bgp/route-targets/", "id/bgpaas/port/", "id/service-chain/vlan/", "id/pnf/"];

/// The path of an id of a daemon as `ZooKeeper` has it, which begins with the id of the cluster, if there is one. None for anything
/// else.
pub fn id_of_daemon(path: &str) -> Option<String> {
    let path = path.trim_matches('/');
    let is_one = |path: &str| OF_DAEMONS.iter().any(|of| path.starts_with(of));
    let below_cluster = path.split_once('/').map_or("", |(_, path)| path);
    (is_one(path) || is_one(below_cluster)).then(|| format!("/{path}"))
}

/// Whether there is a way to say it: the client knows two kinds of quotes, in neither of which anything is escaped, reads lines,
/// and takes for an option what begins with a dash, quoted or not.
pub fn can_be_told(path: &str, value: Option<&str>) -> bool {
    quoted(path).is_some() && quoted(value.unwrap_or_default()).is_some()
}

fn quoted(text: &str) -> Option<String> {
    if text.contains(['\n', '\r']) || text.starts_with('-') {
        return None;
    }
    ['"', '\''].into_iter().find(|quote| !text.contains(*quote)).map(|quote| format!("{quote}{text}{quote}"))
}

/// Lines for `zkCli.sh`, a node each.
pub struct Commands<W> {
    output: W,
    /// What is there above the nodes.
    parents: HashSet<String>,
}

impl<W: Write> Commands<W> {
    /// None yet.
    pub fn new(output: W) -> Self {
        Self { output, parents: HashSet::new() }
    }

    /// Makes a node, and what is above it before, which has no value.
    ///
    /// # Errors
    /// When nothing more can be written.
    pub fn create(&mut self, path: &str, value: &str) -> io::Result<()> {
        for (end, _) in path.match_indices('/').skip(1) {
            let parent = path.get(..end).unwrap_or_default();
            if !self.parents.contains(parent) {
                self.line(parent, "")?;
                self.parents.insert(parent.to_owned());
            }
        }
        self.line(path, value)
    }

    fn line(&mut self, path: &str, value: &str) -> io::Result<()> {
        // Most paths need no quotes, and people read them better without.
        let needs_none = !path.contains([' ', '\t', '"', '\'']);
        let path = if needs_none { path.to_owned() } else { quoted(path).unwrap_or_default() };
        writeln!(self.output, "create {path} {}", quoted(value).unwrap_or_default())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_first_and_once() {
        let mut output = Vec::new();
        let mut commands = Commands::new(&mut output);
        commands.create("/id/bgp/route-targets/type0/0008000004", "d:p:net1:net1").unwrap();
        commands.create("/id/bgp/route-targets/type0/0008000005", "d:p:a \"b\":c").unwrap();
        commands.create("/id/service-chain/vlan/d:p:my vm/0000000001", "it's").unwrap();
        commands.finish().unwrap();
        let lines = [
            "create /id \"\"",
            "create /id/bgp \"\"",
            "create /id/bgp/route-targets \"\"",
            "create /id/bgp/route-targets/type0 \"\"",
            "create /id/bgp/route-targets/type0/0008000004 \"d:p:net1:net1\"",
            "create /id/bgp/route-targets/type0/0008000005 'd:p:a \"b\":c'",
            "create /id/service-chain \"\"",
            "create /id/service-chain/vlan \"\"",
            "create \"/id/service-chain/vlan/d:p:my vm\" \"\"",
            "create \"/id/service-chain/vlan/d:p:my vm/0000000001\" \"it's\"",
        ];
        assert_eq!(String::from_utf8(output).unwrap(), lines.map(|line| format!("{line}\n")).concat());
    }

    #[test]
    fn ids_of_daemons_come_along() {
        for (path, found) in [
            ("/id/bgp/route-targets/type0/0008000004/", Some("/id/bgp/route-targets/type0/0008000004")),
            ("cluster/id/pnf/network_id/0000000001/", Some("/cluster/id/pnf/network_id/0000000001")),
            ("/id/bgpaas/port/0000050000/", Some("/id/bgpaas/port/0000050000")),
            ("/id/virtual-networks/0000000001/", None),
            ("/fq-name-to-uuid/virtual_network:id/pnf/", None),
            ("/a/b/id/pnf/1/", None),
            ("", None),
        ] {
            assert_eq!(id_of_daemon(path).as_deref(), found, "{path}");
        }
        assert!(can_be_told("/a", None) && can_be_told("/a", Some("'")) && can_be_told("/a", Some("\"")));
        assert!(!can_be_told("/a", Some("-e")) && !can_be_told("/a", Some("'\"")) && !can_be_told("/a\nb", None));
    }
}
