//! Files as Python's `ConfigParser` reads them (access contract 7.1): sections, keys in any case, values that go on in lines that are
//! indented, comments in lines of their own, and `%` as an escape.

use super::{
    super::{faults::Faults, origin::Place},
    Note, keys,
};
use std::{collections::BTreeMap, path::Path};

/// Whose keys are in all sections.
const IN_ALL: &str = "DEFAULT";
/// The sections of contrail-api's files whose keys are in one name space, later ones before earlier ones (CFG-2).
const SECTIONS: [&str; 5] = ["DEFAULTS", "KEYSTONE", "CASSANDRA", "ZOOKEEPER", "SANDESH"];
/// How deep keys may refer to each other.
const DEEPEST: usize = 10;

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// In small letters.
    pub key: String,
    /// Without blanks around it; none where nothing follows the key.
    pub value: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// What files say, together: what is said later counts (CFG-1).
#[derive(Debug, Default)]
pub struct Conf(BTreeMap<String, BTreeMap<String, Entry>>);

impl Conf {
    /// Adds what a file says.
    pub fn read(&mut self, file: &Path, text: &str, faults: &mut Faults) {
        let (mut section, mut key) = (None::<String>, None::<String>);
        for (number, line) in (1..).zip(text.lines()) {
            let place = Place { file: file.to_owned(), line: number };
            let content = line.trim();
            if content.is_empty() || content.starts_with(['#', ';']) {
                continue;
            }
            if let (true, Some(section), Some(key)) = (line.starts_with([' ', '\t']), &section, &key) {
                let entry = self.0.get_mut(section).and_then(|entries| entries.get_mut(key));
                if let Some(Entry { value: Some(value), .. }) = entry {
                    value.push('\n');
                    value.push_str(content);
                }
                continue;
            }
            if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name) {
                section = Some(name.to_owned());
                key = None;
                continue;
            }
            let Some(section) = &section else {
                faults.add(format!("{place}: a section is expected first, like [DEFAULTS]"));
                continue;
            };
            let (name, value) = match content.split_once(['=', ':']) {
                Some((name, value)) => (name, Some(value.trim().to_owned())),
                None => (content, None),
            };
            let name = name.trim().to_lowercase();
            if name.is_empty() {
                faults.add(format!("{place}: the name of a key is expected before = or :"));
                continue;
            }
            let entry = Entry { key: name.clone(), value, place };
            self.0.entry(section.clone()).or_default().insert(name.clone(), entry);
            key = Some(name);
        }
    }

    /// Takes away what follows ` ;` where only a comment can be meant; tells where it is not known. contrail-api took it as a comment as long as it
    /// was run by Python 2, and as a part of the value since.
    pub fn cut_comments(&mut self, is_plain: impl Fn(&str, &str) -> bool) -> Vec<Note> {
        let mut notes = Vec::new();
        for (section, entries) in &mut self.0 {
            for entry in entries.values_mut() {
                let Some(value) = &mut entry.value else { continue };
                let line = value.lines().next().unwrap_or_default();
                let Some(at) = line.match_indices(';').map(|(at, _)| at).find(|at| follows_blank(line, *at)) else {
                    continue;
                };
                let end = line.len();
                let (place, key) = (&entry.place, &entry.key);
                if is_plain(section, key) {
                    let kept = format!(
                        "{}{}",
                        line.get(..at).unwrap_or_default().trim_end(),
                        value.get(end..).unwrap_or_default()
                    );
                    *value = kept;
                } else {
                    let text = format!(
                        "{place}: {key}: what follows ` ;` is a part of the value; contrail-api took it as a comment with \
                         Python 2. If it is one, it has to stand in a line of its own"
                    );
                    notes.push(Note { warns: true, text });
                }
            }
        }
        notes
    }

    /// The same with what `%` stands for (CFG-3).
    pub fn unescaped(&self, faults: &mut Faults) -> Self {
        let mut unescaped = BTreeMap::new();
        for (section, entries) in &self.0 {
            let mut read = BTreeMap::new();
            for (key, entry) in entries {
                let mut entry = entry.clone();
                if let Some(value) = &entry.value {
                    match self.value(section, value, DEEPEST) {
                        Ok(value) => entry.value = Some(value),
                        Err(why) => {
                            faults.add(format!("{}: {key}: {why}", entry.place));
                            continue;
                        }
                    }
                }
                read.insert(key.clone(), entry);
            }
            unescaped.insert(section.clone(), read);
        }
        Self(unescaped)
    }

    fn value(&self, section: &str, value: &str, deep: usize) -> Result<String, String> {
        let mut read = String::new();
        let mut rest = value;
        while let Some((before, after)) = rest.split_once('%') {
            read.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                read.push('%');
                rest = after;
                continue;
            }
            let name = after.strip_prefix('(').and_then(|after| after.split_once(")s"));
            let (name, after) =
                name.ok_or("a % that is meant is written %%, and %(key)s is the value of another key")?;
            let found =
                [section, IN_ALL].into_iter().find_map(|section| self.0.get(section)?.get(&name.to_lowercase()));
            let referred = found.and_then(|entry| entry.value.as_deref());
            let referred = referred.ok_or_else(|| format!("%({name})s: there is no such key in the section"))?;
            let deep = deep.checked_sub(1).ok_or_else(|| format!("%({name})s: keys refer to each other too often"))?;
            read.push_str(&self.value(section, referred, deep)?);
            // What is doubled over and over is no value.
            if read.len() > 1 << 16 {
                return Err(format!("%({name})s: the value gets too long"));
            }
            rest = after;
        }
        read.push_str(rest);
        Ok(read)
    }

    /// A key of the one name space, or of the section of its own that it has.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        let apart = keys::find(key).map(|key| key.section).filter(|section| !SECTIONS.contains(section));
        let sections: &[&str] = apart.as_slice();
        let sections = if sections.is_empty() { &SECTIONS } else { sections };
        let sections = sections.iter().rev().chain([&IN_ALL]);
        sections.filter_map(|section| self.0.get(*section)).find_map(|entries| entries.get(key))
    }

    /// All keys of a section.
    pub fn section(&self, name: &str) -> impl Iterator<Item = &Entry> {
        self.0.get(name).into_iter().flat_map(BTreeMap::values)
    }

    /// All keys, with the section that they are in, as they stand in the files.
    pub fn all(&self) -> Vec<(&str, &Entry)> {
        let mut all: Vec<(&str, &Entry)> = Vec::new();
        for (section, entries) in &self.0 {
            all.extend(entries.values().map(|entry| (section.as_str(), entry)));
        }
        all.sort_by(|(_, one), (_, other)| {
            (&one.place.file, one.place.line).cmp(&(&other.place.file, other.place.line))
        });
        all
    }
}

/// Whether a blank stands before this byte of a line.
fn follows_blank(line: &str, at: usize) -> bool {
    line.get(..at).is_some_and(|before| before.ends_with([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> (Conf, Faults) {
        let (mut conf, mut faults) = (Conf::default(), Faults::default());
        for (number, text) in texts.iter().enumerate() {
            conf.read(Path::new(&format!("f{number}")), text, &mut faults);
        }
        (conf.unescaped(&mut faults), faults)
    }

    fn value(conf: &Conf, key: &str) -> Option<String> {
        conf.get(key).and_then(|entry| entry.value.clone())
    }

    #[test]
    fn cfg_1_and_2_files_and_sections_are_one() {
        let one = "# comment\n[DEFAULTS]\n; another\nListen_Port = 1\nlog_level: SYS_DEBUG\nlonely\nempty =\n\
                   many = a,\n   b\n\tc\n[KEYSTONE]\nadmin_user=me\n[OTHER]\nadmin_user = nobody\n";
        let two = "[DEFAULTS]\nlisten_port=2\nadmin_user = first\n[DEFAULT]\nauth = keystone\n[QUOTA]\nsubnet = 3\n";
        let (conf, faults) = read(&[one, two]);
        assert!(faults.is_empty(), "{faults}");
        assert_eq!(value(&conf, "listen_port").as_deref(), Some("2"));
        assert_eq!(conf.get("listen_port").unwrap().place.to_string(), "f1:2");
        assert_eq!(value(&conf, "log_level").as_deref(), Some("SYS_DEBUG"));
        assert_eq!(value(&conf, "admin_user").as_deref(), Some("me"), "later sections win");
        assert_eq!(value(&conf, "auth").as_deref(), Some("keystone"));
        assert_eq!(value(&conf, "many").as_deref(), Some("a,\nb\nc"));
        assert_eq!((value(&conf, "empty").as_deref(), value(&conf, "lonely")), (Some(""), None));
        assert!(conf.get("subnet").is_none() && conf.section("QUOTA").count() == 1);
    }

    #[test]
    fn cfg_3_a_percent_sign_is_an_escape() {
        let (conf, faults) =
            read(&["[KEYSTONE]\nhost = h\nadmin_password = a%%b%%%%\nauth_url = http://%(host)s/%%v3\n"]);
        assert!(faults.is_empty(), "{faults}");
        assert_eq!(value(&conf, "admin_password").as_deref(), Some("a%b%%"));
        assert_eq!(value(&conf, "auth_url").as_deref(), Some("http://h/%v3"));
        let wrong = "stray = 1\n[A]\nadmin_password = secret%x\nb = %(c)s\nd = %(d)s\n= 1\n";
        let (_, faults) = read(&[wrong]);
        let text = faults.to_string();
        for part in [
            "f0:1: a section is expected first",
            "f0:3: admin_password: a % that is meant is written %%",
            "f0:4: b: %(c)s: there is no such key",
            "f0:5: d: %(d)s: keys refer to each other too often",
            "f0:6: the name of a key is expected",
        ] {
            assert!(text.contains(part), "'{part}' is expected in {text}");
        }
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn comments_behind_values_are_cut_or_told() {
        let mut conf = Conf::default();
        let text = "[DEFAULTS]\nlisten_port = 8082 ; the usual one\nplain = a;b ;c\n[KEYSTONE]\nadmin_password = secret ;x\n\
                    other = a;b\nhash = 5 # x\nlisten_ip_addr = ; none\n";
        let mut faults = Faults::default();
        conf.read(Path::new("f"), text, &mut faults);
        let notes = conf.cut_comments(|_, key| ["listen_port", "plain", "listen_ip_addr"].contains(&key));
        assert!(faults.is_empty(), "{faults}");
        for (key, expected) in [
            ("listen_port", "8082"),
            ("plain", "a;b"),
            ("admin_password", "secret ;x"),
            ("other", "a;b"),
            ("hash", "5 # x"),
            ("listen_ip_addr", "; none"),
        ] {
            assert_eq!(value(&conf, key).as_deref(), Some(expected), "{key}");
        }
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].warns && notes[0].text.starts_with("f:5: admin_password: what follows ` ;`"), "{notes:?}");
        assert!(!notes[0].text.contains("secret"), "{notes:?}");
    }

    #[test]
    fn doubling_ends() {
        let lines: Vec<String> =
            (0..9).map(|n| format!("k{n} = %(k{m})s%(k{m})s%(k{m})s%(k{m})s\n", m = n + 1)).collect();
        let (_, faults) = read(&[&format!("[A]\n{}k9 = {}\n", lines.concat(), "x".repeat(64))]);
        assert!(faults.to_string().contains("the value gets too long"), "{faults}");
    }
}
