//! When writers wait for background work, and for which.
//!
//! Always: a wait ends when there is room, or with why there will be none.
//! Does not know: how room is made (`upkeep`), or how writers are slowed down before they have to wait (`pace`).

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::background::Signal;
use crate::engine::shared::Shared;
use crate::engine::upkeep::InOtherHands;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::space::is_no_space;
use crate::transaction::WriteBuffer;
use crate::version::{Version, ZoneRuns};

/// Frozen memtables from which on writers wait.
pub(crate) const FROZEN_MAX: usize = 3;
/// Runs of level 0 with keys of one zone from which on writers wait.
pub(crate) const LEVEL_0_RUNS_MAX: usize = 24;
/// How long a writer waits for one piece before it looks again.
const STALL: Duration = Duration::from_millis(100);

/// Why writers must wait.
#[derive(Debug, Clone, Copy)]
enum Crowded {
    /// Memory for memtables is used up.
    Memory,
    /// Reads of this zone have too many runs to look at.
    Zone(u8),
}

impl Shared {
    /// Waits, or works, until there is room for these changes. Those that free room do not wait for flushes and merges that a
    /// full disk holds up, because they are what makes room for them; the log bounds how much of them there is.
    pub(crate) fn make_room(&self, buffer: &WriteBuffer) -> Result<()> {
        let mut waited = false;
        while let Some(crowded) = self.crowded(buffer) {
            if matches!(crowded, Crowded::Zone(_)) && self.space.is_short() && buffer.frees() {
                return Ok(());
            }
            if !waited {
                self.stalls.fetch_add(1, Ordering::Relaxed);
                waited = true;
            }
            self.check_open()?;
            self.log()?.check()?;
            interrupt::check()?;
            let signal = self.signal_of(crowded);
            if signal.is_running() {
                let failed = signal.wait_for_piece(interrupt::slice(STALL));
                if self.crowded(buffer).is_some()
                    && let Some(error) = self.hindrance(crowded, failed)
                {
                    return self.refuse_unless_freeing(buffer, error);
                }
                continue;
            }
            match self.step(InOtherHands::Wait) {
                Ok(true) => {}
                // Merging may be what would make room, and rest because of damage.
                Ok(false) => return self.hindrance(crowded, None).map_or(Ok(()), Err),
                Err(error) => {
                    if let Some(error) = self.hindrance(crowded, Some(error)) {
                        return self.refuse_unless_freeing(buffer, error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Who makes room.
    fn signal_of(&self, crowded: Crowded) -> &Signal {
        match crowded {
            Crowded::Memory => &self.signals.memtables,
            Crowded::Zone(_) => &self.signals.merges,
        }
    }

    /// Why writers who wait for room wait in vain, if they do: the last piece failed, or what would have to be merged is
    /// damaged. Damage in one zone is no reason to refuse writes that wait for another.
    fn hindrance(&self, crowded: Crowded, failed: Option<Error>) -> Option<Error> {
        match (crowded, failed) {
            (Crowded::Zone(zone), Some(Error::Corrupt { .. }) | None) => self.damage_in(zone),
            (Crowded::Zone(zone), Some(error)) if self.is_of_segment(&error) => self.damage_in(zone),
            (_, failed) => failed,
        }
    }

    /// A full disk holds up the flush or the merge that would make room, and what deletes may end that.
    fn refuse_unless_freeing(&self, buffer: &WriteBuffer, error: Error) -> Result<()> {
        match is_no_space(&error) {
            true if buffer.frees() => Ok(()),
            true => Err(self.refused(false, error)),
            false => Err(error),
        }
    }

    /// Why these changes must wait, if they must. Runs are counted by zone, because that is how they are merged: many runs
    /// with one zone each are no reason to wait, and nothing would end the wait; and a zone that is crowded, or not merged
    /// because of damage, is none for changes of others.
    fn crowded(&self, buffer: &WriteBuffer) -> Option<Crowded> {
        let view = self.current.load();
        if view.frozen.len() >= FROZEN_MAX {
            return Some(Crowded::Memory);
        }
        crowded_zone(&view.version, buffer, LEVEL_0_RUNS_MAX).map(|fullest| Crowded::Zone(fullest.zone))
    }
}

/// The zone with the most runs in level 0 of those that these changes are in, when it has `runs_min`. The changes are walked
/// only when some zone has: nearly every commit finds none.
pub(crate) fn crowded_zone(version: &Version, buffer: &WriteBuffer, runs_min: usize) -> Option<ZoneRuns> {
    if version.fullest_zone().runs < runs_min {
        return None;
    }
    let zones = buffer.zones();
    let fullest = version.fullest_zone_of(|zone| zones.contains(zone));
    (fullest.runs >= runs_min).then_some(fullest)
}
