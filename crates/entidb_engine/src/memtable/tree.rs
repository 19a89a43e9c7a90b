//! The ordered tree over the entries: one writer, any number of readers that never wait and never lock.
//!
//! Always: a node that was reachable when a reader began stays as complete as it was then. The writer adds to a node
//! by publishing a new order, and splits one by building its halves aside; the old node is left as it was until the
//! tree goes. So a reader misses at most entries that were written after it began, which its snapshot hides anyway.
//! Does not know: values, versions or snapshots. Nodes are addressed by number, so nothing here is unsafe.

use super::arena::{Address, Arena};
use super::atomic::{AtomicU64, Ordering};
use super::entry::Entry;
use super::node::{Inner, Item, Keys, Order, Pool, Probe, SLOT_COUNT, best_prefix, retake_heads, shared_bytes};
use crate::error::{Error, Result};
use crate::planted::{Mistake, makes};
use crate::prefetch;

/// 15 keys at least halve at each level, so 32-bit node numbers cannot fill more.
const HEIGHT_MAX: usize = 16;

/// The number that stands for all keys of a tree; a part of the keys is a part of it.
pub(super) const WHOLE: u64 = 1 << 60;

pub(super) struct Tree {
    leaves: Pool<Keys>,
    inners: Pool<Inner>,
    /// `height << 32 | node number`; at height 0 the root is a leaf.
    root: AtomicU64,
    /// An entry with the empty key, smaller than all: what the first position of every leftmost node leads from.
    smallest: Address,
}

/// A place in a leaf, as it was when the reader came.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) leaf: u32,
    pub(super) order: Order,
    /// How many keys of the leaf are smaller than the one looked for.
    pub(super) position: usize,
    pub(super) exact: bool,
    /// The entry with the first key of the next leaf, or nowhere at the end.
    pub(super) bound: Address,
}

#[derive(Clone, Copy, Default)]
struct Step {
    inner: u32,
    slot: u32,
}

impl Step {
    fn slot(self) -> usize {
        self.slot as usize
    }
}

/// The way down to a leaf and where a new entry goes: what the writer needs to insert.
#[derive(Default)]
pub(super) struct Way {
    steps: [Step; HEIGHT_MAX],
    height: usize,
    leaf: u32,
    order: Order,
    position: usize,
    shares_prefix: bool,
    /// The newest version of the key that is there already, or nowhere.
    pub(super) found: Address,
    /// The entry with the first key of the next leaf, or nowhere at the end.
    bound: Address,
}

impl Tree {
    /// An empty tree. `smallest` is an entry with the empty key.
    pub(super) fn new(smallest: Address) -> Result<Self> {
        let tree = Self { leaves: Pool::new()?, inners: Pool::new()?, root: AtomicU64::new(0), smallest };
        tree.leaves.reserve(1)?;
        let root = tree.leaves.take();
        tree.root.store(u64::from(root), Ordering::Release);
        Ok(tree)
    }

    /// The newest version of a key, or nowhere.
    #[inline]
    pub(super) fn find(&self, arena: &Arena, probe: &Probe<'_>) -> Address {
        let place = self.descend::<false>(arena, probe, true);
        if place.exact { self.entry(&place) } else { 0 }
    }

    /// The leaf whose range holds the key.
    #[inline]
    pub(super) fn seek(&self, arena: &Arena, probe: &Probe<'_>) -> Place {
        self.descend::<true>(arena, probe, true)
    }

    /// The leaf that holds the last key smaller than this one, when there is any.
    pub(super) fn seek_before(&self, arena: &Arena, probe: &Probe<'_>) -> Place {
        self.descend::<true>(arena, probe, false)
    }

    #[inline]
    fn descend<const BOUND: bool>(&self, arena: &Arena, probe: &Probe<'_>, equal_goes_right: bool) -> Place {
        let root = self.root.load(Ordering::Acquire);
        let mut node = root as u32;
        let mut bound = 0;
        for _ in 0..root >> 32 {
            let inner = self.inners.node(node);
            // The child's number is in another line than the keys, and the next step waits for it.
            prefetch::whole(inner);
            loop {
                let order = inner.keys.order();
                let rank = inner.keys.rank(order, probe, arena);
                let first_right = rank.position + usize::from(rank.exact && equal_goes_right);
                let position = first_right.saturating_sub(1);
                let child = inner.child(order.slot(position));
                // A child that was split since is only whole together with its new sibling, which a newer order
                // names. The order is published first, so who sees the new child also sees that it changed.
                if inner.keys.order() != order {
                    continue;
                }
                if BOUND && position + 1 < order.count() {
                    bound = inner.keys.entry(order.slot(position + 1));
                }
                node = child;
                break;
            }
        }
        let leaf = self.leaves.node(node);
        prefetch::whole(leaf);
        let order = leaf.order();
        let rank = leaf.rank(order, probe, arena);
        Place { leaf: node, order, position: rank.position, exact: rank.exact, bound }
    }

    /// About which part of [`WHOLE`] of all keys is smaller than this one, as if the nodes of a level led to as many keys each.
    pub(super) fn part_before(&self, arena: &Arena, probe: &Probe<'_>) -> u64 {
        let root = self.root.load(Ordering::Acquire);
        let (mut node, mut before, mut part) = (root as u32, 0_u64, WHOLE);
        for _ in 0..root >> 32 {
            let inner = self.inners.node(node);
            let order = inner.keys.order();
            let rank = inner.keys.rank(order, probe, arena);
            let position = (rank.position + usize::from(rank.exact)).saturating_sub(1);
            part /= (order.count() as u64).max(1);
            before += part * position as u64;
            node = inner.child(order.slot(position));
        }
        let leaf = self.leaves.node(node);
        let order = leaf.order();
        let rank = leaf.rank(order, probe, arena);
        before + part / (order.count() as u64).max(1) * rank.position as u64
    }

    /// The first leaf, at its first entry.
    pub(super) fn first(&self) -> Place {
        self.edge(|_| 0)
    }

    /// The last leaf, behind its last entry.
    pub(super) fn last(&self) -> Place {
        let mut place = self.edge(|order| order.count().saturating_sub(1));
        place.position = place.order.count();
        place
    }

    fn edge(&self, position: impl Fn(Order) -> usize) -> Place {
        let root = self.root.load(Ordering::Acquire);
        let mut node = root as u32;
        let mut bound = 0;
        for _ in 0..root >> 32 {
            let inner = self.inners.node(node);
            loop {
                let order = inner.keys.order();
                let at = position(order);
                let child = inner.child(order.slot(at));
                if inner.keys.order() != order {
                    continue;
                }
                if at + 1 < order.count() {
                    bound = inner.keys.entry(order.slot(at + 1));
                }
                node = child;
                break;
            }
        }
        Place { leaf: node, order: self.leaves.node(node).order(), position: 0, exact: false, bound }
    }

    /// The newest version of the key at a place, or nowhere past the end of its leaf.
    #[inline]
    pub(super) fn entry(&self, place: &Place) -> Address {
        if place.position < place.order.count() {
            self.leaves.node(place.leaf).entry(place.order.slot(place.position))
        } else {
            0
        }
    }

    /// The last key of the leaf at a place; empty for an empty leaf.
    pub(super) fn last_key<'a>(&self, arena: &'a Arena, place: &Place) -> &'a [u8] {
        match place.order.count().checked_sub(1) {
            Some(last) => Entry::key_at(arena, self.leaves.node(place.leaf).entry(place.order.slot(last))),
            None => &[],
        }
    }

    /// Fetches the entries of a leaf that a walk comes to next, so that their misses overlap.
    #[inline]
    pub(super) fn prefetch_entries(&self, arena: &Arena, place: &Place, forward: bool) {
        let leaf = self.leaves.node(place.leaf);
        let (from, to) = if forward { (place.position, place.order.count()) } else { (0, place.position) };
        for position in from..to {
            prefetch::first_line(arena.tail(leaf.entry(place.order.slot(position))));
        }
    }

    /// Makes `way` lead to where a key is or belongs. For the one writer.
    pub(super) fn find_way(&self, arena: &Arena, probe: &Probe<'_>, way: &mut Way) -> Result<()> {
        let root = self.root.load(Ordering::Relaxed);
        let mut node = root as u32;
        let height = (root >> 32) as usize;
        way.height = height;
        way.bound = 0;
        let too_high = || Error::Internal { detail: format!("the memtable's tree is {height} levels high") };
        for step in way.steps.get_mut(..height).ok_or_else(too_high)? {
            let inner = self.inners.node(node);
            prefetch::whole(inner);
            let order = inner.keys.order();
            let rank = inner.keys.rank(order, probe, arena);
            let position = (rank.position + usize::from(rank.exact)).saturating_sub(1);
            if position + 1 < order.count() {
                way.bound = inner.keys.entry(order.slot(position + 1));
            }
            let slot = order.slot(position);
            *step = Step { inner: node, slot: slot as u32 };
            node = inner.child(slot);
        }
        way.leaf = node;
        prefetch::whole(self.leaves.node(node));
        self.arrive(arena, probe, way);
        Ok(())
    }

    /// Leads a way on to a key that comes after the one it led to, and says whether it does: not when the key is in a later
    /// leaf. The tree must not have been rebuilt since. Keys that are written together are often neighbours, and this spares
    /// them the way down.
    pub(super) fn lead_on(&self, arena: &Arena, probe: &Probe<'_>, way: &mut Way) -> bool {
        let is_past = way.bound != 0 && Entry::key_at(arena, way.bound) <= probe.key;
        if is_past && !makes(Mistake::InsertedPastItsLeaf) {
            return false;
        }
        self.arrive(arena, probe, way);
        true
    }

    /// Finds the place of a key in the leaf of its way.
    #[inline]
    fn arrive(&self, arena: &Arena, probe: &Probe<'_>, way: &mut Way) {
        let leaf = self.leaves.node(way.leaf);
        let order = leaf.order();
        let rank = leaf.rank(order, probe, arena);
        way.order = order;
        way.position = rank.position;
        way.shares_prefix = rank.shares_prefix;
        way.found = if rank.exact { leaf.entry(order.slot(rank.position)) } else { 0 };
    }

    /// Takes the memory that an insert on this way may need, so that the insert itself cannot fail.
    pub(super) fn reserve(&self, way: &Way) -> Result<()> {
        if way.found == 0 && (way.order.count() == SLOT_COUNT || !way.shares_prefix) {
            self.leaves.reserve(2)?;
            self.inners.reserve(u32::try_from(2 * way.height + 3).unwrap_or(u32::MAX))?;
        }
        Ok(())
    }

    /// Puts an entry where its way leads. The way must be fresh and reserved. Says whether it still leads to that leaf: not when
    /// the leaf was rebuilt or another came beside it.
    pub(super) fn insert(&self, arena: &Arena, way: &Way, probe: &Probe<'_>, entry: Address) -> bool {
        let leaf = self.leaves.node(way.leaf);
        if way.found != 0 {
            leaf.replace_entry(way.order.slot(way.position), entry);
            return true;
        }
        if way.shares_prefix && way.order.count() < SLOT_COUNT {
            leaf.insert(way.order, way.position, probe, entry);
            return true;
        }
        if way.order.count() == SLOT_COUNT && way.position == SLOT_COUNT {
            // Keys that keep growing fill their leaves: nothing is copied and no room is left behind.
            let last = Entry::key_at(arena, leaf.entry(way.order.slot(SLOT_COUNT - 1)));
            let mut items = [Item { head: 0, entry, child: 0 }];
            let skipped = shared_bytes(last, probe.key);
            let right = self.new_leaf(arena, &mut items, skipped, true);
            self.replace(arena, way, way.height, way.leaf, Some((entry, right)));
        } else {
            self.rebuild_leaf(arena, way, leaf, entry);
        }
        false
    }

    /// Builds the leaf anew with one entry more: as one node with a shorter prefix, or as two.
    fn rebuild_leaf(&self, arena: &Arena, way: &Way, leaf: &Keys, entry: Address) {
        let mut items = [Item::default(); SLOT_COUNT + 1];
        let count = gather(&mut items, leaf, way.order, way.position, |_| 0);
        if let Some(item) = items.get_mut(way.position) {
            let head = Probe::new(Entry::key_at(arena, entry));
            *item = Item { head: head.head_after(leaf.prefix_bytes()), entry, child: 0 };
        }
        let items = items.get_mut(..count).unwrap_or_default();
        let skipped = best_prefix(arena, items, leaf.prefix_bytes());
        if skipped != leaf.prefix_bytes() {
            retake_heads(arena, items, skipped);
        }
        if count <= SLOT_COUNT {
            let left = self.new_leaf(arena, items, skipped, false);
            self.replace(arena, way, way.height, left, None);
            return;
        }
        let (low, high) = items.split_at_mut(count / 2);
        let separator = high.first().map_or(0, |item| item.entry);
        let left = self.new_leaf(arena, low, skipped, false);
        let right = self.new_leaf(arena, high, skipped, false);
        self.replace(arena, way, way.height, left, Some((separator, right)));
    }

    fn new_leaf(&self, arena: &Arena, items: &mut [Item], skipped: usize, retake: bool) -> u32 {
        if retake {
            retake_heads(arena, items, skipped);
        }
        let number = self.leaves.take();
        self.leaves.node(number).fill(arena, items, skipped);
        number
    }

    fn new_inner(&self, arena: &Arena, items: &[Item], skipped: usize) -> u32 {
        let number = self.inners.take();
        self.inners.node(number).fill(arena, items, skipped);
        number
    }

    /// Hangs `left` where the node below level `level` of the way was, and `right` beside it.
    fn replace(&self, arena: &Arena, way: &Way, level: usize, left: u32, right: Option<(Address, u32)>) {
        let Some(step) = level.checked_sub(1).and_then(|above| way.steps.get(above)) else {
            self.replace_root(arena, way, left, right);
            return;
        };
        let inner = self.inners.node(step.inner);
        let Some((separator, right)) = right else {
            inner.set_child(step.slot(), left);
            return;
        };
        let order = inner.keys.order();
        let probe = Probe::new(Entry::key_at(arena, separator));
        let rank = inner.keys.rank(order, &probe, arena);
        // Never before the first, whose key is at most every key below it.
        let position = rank.position.max(1);
        if rank.shares_prefix && order.count() < SLOT_COUNT {
            inner.set_child(order.count(), right);
            inner.keys.insert(order, position, &probe, separator);
            // Only now: see `descend`.
            inner.set_child(step.slot(), left);
            return;
        }
        let mut items = [Item::default(); SLOT_COUNT + 1];
        let child = |slot| if slot == step.slot() { left } else { inner.child(slot) };
        let count = gather(&mut items, &inner.keys, order, position, child);
        if let Some(item) = items.get_mut(position) {
            *item = Item { head: probe.head_after(inner.keys.prefix_bytes()), entry: separator, child: right };
        }
        let items = items.get_mut(..count).unwrap_or_default();
        let skipped = best_prefix(arena, items, inner.keys.prefix_bytes());
        if skipped != inner.keys.prefix_bytes() {
            retake_heads(arena, items, skipped);
        }
        if count <= SLOT_COUNT {
            let left = self.new_inner(arena, items, skipped);
            self.replace(arena, way, level - 1, left, None);
            return;
        }
        // Keys that keep growing leave full nodes behind here too.
        let growing = position + 1 == count;
        let (low, high) = items.split_at(if growing { SLOT_COUNT } else { count / 2 });
        let separator = high.first().map_or(0, |item| item.entry);
        let left = self.new_inner(arena, low, skipped);
        let right = self.new_inner(arena, high, skipped);
        self.replace(arena, way, level - 1, left, Some((separator, right)));
    }

    fn replace_root(&self, arena: &Arena, way: &Way, left: u32, right: Option<(Address, u32)>) {
        let Some((separator, right)) = right else {
            self.root.store((way.height as u64) << 32 | u64::from(left), Ordering::Release);
            return;
        };
        let mut items =
            [Item { entry: self.smallest, child: left, head: 0 }, Item { entry: separator, child: right, head: 0 }];
        let skipped = best_prefix(arena, &items, 0);
        retake_heads(arena, &mut items, skipped);
        let root = self.new_inner(arena, &items, skipped);
        self.root.store((way.height as u64 + 1) << 32 | u64::from(root), Ordering::Release);
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.leaves.used_bytes() + self.inners.used_bytes()
    }

    pub(super) fn reserved_bytes(&self) -> usize {
        self.leaves.reserved_bytes() + self.inners.reserved_bytes()
    }
}

/// Copies a node's items in order, leaving a gap at `position`, and returns how many there are with the gap.
fn gather(
    items: &mut [Item; SLOT_COUNT + 1],
    keys: &Keys,
    order: Order,
    position: usize,
    child: impl Fn(usize) -> u32,
) -> usize {
    for from in 0..order.count() {
        let slot = order.slot(from);
        if let Some(item) = items.get_mut(from + usize::from(from >= position)) {
            *item = Item { head: keys.head(slot), entry: keys.entry(slot), child: child(slot) };
        }
    }
    order.count() + 1
}
