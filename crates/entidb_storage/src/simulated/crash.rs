//! Makes of a device in use one that the power left: some changes kept, some lost, some torn, by the laws.
//!
//! Always: what was flushed is there; the same variant of the same device is the same image for ever.
//! Does not know: what ran before, or what will run on the image.

use std::sync::Arc;

use super::content::Content;
use super::dice::{Dice, mix};
use super::disk::{Disk, FileIndex, Inode, NameChange, Pending};
use super::law::{DataOrder, Growth, Laws};

/// Which of the images a crash may leave. The first [`Variant::DIRECTED`] numbers each look for one kind of mistake;
/// the numbers after them are mixtures, each another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Variant(pub u32);

impl Variant {
    /// How many variants have a purpose of their own.
    pub const DIRECTED: u32 = 16;
}

#[derive(Debug, Clone, Copy)]
enum Bytes {
    /// No unflushed byte.
    Lost,
    /// Every unflushed byte.
    Kept,
    /// The older half of the writes.
    FirstHalf,
    /// The newest write only: later before earlier.
    LastOnly,
    /// Each write, or page, by a coin.
    Any,
    /// All but one write, or few pages.
    OneLost,
    /// The writes up to one, and a part of that.
    TornTail,
}

#[derive(Debug, Clone, Copy)]
enum NamesKept {
    Nothing,
    All,
    Any,
}

#[derive(Debug, Clone, Copy)]
struct Style {
    bytes: Bytes,
    /// 0 for whole writes, else 1, 512 or 4096.
    tear_bytes: u64,
    names: NamesKept,
    /// The whole length survives, filled like this.
    growth: Option<Growth>,
}

impl Style {
    fn of(variant: Variant, dice: &mut Dice) -> Self {
        let style = |bytes, tear_bytes, names, growth| Self { bytes, tear_bytes, names, growth };
        match variant.0 {
            0 => style(Bytes::Lost, 0, NamesKept::Nothing, None),
            1 => style(Bytes::Kept, 0, NamesKept::All, None),
            2 => style(Bytes::Kept, 0, NamesKept::Nothing, None),
            3 => style(Bytes::Lost, 0, NamesKept::All, None),
            4 => style(Bytes::Lost, 0, NamesKept::All, Some(Growth::Zeros)),
            5 => style(Bytes::Lost, 0, NamesKept::All, Some(Growth::Garbage)),
            6 => style(Bytes::FirstHalf, 0, NamesKept::All, None),
            7 => style(Bytes::LastOnly, 0, NamesKept::All, None),
            8 => style(Bytes::Any, 0, NamesKept::All, None),
            9 => style(Bytes::Kept, 0, NamesKept::Any, None),
            10 => style(Bytes::Any, 512, NamesKept::All, None),
            11 => style(Bytes::Any, 4096, NamesKept::All, None),
            12 => style(Bytes::Any, 1, NamesKept::All, None),
            13 => style(Bytes::TornTail, 1, NamesKept::All, None),
            14 => style(Bytes::OneLost, 0, NamesKept::Any, None),
            15 => style(Bytes::TornTail, 512, NamesKept::All, Some(Growth::Garbage)),
            _ => {
                let bytes = match dice.below(6) {
                    0 => Bytes::FirstHalf,
                    1 => Bytes::LastOnly,
                    2 => Bytes::OneLost,
                    3 => Bytes::TornTail,
                    _ => Bytes::Any,
                };
                let tear_bytes = match dice.below(4) {
                    0 => 0,
                    1 => 1,
                    2 => 512,
                    _ => 4096,
                };
                let names = if dice.once_in(3) { NamesKept::All } else { NamesKept::Any };
                let growth = match dice.below(4) {
                    0 => Some(Growth::Zeros),
                    1 => Some(Growth::Garbage),
                    _ => None,
                };
                style(bytes, tear_bytes, names, growth)
            }
        }
    }
}

/// The image and a number that tells images of one device apart.
pub(super) fn image(disk: &Disk, laws: &Laws, variant: Variant, seed: u64) -> (Disk, u64) {
    let mut dice = Dice::new(mix(seed, u64::from(variant.0)));
    let style = Style::of(variant, &mut dice);
    let mut fingerprint = 0;
    let mut names = disk.durable_names.clone();
    keep_names(disk, laws, style, &mut dice, &mut fingerprint, &mut names);
    names.drop_orphans();

    let mut places: Vec<Option<FileIndex>> = vec![None; disk.files.len()];
    let mut files: Vec<Arc<Inode>> = Vec::with_capacity(names.files.len());
    for file in names.files.values() {
        let next = files.len();
        if let Some(place) = places.get_mut(*file).filter(|place| place.is_none()) {
            *place = Some(next);
            files.push(survivor(disk, *file, laws, style, dice.throw(), &mut fingerprint));
        }
    }
    let in_place = names.files.values().all(|file| places.get(*file).copied().flatten() == Some(*file));
    if !in_place {
        let renumbered =
            names.files.iter().filter_map(|(path, file)| Some((Arc::clone(path), (*places.get(*file)?)?))).collect();
        names.files = Arc::new(renumbered);
    }
    let settled = Disk { files, names: names.clone(), durable_names: names, ..Disk::default() };
    (settled, fingerprint)
}

fn keep_names(
    disk: &Disk,
    laws: &Laws,
    style: Style,
    dice: &mut Dice,
    fingerprint: &mut u64,
    names: &mut super::disk::Names,
) {
    let count = disk.pending_names.len();
    if count == 0 {
        return;
    }
    match style.names {
        NamesKept::Nothing => *fingerprint = mix(*fingerprint, 0),
        NamesKept::All => {
            disk.pending_names.iter().for_each(|change| names.apply(change));
            *fingerprint = mix(*fingerprint, 1);
        }
        NamesKept::Any if laws.names_in_order => {
            let kept = usize::try_from(dice.below(count as u64 + 1)).unwrap_or(count);
            disk.pending_names.iter().take(kept).for_each(|change| names.apply(change));
            let tag = if kept == 0 {
                0
            } else if kept == count {
                1
            } else {
                2 + kept as u64
            };
            *fingerprint = mix(*fingerprint, tag);
        }
        NamesKept::Any => {
            for (index, change) in disk.pending_names.iter().enumerate() {
                let fate = dice.below(4);
                match (fate, change) {
                    (0 | 1, _) => names.apply(change),
                    (2, NameChange::Rename { to, file, .. }) => {
                        names.apply(&NameChange::Name { path: Arc::clone(to), file: *file });
                    }
                    _ => {}
                }
                *fingerprint = mix(*fingerprint, (index as u64) << 8 | fate.max(1));
            }
        }
    }
}

/// Decides for one file which unit of which write is kept.
struct Judge<'a> {
    laws: &'a Laws,
    style: Style,
    seed: u64,
    count: usize,
    /// The write a torn tail ends in.
    torn_at: usize,
}

impl Judge<'_> {
    fn chance(&self, what: u64) -> Dice {
        Dice::new(mix(self.seed, what))
    }

    /// After how many of the writes a unit is as it is, where the laws give units versions.
    fn version(&self, unit: u64) -> usize {
        let count = self.count as u64;
        let mut dice = self.chance(unit);
        let version = match self.style.bytes {
            Bytes::Lost => 0,
            Bytes::Kept => count,
            Bytes::FirstHalf => count / 2,
            Bytes::LastOnly | Bytes::Any => dice.below(count + 1),
            Bytes::OneLost => {
                if dice.once_in(4) {
                    dice.below(count + 1)
                } else {
                    count
                }
            }
            Bytes::TornTail => self.torn_at as u64 + u64::from(dice.coin()),
        };
        usize::try_from(version).unwrap_or(self.count)
    }

    /// Whether a write as a whole is kept, where any subset may be.
    fn keeps(&self, item: usize) -> bool {
        match self.style.bytes {
            Bytes::Lost => false,
            Bytes::Kept => true,
            Bytes::FirstHalf => item < self.count / 2,
            Bytes::LastOnly => item + 1 == self.count,
            Bytes::Any => self.chance(item as u64).coin(),
            Bytes::OneLost => item as u64 != self.chance(0).below(self.count as u64),
            Bytes::TornTail => item <= self.torn_at,
        }
    }

    fn is_torn(&self, item: usize) -> bool {
        match self.style.bytes {
            Bytes::Any => self.style.tear_bytes > 0 && self.chance(mix(item as u64, 1)).coin(),
            Bytes::TornTail => item == self.torn_at,
            _ => false,
        }
    }
}

/// What the crash leaves of one file.
fn survivor(disk: &Disk, file: FileIndex, laws: &Laws, style: Style, seed: u64, fingerprint: &mut u64) -> Arc<Inode> {
    let Some(shared) = disk.files.get(file) else { return Arc::default() };
    let inode = shared.as_ref();
    if inode.pending.is_empty() {
        if Arc::ptr_eq(&inode.live, &inode.durable) {
            return Arc::clone(shared);
        }
        return Arc::new(Inode::settled(Arc::clone(&inode.durable)));
    }
    let count = inode.pending.len();
    let torn_at = usize::try_from(Dice::new(mix(seed, 2)).below(count as u64)).unwrap_or(0);
    let judge = Judge { laws, style, seed, count, torn_at };
    let mut keeper = Keeper { content: Content::clone(&inode.durable), lost: Vec::new(), tag: 0 };
    for (item, change) in inode.pending.iter().enumerate() {
        match change {
            Pending::SetLen { len } => {
                let kept = match laws.data {
                    DataOrder::AnyWrite => judge.keeps(item),
                    // A length is metadata: it has a version of its own.
                    DataOrder::PageVersions => item < judge.version(u64::MAX),
                    DataOrder::InOrder => item < judge.version(0),
                };
                if kept {
                    keeper.content.set_len(*len);
                    keeper.tag = mix(keeper.tag, item as u64);
                }
            }
            Pending::Write { offset, bytes } => {
                keeper.write(&judge, item, *offset, bytes.len() as u64, Some(bytes));
            }
            Pending::Zeros { offset, len } => keeper.write(&judge, item, *offset, *len, None),
        }
    }
    keeper.grow(disk, inode, laws, style, seed);
    *fingerprint = mix(mix(*fingerprint, file as u64), mix(keeper.tag, keeper.content.len()));
    Arc::new(Inode::settled(Arc::new(keeper.content)))
}

struct Keeper {
    content: Content,
    lost: Vec<(u64, u64)>,
    tag: u64,
}

impl Keeper {
    fn keep(&mut self, item: usize, at: u64, from: u64, len: u64, bytes: Option<&Arc<[u8]>>) {
        self.tag = mix(self.tag, mix(item as u64, mix(from, len)));
        let Some(bytes) = bytes else { return self.content.zero(at + from, len) };
        let range = usize::try_from(from).ok().zip(usize::try_from(from + len).ok());
        if let Some(part) = range.and_then(|(from, to)| bytes.get(from..to)) {
            self.content.write(at + from, part);
        }
    }

    fn lose(&mut self, offset: u64, len: u64) {
        if len > 0 {
            self.lost.push((offset, len));
        }
    }

    fn write(&mut self, judge: &Judge<'_>, item: usize, offset: u64, len: u64, bytes: Option<&Arc<[u8]>>) {
        let tear = judge.style.tear_bytes.max(judge.laws.tear_bytes_min);
        match judge.laws.data {
            DataOrder::InOrder => {
                if item < judge.version(0) {
                    self.keep(item, offset, 0, len, bytes);
                } else {
                    self.lose(offset, len);
                }
            }
            DataOrder::PageVersions => {
                // A page is what the cache writes; a torn one is torn by the sectors of the device.
                let unit = if judge.style.tear_bytes == 0 { 4096 } else { tear };
                self.by_unit(item, offset, len, bytes, unit, |unit| item < judge.version(unit));
            }
            DataOrder::AnyWrite if !judge.is_torn(item) => {
                if judge.keeps(item) {
                    self.keep(item, offset, 0, len, bytes);
                } else {
                    self.lose(offset, len);
                }
            }
            DataOrder::AnyWrite => self.torn(judge, item, offset, len, bytes, tear),
        }
    }

    fn torn(&mut self, judge: &Judge<'_>, item: usize, offset: u64, len: u64, bytes: Option<&Arc<[u8]>>, tear: u64) {
        let mut dice = judge.chance(mix(item as u64, 3));
        if matches!(judge.style.bytes, Bytes::TornTail) {
            let cut = dice.below(len + 1);
            // Down to a place where the device can tear.
            let cut = if tear > 1 { ((offset + cut) / tear * tear).saturating_sub(offset).min(len) } else { cut };
            self.keep(item, offset, 0, cut, bytes);
            self.lose(offset + cut, len - cut);
        } else if tear <= 1 {
            let from = dice.below(len + 1);
            let to = from + dice.below(len - from + 1);
            self.keep(item, offset, 0, from, bytes);
            self.lose(offset + from, to - from);
            self.keep(item, offset, to, len - to, bytes);
        } else {
            let seed = dice.throw();
            self.by_unit(item, offset, len, bytes, tear, |unit| Dice::new(mix(seed, unit)).coin());
        }
    }

    fn by_unit(
        &mut self,
        item: usize,
        offset: u64,
        len: u64,
        bytes: Option<&Arc<[u8]>>,
        unit: u64,
        keeps: impl Fn(u64) -> bool,
    ) {
        let mut from = 0;
        while from < len {
            let number = (offset + from) / unit;
            let count = ((number + 1).saturating_mul(unit) - (offset + from)).min(len - from);
            if keeps(number) {
                self.keep(item, offset, from, count, bytes);
            } else {
                self.lose(offset + from, count);
            }
            from += count;
        }
    }

    /// What the length is, and what fills the part of it whose bytes were lost.
    fn grow(&mut self, disk: &Disk, inode: &Inode, laws: &Laws, style: Style, seed: u64) {
        let durable_len = inode.durable.len();
        if laws.growth == Growth::WithBytes {
            let cut = self.lost.iter().map(|(offset, len)| (offset + len, (*offset).max(durable_len)));
            let cut = cut.filter(|(end, _)| *end > durable_len).map(|(_, from)| from).min();
            if let Some(cut) = cut.filter(|cut| *cut < self.content.len()) {
                self.content.set_len(cut);
            }
            return;
        }
        if style.growth.is_some() && inode.live.len() > self.content.len() {
            self.content.set_len(inode.live.len());
            self.tag = mix(self.tag, 7);
        }
        let fill = style.growth.unwrap_or(if seed & 3 == 0 { Growth::Garbage } else { Growth::Zeros });
        if laws.growth == Growth::Garbage && fill == Growth::Garbage {
            self.fill_with_garbage(disk, inode, seed);
        }
    }

    /// Fills what was lost past the durable length with old bytes of some file: the nastiest thing to find there.
    fn fill_with_garbage(&mut self, disk: &Disk, inode: &Inode, seed: u64) {
        const GARBAGE_BYTES_MAX: u64 = 16 << 10;
        let durable_len = inode.durable.len();
        let mut dice = Dice::new(mix(seed, 5));
        let len_now = self.content.len();
        for (offset, len) in std::mem::take(&mut self.lost) {
            let from = offset.max(durable_len);
            let len = (offset + len).min(len_now).saturating_sub(from).min(GARBAGE_BYTES_MAX);
            let mut garbage = vec![0; usize::try_from(len).unwrap_or(0)];
            if garbage.is_empty() {
                continue;
            }
            let copied = if dice.once_in(3) { 0 } else { stale_bytes(disk, inode, &mut dice, &mut garbage) };
            for byte in garbage.iter_mut().skip(copied) {
                *byte = u8::try_from(dice.below(256)).unwrap_or(0);
            }
            self.content.write(from, &garbage);
            self.tag = mix(self.tag, mix(from, len));
        }
    }
}

/// Old bytes of the file itself or of another one, from its start or from somewhere inside: they look right.
fn stale_bytes(disk: &Disk, inode: &Inode, dice: &mut Dice, out: &mut [u8]) -> usize {
    let other = usize::try_from(dice.below(disk.files.len() as u64)).unwrap_or(0);
    let donor = if dice.coin() { Some(inode) } else { disk.file(other) };
    donor.map_or(0, |donor| {
        let content = &donor.durable;
        let from = if dice.coin() { 0 } else { dice.below(content.len() / 8 + 1) * 8 };
        content.read(from, out)
    })
}
