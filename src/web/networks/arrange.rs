//! Where things of a picture go. What is connected stands in columns from left to right, so that lines lead from one column to the
//! next, and most of them to the right; what is not stands below, in rows. It knows sizes and connections, and neither networks nor SVG.
//!
//! Columns are distances from one end (a breadth-first search), their order is that of the mean of what they are connected with, and
//! heights follow from what stands left of them: all of it is linear but for sorting.

use rustc_hash::FxHashMap;
use std::{cmp::Reverse, collections::VecDeque};

/// How large something is, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// From left to right.
    pub width: i64,
    /// From top to bottom.
    pub height: i64,
}

/// The upper left corner of something, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// From the left.
    pub x: i64,
    /// From the top.
    pub y: i64,
}

/// A picture.
#[derive(Debug)]
pub struct Arranged {
    /// The places of all, in the order in which they were given.
    pub places: Vec<Place>,
    /// How large the whole is.
    pub size: Size,
}

/// What is connected, and where it is by itself.
struct Part {
    placed: Vec<(usize, Place)>,
    size: Size,
}

/// Pictures are at least as wide, if there is enough to show.
const LEAST_WIDTH: i64 = 1200;
/// A column has as many things as have room in this height, in pixels, or the root of how many are connected, if that is more.
const HEIGHT: i64 = 1200;
/// But not fewer than this.
const LEAST_ROWS: usize = 8;
/// How often the order in columns is improved, from left to right and back.
const SWEEPS: usize = 4;
/// A mean of places is kept in parts of this.
const PARTS: usize = 1024;

/// Finds places. `edges` lead from one thing to another, by their index in `sizes`; those that name none, or one twice, are left out. `gap` is what stays
/// free between columns and between what stands in one.
pub fn arrange(sizes: &[Size], edges: &[(usize, usize)], gap: Size) -> Arranged {
    let near = neighbours(sizes.len(), edges);
    let mut ahead = vec![Vec::new(); sizes.len()];
    for (from, to) in edges {
        if let Some(ahead) = ahead.get_mut(*from) {
            ahead.push(*to);
        }
    }
    let mut parts: Vec<Part> =
        components(&near).iter().map(|members| part(members, sizes, &near, &ahead, gap)).collect();
    parts.sort_by_key(|part| Reverse(part.placed.len()));
    pack(&parts, sizes.len(), gap)
}

/// With what each is connected, each once.
fn neighbours(count: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut near = vec![Vec::new(); count];
    for (one, other) in edges.iter().copied().filter(|(one, other)| one != other && *one < count && *other < count) {
        for (from, to) in [(one, other), (other, one)] {
            if let Some(known) = near.get_mut(from) {
                known.push(to);
            }
        }
    }
    for known in &mut near {
        known.sort_unstable();
        known.dedup();
    }
    near
}

fn of(near: &[Vec<usize>], index: usize) -> &[usize] {
    near.get(index).map(Vec::as_slice).unwrap_or_default()
}

/// What is connected with one, each with how far away it is, the nearest first.
fn distances(start: usize, near: &[Vec<usize>]) -> Vec<(usize, usize)> {
    let mut known = FxHashMap::from_iter([(start, 0)]);
    let mut queue = VecDeque::from([(start, 0)]);
    let mut found = Vec::new();
    while let Some((index, distance)) = queue.pop_front() {
        found.push((index, distance));
        for next in of(near, index) {
            if known.insert(*next, distance + 1).is_none() {
                queue.push_back((*next, distance + 1));
            }
        }
    }
    found
}

/// What hangs together, in the order of the first of each.
fn components(near: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut is_known = vec![false; near.len()];
    let mut all = Vec::new();
    for start in 0..near.len() {
        if is_known.get(start) == Some(&false) {
            let members: Vec<usize> = distances(start, near).into_iter().map(|(index, _)| index).collect();
            for index in &members {
                if let Some(known) = is_known.get_mut(*index) {
                    *known = true;
                }
            }
            all.push(members);
        }
    }
    all
}

/// The end to start from: one that is as far away from others as any. Where all are near, the one that has most beside it.
fn end_of(members: &[usize], near: &[Vec<usize>]) -> usize {
    let first = members.first().copied().unwrap_or_default();
    let farthest =
        |start| distances(start, near).into_iter().max_by_key(|(index, distance)| (*distance, Reverse(*index)));
    let (end, _) = farthest(first).unwrap_or_default();
    let (_, length) = farthest(end).unwrap_or_default();
    if length > 2 {
        return end;
    }
    members.iter().copied().max_by_key(|index| (of(near, *index).len(), Reverse(*index))).unwrap_or(first)
}

/// Arranges what hangs together.
fn part(members: &[usize], sizes: &[Size], near: &[Vec<usize>], ahead: &[Vec<usize>], gap: Size) -> Part {
    let heights: Vec<i64> = members.iter().filter_map(|index| sizes.get(*index)).map(|size| size.height).collect();
    let rows = HEIGHT / (mean(&heights).unwrap_or_default() + gap.height).max(1);
    let most = usize::try_from(rows).unwrap_or_default().max(LEAST_ROWS).max(members.len().isqrt() + 2);
    let mut columns = columns(members, near);
    if leads_back(&columns, ahead) {
        columns.reverse();
    }
    let columns = columns
        .iter()
        .flat_map(|column| column.chunks(column.len().div_ceil(column.len().div_ceil(most).max(1)).max(1)));
    let mut centres: FxHashMap<usize, i64> = FxHashMap::default();
    let mut placed = Vec::with_capacity(members.len());
    let mut x = 0;
    for column in columns {
        let mut y = 0;
        let mut width = 0;
        // Each beside the middle of what it is connected with, but below the one before.
        let mut wrong = Vec::new();
        let mut tops = Vec::with_capacity(column.len());
        for index in column {
            let Some(size) = sizes.get(*index) else { continue };
            let beside: Vec<i64> = of(near, *index).iter().filter_map(|next| centres.get(next).copied()).collect();
            let wanted = mean(&beside).map(|centre| centre - size.height / 2);
            let top = wanted.map_or(y, |wanted| if tops.is_empty() { wanted } else { wanted.max(y) });
            wrong.extend(wanted.map(|wanted| wanted - top));
            tops.push((*index, *size, top));
            width = width.max(size.width);
            y = top + size.height + gap.height;
        }
        // Those that were pushed down take all of the column up, by what they are off on the whole.
        let shift = mean(&wrong).unwrap_or_default();
        for (index, size, top) in tops {
            centres.insert(index, top + shift + size.height / 2);
            placed.push((index, Place { x: x + (width - size.width) / 2, y: top + shift }));
        }
        x += width + gap.width;
    }
    let highest = placed.iter().map(|(_, place)| place.y).min().unwrap_or_default();
    for (_, place) in &mut placed {
        place.y -= highest;
    }
    let bottom = |(index, place): &(usize, Place)| place.y + sizes.get(*index).map_or(0, |size| size.height);
    let height = placed.iter().map(bottom).max().unwrap_or_default();
    Part { placed, size: Size { width: x - gap.width, height } }
}

/// Whether more connections lead to the left than to the right.
fn leads_back(columns: &[Vec<usize>], ahead: &[Vec<usize>]) -> bool {
    let mut column_of: FxHashMap<usize, usize> = FxHashMap::default();
    for (place, column) in columns.iter().enumerate() {
        column_of.extend(column.iter().map(|index| (*index, place)));
    }
    let (mut right, mut left) = (0_usize, 0_usize);
    for (from, place) in &column_of {
        for to in of(ahead, *from).iter().filter_map(|to| column_of.get(to)) {
            right += usize::from(to > place);
            left += usize::from(to < place);
        }
    }
    left > right
}

fn mean(numbers: &[i64]) -> Option<i64> {
    let count = i64::try_from(numbers.len()).ok().filter(|count| *count > 0)?;
    Some(numbers.iter().sum::<i64>() / count)
}

/// Who stands in which column, from top to bottom.
fn columns(members: &[usize], near: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut columns: Vec<Vec<usize>> = Vec::new();
    for (index, distance) in distances(end_of(members, near), near) {
        if columns.len() <= distance {
            columns.push(Vec::new());
        }
        if let Some(column) = columns.last_mut() {
            column.push(index);
        }
    }
    for sweep in 0..SWEEPS {
        let mut before: FxHashMap<usize, usize> = FxHashMap::default();
        let each: Box<dyn Iterator<Item = &mut Vec<usize>>> =
            if sweep % 2 == 0 { Box::new(columns.iter_mut()) } else { Box::new(columns.iter_mut().rev()) };
        for column in each {
            let count = column.len();
            let own = |row: usize| (2 * row + 1) * PARTS / (2 * count);
            let mut keyed: Vec<(usize, usize)> = column
                .iter()
                .enumerate()
                .map(|(row, index)| {
                    let beside: Vec<usize> =
                        of(near, *index).iter().filter_map(|next| before.get(next).copied()).collect();
                    let key = if beside.is_empty() { own(row) } else { beside.iter().sum::<usize>() / beside.len() };
                    (key, *index)
                })
                .collect();
            keyed.sort_by_key(|(key, _)| *key);
            *column = keyed.into_iter().map(|(_, index)| index).collect();
            before = column.iter().enumerate().map(|(row, index)| (*index, own(row))).collect();
        }
    }
    columns
}

/// Puts all parts beside and below each other; what stands alone begins a row of its own.
fn pack(parts: &[Part], count: usize, gap: Size) -> Arranged {
    let widest = parts.iter().map(|part| part.size.width).max().unwrap_or_default();
    let area: i64 = parts.iter().map(|part| (part.size.width + gap.height) * (part.size.height + gap.height)).sum();
    // What is not connected at all is read from top to bottom.
    let is_list = parts.iter().all(|part| part.placed.len() == 1);
    let wanted = widest.max(LEAST_WIDTH).max(if is_list { 0 } else { (area * 3 / 2).isqrt() });
    let mut places = vec![Place::default(); count];
    let (mut corner, mut row_height, mut size) = (Place::default(), 0, Size { width: 0, height: 0 });
    let mut is_alone = false;
    for part in parts {
        let begins_alone = part.placed.len() == 1 && !is_alone;
        is_alone = part.placed.len() == 1;
        if corner.x > 0 && (corner.x + part.size.width > wanted || begins_alone) {
            corner = Place { x: 0, y: corner.y + row_height + gap.height };
            row_height = 0;
        }
        for (index, place) in &part.placed {
            if let Some(found) = places.get_mut(*index) {
                *found = Place { x: corner.x + place.x, y: corner.y + place.y };
            }
        }
        row_height = row_height.max(part.size.height);
        size.width = size.width.max(corner.x + part.size.width);
        size.height = size.height.max(corner.y + part.size.height);
        // Between parts there are no lines, so there is less between them than between columns.
        corner.x += part.size.width + gap.height;
    }
    Arranged { places, size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CARD: Size = Size { width: 200, height: 100 };
    const GAP: Size = Size { width: 120, height: 30 };

    fn cards(count: usize, edges: &[(usize, usize)]) -> Vec<Place> {
        arrange(&vec![CARD; count], edges, GAP).places
    }

    #[test]
    fn nothing_is_a_picture_of_nothing() {
        let arranged = arrange(&[], &[], GAP);
        assert_eq!((arranged.places.len(), arranged.size), (0, Size { width: 0, height: 0 }));
    }

    #[test]
    fn a_chain_stands_in_a_row_whatever_its_order() {
        let places = cards(4, &[(2, 0), (0, 3), (3, 1)]);
        assert!(places.iter().all(|place| place.y == 0), "{places:?}");
        let mut order = [0, 1, 2, 3];
        order.sort_by_key(|index| places[*index].x);
        assert!(order == [2, 0, 3, 1] || order == [1, 3, 0, 2], "{order:?}");
    }

    #[test]
    fn most_lead_to_the_right() {
        for chain in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
            let edges: Vec<(usize, usize)> = chain.windows(2).map(|pair| (pair[0], pair[1])).collect();
            let places = cards(4, &edges);
            assert!(edges.iter().all(|(from, to)| places[*from].x < places[*to].x), "{chain:?}: {places:?}");
        }
    }

    #[test]
    fn what_branches_off_stands_beside_its_middle() {
        // One that leads to three: they are above each other, and it is at the height of the second.
        let places = cards(4, &[(0, 1), (0, 2), (0, 3)]);
        assert!(places[1..].iter().all(|place| place.x == places[1].x && place.x > places[0].x), "{places:?}");
        let mut heights: Vec<i64> = places[1..].iter().map(|place| place.y).collect();
        heights.sort_unstable();
        assert_eq!(heights, [0, 130, 260]);
        assert_eq!(places[0].y, 130);
    }

    #[test]
    fn lines_of_two_pairs_of_a_ladder_do_not_cross() {
        // 0-1-2-3-4 is long enough to be a chain; 5 and 6 hang on 1, and 7 and 8 on 5 and 6.
        let places = cards(9, &[(0, 1), (1, 2), (2, 3), (3, 4), (1, 6), (1, 5), (5, 7), (6, 8)]);
        let is_above = |one: usize, other: usize| places[one].y < places[other].y;
        assert_eq!(is_above(5, 6), is_above(7, 8), "{places:?}");
    }

    #[test]
    fn what_is_alone_stands_below_what_is_connected() {
        let places = cards(30, &[(10, 20)]);
        let bottom = places[10].y.max(places[20].y) + CARD.height;
        for (index, place) in places.iter().enumerate().filter(|(index, _)| ![10, 20].contains(index)) {
            assert!(place.y >= bottom, "{index}: {place:?}");
        }
    }

    #[test]
    fn one_with_very_many_does_not_make_a_tower() {
        let edges: Vec<(usize, usize)> = (1..=400).map(|leaf| (0, leaf)).collect();
        let Size { width, height } = arrange(&vec![CARD; 401], &edges, GAP).size;
        assert!(height < 2 * width && width < 4 * height, "{width} x {height}");
    }

    #[test]
    fn edges_that_lead_nowhere_are_left_out() {
        assert_eq!(cards(2, &[(0, 0), (0, 9), (9, 1)]), cards(2, &[]));
    }

    proptest! {
        #[test]
        fn nothing_covers_anything_and_all_is_inside(
            sizes in prop::collection::vec((20_i64..300, 20_i64..200), 1..60),
            edges in prop::collection::vec((0_usize..60, 0_usize..60), 0..120),
        ) {
            let sizes: Vec<Size> = sizes.into_iter().map(|(width, height)| Size { width, height }).collect();
            let Arranged { places, size } = arrange(&sizes, &edges, GAP);
            let all: Vec<(Place, Size)> = places.into_iter().zip(sizes).collect();
            for (index, (place, own)) in all.iter().enumerate() {
                prop_assert!(place.x >= 0 && place.y >= 0, "{place:?}");
                prop_assert!(place.x + own.width <= size.width && place.y + own.height <= size.height);
                for (other_place, other) in all.iter().skip(index + 1) {
                    let apart = place.x + own.width <= other_place.x || other_place.x + other.width <= place.x
                        || place.y + own.height <= other_place.y || other_place.y + other.height <= place.y;
                    prop_assert!(apart, "{place:?} {own:?} and {other_place:?} {other:?}");
                }
            }
        }
    }
}
