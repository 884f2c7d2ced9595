//! Which networks are connected, by whatever it is: a policy, be it of one of the two alone, a router, floating ips.

use super::collect::Found;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use std::cmp::Reverse;
use uuid::Uuid;

/// What is asked for instead of a network, where those are wanted that are connected with nothing.
pub const NOTHING: &str = "nothing";

/// Networks that are connected, by their indexes; or a single one.
#[derive(Debug, PartialEq, Eq)]
pub struct Connected {
    /// The one that has most connections.
    pub middle: usize,
    /// All of them.
    pub members: Vec<usize>,
}

/// All of a picture, each network in one of them.
pub fn of(found: &Found<'_>) -> Vec<Connected> {
    let spokes = found.hubs.values().flat_map(|hub| {
        let first = hub.spokes.keys().copied().next();
        hub.spokes.keys().skip(1).filter_map(move |other| Some((first?, *other)))
    });
    join(found.networks.len(), found.between.keys().copied().chain(spokes))
}

/// Leaves no more than what is connected with a network, or what is connected with nothing. Tells whether there is such a network.
pub fn keep(found: &mut Found<'_>, with: &str) -> bool {
    let groups = of(found);
    let members: Vec<usize> = if with == NOTHING {
        groups.into_iter().filter(|group| group.members.len() == 1).flat_map(|group| group.members).collect()
    } else {
        let uuid = Uuid::try_parse(with).unwrap_or_default();
        let is_wanted = |index: &usize| found.networks.get(*index).is_some_and(|network| network.object.uuid == uuid);
        groups.into_iter().map(|group| group.members).find(|members| members.iter().any(is_wanted)).unwrap_or_default()
    };
    found.keep(&members);
    !members.is_empty()
}

fn join(count: usize, connections: impl Iterator<Item = (usize, usize)>) -> Vec<Connected> {
    let mut above: Vec<usize> = (0..count).collect();
    let mut degrees = vec![0_usize; count];
    for (one, other) in connections {
        for end in [one, other] {
            if let Some(degree) = degrees.get_mut(end) {
                *degree += 1;
            }
        }
        let (one, other) = (root(&mut above, one), root(&mut above, other));
        if let Some(above) = above.get_mut(one.max(other)) {
            *above = one.min(other);
        }
    }
    let mut groups: IndexMap<usize, Vec<usize>, FxBuildHasher> = IndexMap::default();
    for index in 0..count {
        groups.entry(root(&mut above, index)).or_default().push(index);
    }
    let degree = |index: usize| degrees.get(index).copied().unwrap_or_default();
    let middle = |members: &[usize]| members.iter().copied().max_by_key(|index| (degree(*index), Reverse(*index)));
    let groups = groups.into_values();
    groups.map(|members| Connected { middle: middle(&members).unwrap_or_default(), members }).collect()
}

/// The first of those that something is connected with, where each leads to one before it; the way there gets shorter.
fn root(above: &mut [usize], mut index: usize) -> usize {
    while let Some(next) = above.get(index).copied().filter(|next| *next != index) {
        let over = above.get(next).copied().unwrap_or(next);
        if let Some(above) = above.get_mut(index) {
            *above = over;
        }
        index = next;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::{Connected, join};

    #[test]
    fn what_is_connected_is_together_in_whatever_order_that_is_told() {
        let chain = [(3, 4), (1, 2), (2, 3)];
        let expected = [(0, vec![0]), (2, vec![1, 2, 3, 4]), (5, vec![5])];
        let expected: Vec<Connected> =
            expected.into_iter().map(|(middle, members)| Connected { middle, members }).collect();
        assert_eq!(join(6, chain.into_iter()), expected);
        assert_eq!(join(6, chain.into_iter().rev().map(|(one, other)| (other, one))), expected);
        assert_eq!(join(0, [].into_iter()), []);
    }

    #[test]
    fn the_middle_is_what_most_are_connected_with() {
        let groups = join(5, (0..4).map(|leaf| (leaf, 4)));
        assert_eq!(groups, [Connected { middle: 4, members: vec![0, 1, 2, 3, 4] }]);
    }
}
