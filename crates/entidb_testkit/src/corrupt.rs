//! Damage: every way a single file can be found changed, shortened, exchanged or gone.
//!
//! Always: a harm is data, prints as what it does, and gives the same bytes each time; one that changes nothing is none.
//! Does not know: what the bytes mean, or what a right answer to them is.

use std::fmt;

/// What happens to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Harm {
    /// One bit flips.
    Flip {
        /// Which byte.
        at: usize,
        /// Which bit of it.
        bit: u8,
    },
    /// One byte gets another value.
    Set {
        /// Which byte.
        at: usize,
        /// Its value.
        value: u8,
    },
    /// The file ends early.
    Truncate {
        /// Its length.
        len: usize,
    },
    /// 512 bytes become zero.
    ZeroSector {
        /// Which sector.
        sector: usize,
    },
    /// Two sectors change places.
    SwapSectors {
        /// One.
        one: usize,
        /// The other.
        other: usize,
    },
    /// A sector is written over another.
    CopySector {
        /// From where.
        from: usize,
        /// To where.
        to: usize,
    },
    /// Zeros or garbage follow the end.
    Grow {
        /// How many.
        count: usize,
        /// Of what.
        value: u8,
    },
    /// The file is empty.
    Empty,
}

/// The size of a sector.
pub const SECTOR_BYTES: usize = 512;

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flip { at, bit } => write!(f, "bit {bit} of byte {at} flipped"),
            Self::Set { at, value } => write!(f, "byte {at} set to {value:#04x}"),
            Self::Truncate { len } => write!(f, "cut to {len} bytes"),
            Self::ZeroSector { sector } => write!(f, "sector {sector} zeroed"),
            Self::SwapSectors { one, other } => write!(f, "sectors {one} and {other} swapped"),
            Self::CopySector { from, to } => write!(f, "sector {from} copied over sector {to}"),
            Self::Grow { count, value } => write!(f, "{count} bytes of {value:#04x} appended"),
            Self::Empty => f.write_str("emptied"),
        }
    }
}

impl Harm {
    /// The bytes after it; `None` when they would be the same.
    #[must_use]
    pub fn apply(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut harmed = bytes.to_vec();
        match *self {
            Self::Flip { at, bit } => *harmed.get_mut(at)? ^= 1 << (bit % 8),
            Self::Set { at, value } => *harmed.get_mut(at)? = value,
            Self::Truncate { len } => harmed.truncate(len),
            Self::ZeroSector { sector } => sector_mut(&mut harmed, sector)?.fill(0),
            Self::SwapSectors { one, other } => {
                let (first, second) = (sector_of(bytes, one)?, sector_of(bytes, other)?);
                put(&mut harmed, one, second)?;
                put(&mut harmed, other, first)?;
            }
            Self::CopySector { from, to } => put(&mut harmed, to, sector_of(bytes, from)?)?,
            Self::Grow { count, value } => harmed.resize(bytes.len() + count, value),
            Self::Empty => harmed.clear(),
        }
        (harmed != bytes).then_some(harmed)
    }

    /// Harms to single bytes: for every `step`th byte of `range` one of five, by turns, or all of them.
    pub fn bytes(range: std::ops::Range<usize>, step: usize, all: bool) -> impl Iterator<Item = Self> {
        range.step_by(step.max(1)).flat_map(move |at| {
            let random = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            let value = random.first().copied().unwrap_or(0x5a);
            let flips = (0..8).map(move |bit| Self::Flip { at, bit });
            let sets = [0x00, 0xff, value].map(|value| Self::Set { at, value });
            let mut every: Vec<Self> = flips.chain(sets).collect();
            if !all {
                let turn = (at / step.max(1)) % 4;
                let one = match turn {
                    0 => Self::Flip { at, bit: value % 8 },
                    1 => Self::Set { at, value: 0 },
                    2 => Self::Set { at, value: 0xff },
                    _ => Self::Set { at, value },
                };
                every = vec![one];
            }
            every
        })
    }

    /// Harms to the file as a whole and to its sectors, for every `step`th length and sector.
    #[must_use]
    pub fn coarse(len: usize, step: usize) -> Vec<Self> {
        let step = step.max(1);
        let sectors = len.div_ceil(SECTOR_BYTES);
        let mut harms: Vec<Self> = (0..len).step_by(step).map(|len| Self::Truncate { len }).collect();
        let sector_step = if step == 1 { 1 } else { 3 };
        for sector in (0..sectors).step_by(sector_step) {
            harms.push(Self::ZeroSector { sector });
            let other = (sector * 7 + 3) % sectors;
            harms.push(Self::SwapSectors { one: sector, other });
            harms.push(Self::SwapSectors { one: sector, other: (sector + 1) % sectors });
            harms.push(Self::CopySector { from: sector, to: other });
            harms.push(Self::CopySector { from: sector, to: (sector + 1) % sectors });
        }
        harms.push(Self::Grow { count: 1, value: 0 });
        harms.push(Self::Grow { count: SECTOR_BYTES, value: 0xa5 });
        harms.push(Self::Empty);
        harms
    }
}

fn sector_of(bytes: &[u8], sector: usize) -> Option<&[u8]> {
    let start = sector.checked_mul(SECTOR_BYTES)?;
    bytes.get(start..bytes.len().min(start + SECTOR_BYTES)).filter(|sector| !sector.is_empty())
}

fn sector_mut(bytes: &mut [u8], sector: usize) -> Option<&mut [u8]> {
    let start = sector.checked_mul(SECTOR_BYTES)?;
    let end = bytes.len().min(start + SECTOR_BYTES);
    bytes.get_mut(start..end)
}

fn put(bytes: &mut [u8], sector: usize, content: &[u8]) -> Option<()> {
    for (to, from) in sector_mut(bytes, sector)?.iter_mut().zip(content) {
        *to = *from;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harm_that_changes_nothing_is_none() {
        assert_eq!(Harm::Set { at: 1, value: 7 }.apply(&[1, 7]), None);
        assert_eq!(Harm::Flip { at: 9, bit: 0 }.apply(&[1, 7]), None);
        assert_eq!(Harm::Truncate { len: 2 }.apply(&[1, 7]), None);
        assert_eq!(Harm::ZeroSector { sector: 0 }.apply(&[0, 0]), None);
    }

    #[test]
    fn every_byte_is_harmed_in_every_way_when_asked_for() {
        let harms: Vec<Harm> = Harm::bytes(0..3, 1, true).collect();
        assert_eq!(harms.len(), 3 * 11);
        assert_eq!(Harm::bytes(0..21, 7, false).count(), 3);
        assert!(Harm::coarse(2000, 1).iter().filter(|harm| matches!(harm, Harm::Truncate { .. })).count() == 2000);
    }
}
