//! One version of one key, as it lies in the arena.
//!
//! Always: an entry never changes; a newer version points to the one before it (`older`) and to one further back
//! (`jump`), so that any version is found in logarithmic steps however often a key was written.
//! An `Add` also carries the sum of all adds down to the next entry that is none, so a counter is read in one step.
//! Does not know: which snapshot may see it. These bytes never reach a disk.

use super::arena::{Address, Arena, ArenaWriter, byte_offset};
use crate::error::{Error, Result};
use crate::format::{EntryKind, Sequence};
use crate::options::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

/// `sequence u64 | value length u32 | key length u16 | kind u8 | flags u8`, then key, value and trailers.
const HEADER_BYTES: usize = 16;
const HAS_OLDER: u8 = 1;

/// The trailer of an entry that has an older version: `older u32 | jump u32 | depth u32`.
const LINKS_BYTES: usize = 12;
/// The trailer of an `Add`: `sum i64 | base u32 | oldest sequence u64`.
const ADDS_BYTES: usize = 20;

/// Where an entry stands among the versions of its key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Links {
    pub(super) older: Address,
    jump: Address,
    depth: u32,
}

/// What a run of adds amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Adds {
    /// The sum of the run, wrapping.
    pub(super) sum: i64,
    /// The entry below the run, or nowhere.
    pub(super) base: Address,
    /// The sequence of the oldest add of the run.
    pub(super) oldest: Sequence,
}

/// An entry taken apart.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) sequence: Sequence,
    pub(super) kind: EntryKind,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) links: Links,
    adds: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Takes the entry at an address apart. The address must come from this arena.
    #[inline]
    pub(super) fn at(arena: &'a Arena, address: Address) -> Self {
        Self::parse(arena.tail(address)).unwrap_or_else(|| broken_address(address))
    }

    /// Only its key: what a search compares.
    #[inline]
    pub(super) fn key_at(arena: &'a Arena, address: Address) -> &'a [u8] {
        let tail = arena.tail(address);
        let key = tail.split_first_chunk::<HEADER_BYTES>().and_then(|(header, rest)| {
            let [.., k0, k1, _, _] = *header;
            rest.get(..usize::from(u16::from_le_bytes([k0, k1])))
        });
        key.unwrap_or_else(|| broken_address(address))
    }

    /// Only its sequence.
    #[inline]
    pub(super) fn sequence_at(arena: &Arena, address: Address) -> Sequence {
        match arena.tail(address).first_chunk::<8>() {
            Some(bytes) => Sequence(u64::from_le_bytes(*bytes)),
            None => broken_address(address),
        }
    }

    #[inline]
    fn parse(tail: &'a [u8]) -> Option<Self> {
        let (header, rest) = tail.split_first_chunk::<HEADER_BYTES>()?;
        let [s0, s1, s2, s3, s4, s5, s6, s7, v0, v1, v2, v3, k0, k1, kind, flags] = *header;
        let sequence = Sequence(u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]));
        let value_bytes = u32::from_le_bytes([v0, v1, v2, v3]) as usize;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([k0, k1])))?;
        let (value, rest) = rest.split_at_checked(value_bytes)?;
        let (links, rest) = if flags & HAS_OLDER == 0 {
            (Links::default(), rest)
        } else {
            let (links, rest) = rest.split_at_checked(LINKS_BYTES)?;
            (Links { older: u32_at(links, 0)?, jump: u32_at(links, 4)?, depth: u32_at(links, 8)? }, rest)
        };
        let kind = EntryKind::from_byte(kind)?;
        let adds = if kind == EntryKind::Add { rest.get(..ADDS_BYTES)? } else { &[] };
        Some(Self { sequence, kind, key, value, links, adds })
    }

    /// The run of adds that ends here, when this is one.
    pub(super) fn adds(&self) -> Option<Adds> {
        let (sum, rest) = self.adds.split_first_chunk::<8>()?;
        let (base, rest) = rest.split_first_chunk::<4>()?;
        let oldest = rest.first_chunk::<8>()?;
        Some(Adds {
            sum: i64::from_le_bytes(*sum),
            base: u32::from_le_bytes(*base),
            oldest: Sequence(u64::from_le_bytes(*oldest)),
        })
    }
}

/// The most that an entry takes.
pub(super) fn bytes_max(key_bytes: usize, value_bytes: usize) -> usize {
    (HEADER_BYTES + LINKS_BYTES + ADDS_BYTES).saturating_add(key_bytes).saturating_add(value_bytes)
}

/// Appends a version of a key. `newest` is the version it follows, or nowhere.
pub(super) fn append(
    writer: &mut ArenaWriter,
    arena: &Arena,
    newest: Address,
    (key, sequence, kind, value): (&[u8], Sequence, EntryKind, &[u8]),
) -> Result<Address> {
    let too_large = |what, size: usize, limit: usize| Error::TooLarge { what, size: size as u64, limit: limit as u64 };
    let key_bytes = u16::try_from(key.len()).ok().filter(|_| key.len() <= KEY_BYTES_MAX);
    let key_bytes = key_bytes.ok_or_else(|| too_large("key", key.len(), KEY_BYTES_MAX))?;
    let value_bytes = u32::try_from(value.len()).ok().filter(|_| value.len() <= VALUE_BYTES_MAX);
    let value_bytes = value_bytes.ok_or_else(|| too_large("value", value.len(), VALUE_BYTES_MAX))?;
    let before = (newest != 0).then(|| Entry::at(arena, newest));
    if let Some(before) = &before
        && before.sequence >= sequence
    {
        let detail = format!("version {sequence} of a key was written after version {}", before.sequence);
        return Err(Error::Internal { detail });
    }
    let flags = if before.is_some() { HAS_OLDER } else { 0 };
    // Byte by byte in one expression, of which the compiler makes two stores.
    let [s0, s1, s2, s3, s4, s5, s6, s7] = sequence.0.to_le_bytes();
    let ([v0, v1, v2, v3], [k0, k1]) = (value_bytes.to_le_bytes(), key_bytes.to_le_bytes());
    let header = [s0, s1, s2, s3, s4, s5, s6, s7, v0, v1, v2, v3, k0, k1, kind as u8, flags];

    let mut links = [0; LINKS_BYTES];
    let mut links_bytes = 0;
    if let Some(before) = &before {
        links_bytes = LINKS_BYTES;
        let jump = jump_over(arena, newest, before.links);
        let depth = before.links.depth.saturating_add(1);
        let [[o0, o1, o2, o3], [j0, j1, j2, j3], [d0, d1, d2, d3]] =
            [newest.to_le_bytes(), jump.to_le_bytes(), depth.to_le_bytes()];
        links = [o0, o1, o2, o3, j0, j1, j2, j3, d0, d1, d2, d3];
    }
    let mut adds = [0; ADDS_BYTES];
    let mut adds_bytes = 0;
    if kind == EntryKind::Add {
        adds_bytes = ADDS_BYTES;
        let Ok(delta) = <[u8; 8]>::try_from(value) else {
            let problem = format!("has {} bytes, a counter's change has 8", value.len());
            return Err(Error::InvalidArgument { what: "the value of an add", problem });
        };
        let delta = i64::from_le_bytes(delta);
        let run = match before.as_ref().and_then(Entry::adds) {
            Some(run) => Adds { sum: run.sum.wrapping_add(delta), ..run },
            None => Adds { sum: delta, base: newest, oldest: sequence },
        };
        let fields = [&run.sum.to_le_bytes()[..], &run.base.to_le_bytes(), &run.oldest.0.to_le_bytes()];
        adds.iter_mut().zip(fields.into_iter().flatten()).for_each(|(to, from)| *to = *from);
    }
    let links = links.get(..links_bytes).unwrap_or_default();
    let adds = adds.get(..adds_bytes).unwrap_or_default();
    writer.append(&[&header, key, value, links, adds])
}

/// The newest version at or before `at`, starting from the newest of all.
#[inline]
pub(super) fn visible(arena: &Arena, newest: Address, at: Sequence) -> Option<(Address, Entry<'_>)> {
    let mut address = newest;
    while address != 0 {
        let entry = Entry::at(arena, address);
        if entry.sequence <= at {
            return Some((address, entry));
        }
        let links = entry.links;
        // The jump is right when even its target is too new; otherwise the answer lies before it.
        let far = links.jump != 0 && Entry::sequence_at(arena, links.jump) > at;
        address = if far { links.jump } else { links.older };
    }
    None
}

/// The oldest version newer than `than`, starting from the newest of all.
pub(super) fn newer(arena: &Arena, newest: Address, than: Sequence) -> Option<Address> {
    let mut found = None;
    let mut address = newest;
    while address != 0 {
        let entry = Entry::at(arena, address);
        if entry.sequence <= than {
            break;
        }
        found = Some(address);
        let links = entry.links;
        let far = links.jump != 0 && Entry::sequence_at(arena, links.jump) > than;
        address = if far { links.jump } else { links.older };
    }
    found
}

/// The oldest version of all.
pub(super) fn oldest(arena: &Arena, newest: Address) -> Address {
    let mut address = newest;
    loop {
        let links = Entry::at(arena, address).links;
        match (links.jump, links.older) {
            (0, 0) => return address,
            (0, older) => address = older,
            (jump, _) => address = jump,
        }
    }
}

/// Where a value lies, for one that outlives the read.
pub(super) fn value_offset(address: Address, entry: &Entry<'_>) -> usize {
    byte_offset(address, HEADER_BYTES.saturating_add(entry.key.len()))
}

/// The jump of an entry whose older neighbour is `older` with these links: skew-binary, as in Myers' random-access
/// lists, so that walking back any distance takes logarithmic steps with one extra pointer for each entry.
fn jump_over(arena: &Arena, older: Address, links: Links) -> Address {
    if links.jump == 0 {
        return older;
    }
    let first = Entry::at(arena, links.jump).links;
    let second_depth = if first.jump == 0 { first.depth } else { Entry::at(arena, first.jump).links.depth };
    let same = links.depth.wrapping_sub(first.depth) == first.depth.wrapping_sub(second_depth);
    if same && first.jump != 0 { first.jump } else { older }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes))
}

#[cold]
fn broken_address(address: Address) -> ! {
    unreachable!("the memtable published address {address}, where no entry was written")
}
