//! Protocols of the internet, by name and by number (contrail-api R21: POL-C3, FR-C2; OpenSDN 2026: OSD-24).

/// Those that have a name, with the number that IANA gave them. `any` has none, and is written as 0.
const NAMES: [(&str, u8); 27] = [
    ("ah", 51),
    ("any", 0),
    ("dccp", 33),
    ("egp", 8),
    ("esp", 50),
    ("gre", 47),
    ("hopopt", 0),
    ("icmp", 1),
    ("icmp6", 58),
    ("icmpv6", 58),
    ("igmp", 2),
    ("ip", 0),
    ("ipip", 4),
    ("ipv6-encap", 41),
    ("ipv6-frag", 44),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("ipv6-route", 43),
    ("ospf", 89),
    ("pgm", 113),
    ("rsvp", 46),
    ("sctp", 132),
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("vrrp", 112),
];

/// The number of a protocol, given by its name in lower case or as a number in decimal.
pub fn number(protocol: &str) -> Option<u8> {
    let named = NAMES.iter().find(|(name, _)| *name == protocol).map(|(_, number)| *number);
    named.or_else(|| protocol.parse().ok())
}

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}

/// Whether only IPv6 has it (OSD-25).
pub fn is_of_ipv6(protocol: &str) -> bool {
    matches!(number(protocol), Some(41 | 43 | 44 | 58 | 59 | 60))
}
