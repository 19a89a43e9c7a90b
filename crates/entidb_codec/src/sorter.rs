//! Sorts the entries of maps that are written in any order.
//!
//! Always: the sorted map is canonical, and a key that stands twice is refused. Small maps are sorted
//! without allocating; time and memory stay in proportion to the map, whatever its keys.
//! Does not know: what the entries hold.
//! Format: docs/spec/encoding.md, "Canonical form".

use std::cell::Cell;
use std::collections::TryReserveError;

use crate::canonical::{Reader, WHOLE_SIZE, major, write_head};
use crate::encode::replace_head;
use crate::error::{Error, ErrorKind, Result};

/// For every map being written, where its entries begin; a map's own state is a `MapMark`.
#[derive(Debug, Default)]
pub(crate) struct Sorter {
    starts: Vec<u32>,
    scratch: Vec<u8>,
}

thread_local! {
    /// The buffer of the last sorter dropped on this thread: a document's worth of starts costs
    /// no allocation of its own.
    static SPARE: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
}

/// What a spare buffer may hold on to.
const SPARE_MAX: usize = 1024;

impl Drop for Sorter {
    fn drop(&mut self) {
        if (1..=SPARE_MAX).contains(&self.starts.capacity()) {
            self.starts.clear();
            // A thread that is ending has nowhere to keep it.
            let _ = SPARE.try_with(|spare| spare.set(std::mem::take(&mut self.starts)));
        }
    }
}

/// One map being written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MapMark {
    /// Where its head begins.
    head: usize,
    /// Where its entries begin.
    content: usize,
    /// How many entry starts belong to the maps around it.
    outer: usize,
    /// The last key, as a range of the output.
    last_key: (usize, usize),
    sorted: bool,
}

impl Sorter {
    /// A sorter that reuses the buffer of the last one.
    pub(crate) fn with_spare() -> Self {
        let starts = SPARE.try_with(Cell::take).unwrap_or_default();
        Self { starts, scratch: Vec::new() }
    }

    /// Begins a map with its head; a wrong count is put right at the end.
    #[inline]
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>, count: usize) -> MapMark {
        let head = out.len();
        write_head(out, major::MAP, count as u64);
        MapMark { head, content: out.len(), outer: self.starts.len(), last_key: (0, 0), sorted: true }
    }

    /// Makes room for exactly this many entries, where memory must stay bounded.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.starts.reserve_exact(count);
    }

    /// Notes that the key of the next entry was written from `start` to the end of the output.
    #[inline]
    pub(crate) fn key_written(&mut self, out: &[u8], mark: &mut MapMark, start: usize) -> Result<()> {
        let Ok(relative) = u32::try_from(start - mark.content) else {
            return Err(too_large(start));
        };
        self.room_for_one(start)?;
        self.starts.push(relative);
        if mark.sorted {
            let previous = out.get(mark.last_key.0..mark.last_key.1).unwrap_or_default();
            let key = out.get(start..).unwrap_or_default();
            // Equal keys are left to the sort, which reports them.
            mark.sorted = previous < key;
            mark.last_key = (start, out.len());
        }
        Ok(())
    }

    #[inline]
    fn room_for_one(&mut self, offset: usize) -> Result<()> {
        self.starts.try_reserve(1).map_err(|_| no_memory(offset))
    }

    /// Notes where the next entry begins, without comparing its key.
    #[inline]
    pub(crate) fn field_written(&mut self, start: usize, mark: &MapMark) -> Result<()> {
        self.room_for_one(start)?;
        self.starts.push(u32::try_from(start - mark.content).map_err(|_| too_large(start))?);
        Ok(())
    }

    /// Ends a map whose order is already known: this many entries stand in their place, and the others
    /// are moved into this order.
    #[inline]
    pub(crate) fn arrange(&mut self, out: &mut Vec<u8>, mark: &MapMark, settled: usize, order: &[u8]) -> Result<()> {
        let end = out.len();
        if !order.is_empty() {
            // An entry ends where the next one begins, the last at the end.
            self.field_written(end, mark)?;
            let starts = self.starts.get(mark.outer..).unwrap_or_default();
            move_entries(out, &mut self.scratch, mark, starts, settled, order)?;
        }
        self.starts.truncate(mark.outer);
        Ok(())
    }

    /// Forgets all maps, of a document that failed.
    pub(crate) fn clear(&mut self) {
        self.starts.clear();
    }

    /// Gives up buffers larger than this many bytes.
    pub(crate) fn shrink(&mut self, bytes_max: usize) {
        if self.starts.capacity() > bytes_max / size_of::<u32>() {
            self.starts = Vec::new();
        }
        if self.scratch.capacity() > bytes_max {
            self.scratch = Vec::new();
        }
    }

    /// Ends a map: sorts its entries where they are not, and puts its head right.
    #[inline]
    pub(crate) fn end(&mut self, out: &mut Vec<u8>, mark: MapMark, announced: usize) -> Result<()> {
        let count = self.starts.len() - mark.outer;
        if !mark.sorted {
            self.sort(out, mark)?;
        }
        self.starts.truncate(mark.outer);
        if count != announced {
            replace_head(out, mark.head, major::MAP, announced, count);
        }
        Ok(())
    }

    fn sort(&mut self, out: &mut Vec<u8>, mark: MapMark) -> Result<()> {
        let Some(starts) = self.starts.get_mut(mark.outer..) else { return Ok(()) };
        if starts.len() <= SMALL_MAX {
            return sort_small(out, mark, starts);
        }
        let content = out.get(mark.content..).unwrap_or_default();
        let from = |start: u32| content.get(start as usize..).unwrap_or_default();
        // Keys only: equal keys compared with what follows them would cost the length of the map each.
        starts.sort_unstable_by(|a, b| encoded_key(from(*a)).cmp(encoded_key(from(*b))));
        for pair in starts.windows(2) {
            if let [a, b] = pair {
                refuse_equal(from(*a), from(*b), mark.content + (*a).max(*b) as usize)?;
            }
        }
        let mut by_place = Vec::new();
        by_place.try_reserve_exact(starts.len()).map_err(|_| no_memory(mark.head))?;
        by_place.extend_from_slice(starts);
        by_place.sort_unstable();
        self.scratch.clear();
        self.scratch.try_reserve_exact(content.len()).map_err(|_| no_memory(mark.head))?;
        for start in starts.iter() {
            // An entry ends where the next one in the output begins.
            let next = by_place.partition_point(|place| place <= start);
            let entry = match by_place.get(next) {
                Some(end) => content.get(*start as usize..*end as usize),
                None => content.get(*start as usize..),
            };
            self.scratch.extend_from_slice(entry.unwrap_or_default());
        }
        if let Some(content) = out.get_mut(mark.content..) {
            content.copy_from_slice(&self.scratch);
        }
        if self.scratch.capacity() > 64 * 1024 {
            self.scratch = Vec::new();
        }
        Ok(())
    }
}

/// Entries are moved in chunks of this many bytes: a few instructions, where a copy of any size takes
/// a call.
const CHUNK: usize = 32;
/// Entries of more bytes than this are worth the call.
const CHUNKED_MAX: usize = 4 * CHUNK;

/// Moves entries into an order, by way of a buffer that only ever grows. `starts` ends with the end of
/// the last entry.
fn move_entries(
    out: &mut Vec<u8>,
    moved: &mut Vec<u8>,
    mark: &MapMark,
    starts: &[u32],
    settled: usize,
    order: &[u8],
) -> Result<()> {
    let end = out.len();
    let first = starts.get(settled).map_or(end, |start| mark.content + *start as usize);
    let size = end - first;
    if moved.len() < size + CHUNKED_MAX {
        grow(moved, size + CHUNKED_MAX).map_err(|_| no_memory(mark.head))?;
    }
    // So that whole chunks can be read where the last entry begins.
    out.try_reserve(CHUNKED_MAX).map_err(|_| no_memory(mark.head))?;
    out.extend_from_slice(&[0; CHUNKED_MAX]);
    let content = out.get(mark.content..).unwrap_or_default();
    let mut room = moved.as_mut_slice();
    for index in order {
        let entry = starts.get(usize::from(*index)..).and_then(|starts| starts.first_chunk::<2>());
        let Some([start, next]) = entry else { continue };
        let size = next.wrapping_sub(*start) as usize;
        let from = content.get(*start as usize..).and_then(|from| from.first_chunk::<CHUNKED_MAX>());
        let (Some(from), Some(to)) = (from, room.first_chunk_mut::<CHUNKED_MAX>()) else { continue };
        if let (Some(from), Some(to)) = (from.first_chunk::<CHUNK>(), to.first_chunk_mut::<CHUNK>()) {
            *to = *from;
        }
        if size > CHUNK {
            *to = *from;
        }
        if size > CHUNKED_MAX {
            copy_large(content, *start as usize, room, size);
        }
        room = room.get_mut(size..).unwrap_or_default();
    }
    out.truncate(end);
    if let (Some(to), Some(from)) = (out.get_mut(first..), moved.get(..size)) {
        to.copy_from_slice(from);
    }
    Ok(())
}

#[cold]
fn grow(moved: &mut Vec<u8>, size: usize) -> std::result::Result<(), TryReserveError> {
    let size = size.next_power_of_two();
    moved.try_reserve_exact(size - moved.len())?;
    moved.resize(size, 0);
    Ok(())
}

#[inline(never)]
fn copy_large(content: &[u8], start: usize, room: &mut [u8], size: usize) {
    let from = content.get(start..).and_then(|from| from.get(..size));
    if let (Some(from), Some(to)) = (from, room.get_mut(..size)) {
        to.copy_from_slice(from);
    }
}

#[cold]
fn no_memory(offset: usize) -> Error {
    Error::new(ErrorKind::OutOfMemory, offset).with_detail("a map grows or is sorted")
}

#[cold]
fn too_large(start: usize) -> Error {
    Error::new(ErrorKind::TooLarge, start).with_detail("a map whose entries need sorting has more than 4 GiB")
}

impl MapMark {
    /// Says that keys were written that were not compared, so that the end has to sort.
    pub(crate) fn mark_unsorted(&mut self) {
        self.sorted = false;
    }
}

/// Maps of up to this many entries are sorted on the stack.
const SMALL_MAX: usize = 24;

/// An entry of a small map: the first eight bytes of its key, and where it stands.
#[derive(Clone, Copy, Default)]
struct Small {
    prefix: u64,
    start: u32,
    end: u32,
}

fn sort_small(out: &mut Vec<u8>, mark: MapMark, starts: &[u32]) -> Result<()> {
    let end = out.len();
    let content = out.get(mark.content..).unwrap_or_default();
    let from = |entry: &Small| content.get(entry.start as usize..).unwrap_or_default();
    let mut storage = [Small::default(); SMALL_MAX];
    let Some(entries) = storage.get_mut(..starts.len()) else { return Ok(()) };
    let mut next_start = u32::try_from(content.len()).unwrap_or(u32::MAX);
    for (entry, start) in entries.iter_mut().zip(starts).rev() {
        *entry = Small { prefix: prefix_of(content, *start as usize), start: *start, end: next_start };
        next_start = *start;
    }
    // Of short keys the prefix holds the whole, and of equal ones some of the value, which does no harm.
    let rest = |a: &Small, b: &Small| encoded_key(from(a)).cmp(encoded_key(from(b)));
    entries.sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| rest(a, b)));
    for pair in entries.windows(2) {
        if let [a, b] = pair
            && may_be_equal(a.prefix, b.prefix)
        {
            refuse_equal(from(a), from(b), mark.content + a.start.max(b.start) as usize)?;
        }
    }
    // The sorted copy is made behind the entries, where there often is room, and moved over them.
    out.try_reserve(end - mark.content).map_err(|_| no_memory(mark.head))?;
    for entry in entries.iter() {
        out.extend_from_within(mark.content + entry.start as usize..mark.content + entry.end as usize);
    }
    out.copy_within(end.., mark.content);
    out.truncate(end);
    Ok(())
}

/// Whether two entries whose first eight bytes are these can have the same key.
#[inline]
fn may_be_equal(a: u64, b: u64) -> bool {
    let [first, ..] = a.to_be_bytes();
    // The first byte of a short key tells its size; a longer key is looked at if all eight are equal.
    let size = WHOLE_SIZE.get(usize::from(first)).copied().unwrap_or(0);
    let known = if size == 0 { 8 } else { u32::from(size.min(8)) };
    (a ^ b).leading_zeros() >= 8 * known
}

/// The first eight bytes of an entry as a number, with zeros after its end.
#[inline]
fn prefix_of(content: &[u8], start: usize) -> u64 {
    let rest = content.get(start..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut padded = [0; 8];
            padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            u64::from_be_bytes(padded)
        }
    }
}

/// Refuses two neighbours in sorted order that have the same key.
#[inline]
fn refuse_equal(before: &[u8], after: &[u8], offset: usize) -> Result<()> {
    // Different heads are different keys, without a look at the rest.
    if before.first() == after.first() && after.starts_with(encoded_key(before)) {
        return Err(Error::new(ErrorKind::DuplicateKey, offset));
    }
    Ok(())
}

/// The bytes of the key at the start of an entry.
fn encoded_key(entry: &[u8]) -> &[u8] {
    let first = entry.first().copied().unwrap_or_default();
    let size = usize::from(WHOLE_SIZE.get(usize::from(first)).copied().unwrap_or(0));
    match entry.get(..size) {
        Some(key) if size > 0 => key,
        _ => {
            let mut reader = Reader::new(entry);
            let passed = reader.skip();
            debug_assert!(passed.is_ok(), "the key was written by this crate");
            reader.between(0, reader.position)
        }
    }
}
