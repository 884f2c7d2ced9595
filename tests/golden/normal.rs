//! The normal form of answers, in which two runs of a case, on whichever server, can be compared.
//!
//! A recorded answer is kept in this form. What differs from run to run is replaced by a placeholder: values that the
//! case knows (the address of the server, the number of the run, what was saved from earlier answers) by their name,
//! `${name}`; other ids, times, MAC addresses and allocated numbers by their kind, `<uuid>`. What the case itself
//! sends is no surprise and stays. References, children and members of collections have no promised order and are
//! sorted; printed values and class names in error texts are free.

use serde_json::{Map, Value};
use uuid::Uuid;

/// Numbers that the server allocates: they differ from run to run wherever they appear.
const ALLOCATED: [&str; 3] = ["virtual_network_network_id", "security_group_id", "sub_cluster_id"];

/// Lists of Neutron whose order is not promised.
const UNORDERED: [&str; 12] = [
    "subnets",
    "subnet_ipam",
    "security_groups",
    "fixed_ips",
    "secondary_ips",
    "service_instance_ips",
    "service_health_check_ips",
    "tags",
    "ports",
    "sub_ports",
    "nets_using",
    "firewall_policy_id",
];

/// Forms of generated values. In a shape `h` is a digit of a lower case hexadecimal number, `H` one of either case,
/// `d` a decimal digit; all else stands for itself.
const KINDS: [Kind; 3] = [
    Kind { name: "<uuid>", shape: "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh", may_follow: not_in_word },
    Kind { name: "<mac>", shape: "HH:HH:HH:HH:HH:HH", may_follow: not_in_word },
    // A zone behind it, or a seventh digit, would be a spelling that clients cannot read.
    Kind {
        name: "<time>",
        shape: "dddd-dd-ddTdd:dd:dd.dddddd",
        may_follow: |next| !next.is_some_and(|next| next.is_ascii_digit() || next == b'Z' || next == b'+'),
    },
];

struct Kind {
    name: &'static str,
    shape: &'static str,
    may_follow: fn(Option<u8>) -> bool,
}

fn not_in_word(neighbour: Option<u8>) -> bool {
    !neighbour.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii())
}

fn has_shape(text: &[u8], shape: &str) -> bool {
    text.len() >= shape.len()
        && text.iter().zip(shape.bytes()).all(|(byte, form)| match form {
            b'h' => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
            b'H' => byte.is_ascii_hexdigit(),
            b'd' => byte.is_ascii_digit(),
            literal => *byte == literal,
        })
}

/// Whether it is a time, a uuid without dashes, or a MAC address.
pub fn is_generated(text: &str) -> bool {
    let hexadecimal =
        || text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    KINDS.iter().any(|kind| text.len() == kind.shape.len() && has_shape(text.as_bytes(), kind.shape)) || hexadecimal()
}

pub fn is_uuid(text: &str) -> bool {
    text.len() == 36 && has_shape(text.as_bytes(), KINDS[0].shape)
}

/// What one run of a case knows.
pub struct Run {
    base: String,
    /// In the order in which they were saved: of two names for one value the first one counts.
    variables: Vec<(String, Value)>,
    /// Everything that the case sends, placeholders not replaced.
    sent: String,
    /// Whether it speaks as Neutron's plug-in.
    is_neutron: bool,
}

impl Run {
    pub fn new(base: &str, steps: &[Value]) -> Self {
        let sent: Vec<_> = steps.iter().map(|step| (&step["path"], &step["body"], &step["headers"])).collect();
        let number = Uuid::new_v4().simple().to_string()[..8].to_owned();
        Self {
            base: base.to_owned(),
            variables: vec![("run".to_owned(), number.into())],
            sent: serde_json::to_string(&sent).unwrap(),
            is_neutron: steps.iter().any(|step| step["path"].as_str().unwrap().starts_with("/neutron")),
        }
    }

    pub fn save(&mut self, name: &str, value: &Value) {
        self.set(name.to_owned(), value.clone());
        if let Some(text) = value.as_str().filter(|text| is_uuid(text)) {
            let digits = text.replace('-', "");
            let pairs: Vec<&str> = (0..10).step_by(2).map(|at| &digits[at..at + 2]).collect();
            self.set(format!("{name}.mac"), format!("02:{}", pairs.join(":")).into());
            self.set(format!("{name}.hex"), digits.into());
        }
    }

    fn set(&mut self, name: String, value: Value) {
        match self.variables.iter_mut().find(|(known, _)| *known == name) {
            Some((_, present)) => *present = value,
            None => self.variables.push((name, value)),
        }
    }

    fn variable(&self, name: &str) -> Option<&Value> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A part of a request with the variables filled in. A text that is nothing but a variable becomes its value,
    /// which may be a number or an object.
    pub fn fill_in(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => {
                let only = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
                only.and_then(|name| self.variable(name)).cloned().unwrap_or_else(|| self.fill_in_text(text).into())
            }
            Value::Array(items) => items.iter().map(|item| self.fill_in(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| (self.fill_in_text(key), self.fill_in(value))).collect()
            }
            other => other.clone(),
        }
    }

    pub fn fill_in_text(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            filled.push_str(before);
            let known = after.split_once('}').and_then(|(name, rest)| Some((self.variable(name)?, rest)));
            rest = match known {
                Some((Value::String(value), rest)) => {
                    filled.push_str(value);
                    rest
                }
                Some((value, rest)) => {
                    filled.push_str(&value.to_string());
                    rest
                }
                None => {
                    filled.push_str("${");
                    after
                }
            };
        }
        filled + rest
    }

    /// The normal form of an answer, or of a part of it.
    pub fn normal(&self, value: &Value, ordered: bool) -> Value {
        // A longer value may contain a shorter one: the address of a saved object contains its uuid.
        let mut names: Vec<(&str, &str)> = self
            .variables
            .iter()
            .filter_map(|(name, value)| Some((value.as_str().filter(|text| text.len() > 5)?, name.as_str())))
            .collect();
        names.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        self.walk(value, "", &names, ordered)
    }

    fn walk(&self, value: &Value, key: &str, names: &[(&str, &str)], ordered: bool) -> Value {
        match value {
            Value::Object(fields) => {
                if let Some(uuid) = uuid_of_halves(fields) {
                    return self.text(&uuid, key, names).into();
                }
                let field = |(key, value): (&String, &Value)| {
                    (self.text(key, "", names), self.walk(value, key, names, ordered))
                };
                Value::Object(fields.iter().map(field).collect())
            }
            Value::Array(items) => {
                let below = if self.is_neutron { IN_A_LIST } else { key };
                let mut items: Vec<Value> = items.iter().map(|item| self.walk(item, below, names, ordered)).collect();
                if !ordered {
                    sort_links(&mut items, self.is_neutron.then_some(key));
                }
                items.into()
            }
            Value::Number(number) if number.is_i64() || number.is_u64() => {
                // Also what the case sends as `configured_security_group_id` is no surprise: no quote in front.
                if !ALLOCATED.contains(&key) || self.sent.contains(&format!("{key}\":{number}")) {
                    return value.clone();
                }
                match self.variables.iter().rev().find(|(_, saved)| saved == value) {
                    Some((name, _)) => format!("${{{name}}}").into(),
                    None => "<number>".into(),
                }
            }
            Value::String(text) => self.text(text, key, names).into(),
            other => other.clone(),
        }
    }

    /// The answer to a step that says which part of a list is its own, and of a refusal of Neutron without what is free in its texts.
    pub fn own_part(&self, step: &Value, status: u16, body: Value) -> Value {
        let known = || self.variables.iter().filter_map(|(_, value)| value.as_str()).filter(|text| text.len() > 7);
        match body {
            Value::Array(items) if step["mine"] == true => {
                let is_own = |item: &Value| {
                    let text = item.to_string();
                    known().any(|known| text.contains(known))
                };
                items.into_iter().filter(is_own).collect()
            }
            Value::Object(members) if status >= 400 && members.contains_key("exception") => {
                let plain = |(name, value): (String, Value)| match value {
                    Value::String(text) => (name, plain_error(&text).into()),
                    value => (name, value),
                };
                Value::Object(members.into_iter().map(plain).collect())
            }
            body => body,
        }
    }

    /// A recorded answer, sorted in the same way as the answer that it is compared with.
    pub fn sorted(&self, value: &Value) -> Value {
        sorted(value, self.is_neutron.then_some(""))
    }

    fn text(&self, text: &str, key: &str, names: &[(&str, &str)]) -> String {
        let mut text = text.replace(&self.base, "${base}");
        for (value, name) in names {
            text = text.replace(value, &format!("${{{name}}}"));
        }
        for kind in &KINDS {
            text = self.replace_kind(&text, kind);
        }
        if matches!(key, "tag_id" | "tag_type_id") {
            text = without_allocated_tag(&text);
        }
        with_sorted_links(text)
    }

    fn replace_kind(&self, text: &str, kind: &Kind) -> String {
        let bytes = text.as_bytes();
        let (mut replaced, mut done, mut at) = (String::new(), 0, 0);
        while at + kind.shape.len() <= bytes.len() {
            let end = at + kind.shape.len();
            let before = at.checked_sub(1).map(|index| bytes[index]);
            if not_in_word(before) && has_shape(&bytes[at..], kind.shape) && (kind.may_follow)(bytes.get(end).copied())
            {
                if !self.sent.contains(&text[at..end]) {
                    replaced.push_str(&text[done..at]);
                    replaced.push_str(kind.name);
                    done = end;
                }
                at = end;
            } else {
                at += 1;
            }
        }
        replaced + &text[done..]
    }
}

/// `id_perms.uuid` as the uuid that its two unsigned halves make.
fn uuid_of_halves(fields: &Map<String, Value>) -> Option<String> {
    let (high, low) = (fields.get("uuid_mslong")?.as_u64()?, fields.get("uuid_lslong")?.as_u64()?);
    (fields.len() == 2).then(|| Uuid::from_u64_pair(high, low).to_string())
}

/// Tag types that are part of the system have fixed numbers; the numbers of tags below them are allocated.
fn without_allocated_tag(text: &str) -> String {
    let (mut replaced, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("0x00") {
        let (before, number) = rest.split_at(at);
        let bytes = number.as_bytes();
        let fixed = has_shape(bytes, "0x00hhhhhh")
            && (&bytes[4..6] == b"ff" || bytes[4] == b'0' && (b'0'..=b'6').contains(&bytes[5]));
        replaced.push_str(before);
        let taken = if fixed {
            replaced.push_str(&number[..6]);
            replaced.push_str("<number>");
            10
        } else {
            replaced.push_str("0x00");
            4
        };
        rest = &number[taken..];
    }
    replaced + rest
}

/// The texts that refuse a delete name what is in the way, in any order.
fn with_sorted_links(text: String) -> String {
    let list = || {
        let inner = text.strip_prefix("Delete when ")?.strip_suffix(']')?;
        let at = inner.rfind(": [")?;
        let mut links: Vec<&str> = inner[at + 3..].split(", ").collect();
        links.sort_unstable();
        Some(format!("Delete when {}: [{}]", &inner[..at], links.join(", ")))
    };
    list().unwrap_or(text)
}

/// Members of collections, references, back references, children, and links of the home page.
fn is_link(item: &Value) -> bool {
    let Value::Object(fields) = item else { return false };
    let wrapped = || fields.len() == 1 && fields.values().all(|inner| inner.get("fq_name").is_some());
    fields.contains_key("to")
        || fields.contains_key("link")
        || fields.contains_key("uuid") && fields.contains_key("fq_name")
        || wrapped()
}

/// What stands for the name of a member within a list.
const IN_A_LIST: &str = "[]";

/// With the name of a member of an answer of Neutron, empty for the answer as a whole, also lists of other things.
fn sort_links(items: &mut [Value], of_neutron: Option<&str>) {
    let is_thing = |item: &Value| item.is_object() || item.is_string();
    let unordered =
        of_neutron.is_some_and(|key| UNORDERED.contains(&key) || key.is_empty() && items.iter().all(is_thing));
    if unordered || items.iter().all(is_link) {
        items.sort_by_cached_key(canonical);
    }
}

fn sorted(value: &Value, of_neutron: Option<&str>) -> Value {
    match value {
        Value::Object(fields) => {
            let field =
                |(key, value): (&String, &Value)| (key.clone(), sorted(value, of_neutron.map(|_| key.as_str())));
            Value::Object(fields.iter().map(field).collect())
        }
        Value::Array(items) => {
            let below = of_neutron.map(|_| IN_A_LIST);
            let mut items: Vec<Value> = items.iter().map(|item| sorted(item, below)).collect();
            sort_links(&mut items, of_neutron);
            items.into()
        }
        other => other.clone(),
    }
}

/// A text to sort by, in which the order of keys does not count.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// An error text without what is free in it: white space, class names, printed dictionaries and sets.
pub fn plain_error(text: &str) -> String {
    let mut plain = String::new();
    for character in text.chars() {
        if !character.is_whitespace() {
            plain.push(character);
        } else if !plain.ends_with(' ') {
            plain.push(' ');
        }
    }
    without_printed_values(&without_class_names(&plain))
}

fn without_class_names(text: &str) -> String {
    let (mut replaced, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("<class '") {
        replaced.push_str(before);
        if let Some(after) = after.split_once('\'').and_then(|(_, after)| after.strip_prefix('>')) {
            replaced.push_str("<class>");
            rest = after;
        } else {
            replaced.push_str("<class '");
            rest = after;
        }
    }
    replaced + rest
}

/// Braces with a colon between them, and what is in them, from the innermost to the outermost.
fn without_printed_values(text: &str) -> String {
    const MARK: &str = "(...)";
    let mut replaced = String::new();
    for character in text.chars() {
        replaced.push(character);
        if character != '}' {
            continue;
        }
        let inside = &replaced[..replaced.len() - 1];
        if let Some(open) = inside.rfind(['{', '}']).filter(|at| inside.as_bytes()[*at] == b'{')
            && inside[open..].contains(':')
        {
            replaced.truncate(open);
            replaced.push_str(MARK);
        }
    }
    replaced.replace(MARK, "{...}")
}

/// One thing that is not as recorded.
pub struct Difference {
    pub kind: &'static str,
    /// The way to the field, with dots; empty for the answer as a whole.
    pub place: String,
    pub recorded: String,
    pub answered: String,
}

/// The differences of two normal forms.
pub fn compare(recorded: &Value, answered: &Value, place: &str, differences: &mut Vec<Difference>) {
    let below = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    let mut differ = |kind, place, recorded: String, answered: String| {
        differences.push(Difference { kind, place, recorded, answered });
    };
    match (recorded, answered) {
        (Value::Object(recorded), Value::Object(answered)) => {
            let mut keys: Vec<&String> = recorded.keys().chain(answered.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                match (recorded.get(key), answered.get(key)) {
                    (Some(one), Some(other)) => compare(one, other, &below(key), differences),
                    (Some(one), None) => differences.push(Difference {
                        kind: "missing",
                        place: below(key),
                        recorded: one.to_string(),
                        answered: "nothing".to_owned(),
                    }),
                    (None, other) => differences.push(Difference {
                        kind: "extra",
                        place: below(key),
                        recorded: "nothing".to_owned(),
                        answered: other.map(Value::to_string).unwrap_or_default(),
                    }),
                }
            }
        }
        (Value::Array(recorded), Value::Array(answered)) => {
            if recorded.len() != answered.len() {
                differ("different", below("length"), recorded.len().to_string(), answered.len().to_string());
            }
            for (index, (one, other)) in recorded.iter().zip(answered).enumerate() {
                compare(one, other, &below(&index.to_string()), differences);
            }
        }
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => {}
        (one, other) if one == other => {}
        (one, other) => {
            let kind = if place.is_empty() { "text" } else { "different" };
            differ(kind, place.to_owned(), one.to_string(), other.to_string());
        }
    }
}

/// Whether a pattern covers a place: itself and all below it; `*` is one name.
pub fn covers(pattern: &str, place: &str) -> bool {
    let mut place = place.split('.');
    pattern.split('.').all(|name| place.next().is_some_and(|part| name == "*" || name == part))
}
