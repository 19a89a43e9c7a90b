//! Sources merged by their ordinals: entities that all of some give, and none of others.
//!
//! Always: each entity comes once, in the order of ordinals, and nothing is gathered: rows behind the last answer that is
//! asked for are not read. A source that hardly keeps a candidate away is asked no more, so some candidates may be no
//! answers; all answers are among them.
//! Does not know: whether an entity is an answer, or what kinds of indexes the sources are of.

use entidb_engine::interrupt;

use super::FETCH_COST;
use crate::error::{Error, Result};
use crate::id::{CollectionId, Ordinal};
use crate::index::kind::RowCount;
use crate::query::sources::{Access, Candidate, Opening, Posting, Postings, Source, Walked, Who};
use crate::transaction::View;

/// What a jump to an ordinal costs, counted in rows that are read one after the other, with the steps before it.
pub(crate) const SEEK_COST: u64 = 20;

/// What asking a source costs at least where few of its rows lie between two candidates.
const ASK_COST: u64 = 4;
/// How often a source is asked before it is judged.
const JUDGED_AFTER: u64 = 64;
/// How many rounds pass between two checks for an interruption.
const CHECK_EVERY: u64 = 256;

/// Sources of one collection that have postings, merged.
#[derive(Debug)]
pub(crate) struct MergeAccess {
    /// What all of these give. The first should be the one that gives least.
    pub(crate) all: Vec<Box<dyn Access>>,
    /// What none of these gives. Whatever one gives is no answer.
    pub(crate) none: Vec<Box<dyn Access>>,
}

impl Access for MergeAccess {
    fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Source>> {
        let probes = |parts: &[Box<dyn Access>]| -> Result<Vec<Probe>> {
            let probe = |postings| Probe { postings, asked: 0, refused: 0 };
            let none = || Error::internal("a source without postings was to be merged");
            parts.iter().map(|part| part.postings(opening.view)?.map(probe).ok_or_else(none)).collect()
        };
        let next = match opening.after {
            None => Ordinal(0),
            Some(place) => place.ordinal()?.next(),
        };
        Ok(Box::new(Merge {
            view: opening.view.clone(),
            all: probes(&self.all)?,
            none: probes(&self.none)?,
            next: Some(next),
            may_leave_out: true,
            is_widened: false,
            rounds: 0,
        }))
    }

    fn walked(&self) -> Walked {
        let ranges = self.all.iter().chain(&self.none).map(|part| part.walked().ranges).sum();
        Walked { ranges, reverse: false }
    }

    fn estimate(&self, view: &View, collection: CollectionId, counted_max: u64) -> Result<RowCount> {
        let mut rows = view.entity_count(collection)?;
        for part in &self.all {
            rows = rows.min(part.estimate(view, collection, counted_max)?.rows);
        }
        Ok(RowCount { rows, is_exact: false })
    }
}

/// A source that is asked for one ordinal after the other.
struct Probe {
    postings: Box<dyn Postings>,
    /// How often it was asked, and how often that kept a candidate away.
    asked: u64,
    refused: u64,
}

impl Probe {
    fn seek(&mut self, ordinal: Ordinal) -> Result<Option<Posting>> {
        self.asked += 1;
        self.postings.seek(ordinal)
    }

    /// Whether asking costs twice as much as reading the entities that it keeps away.
    fn is_useless(&self) -> bool {
        let saved = self.refused.saturating_mul(2 * FETCH_COST);
        self.asked >= JUDGED_AFTER && saved < self.asked.saturating_mul(ASK_COST)
    }
}

struct Merge {
    view: View,
    all: Vec<Probe>,
    none: Vec<Probe>,
    /// The least ordinal that the next candidate may have; none at the end.
    next: Option<Ordinal>,
    /// Whether candidates that are no answers may come.
    may_leave_out: bool,
    /// Whether a source was left out.
    is_widened: bool,
    rounds: u64,
}

impl Merge {
    /// The next candidate.
    fn step(&mut self) -> Result<Option<Posting>> {
        while let Some(next) = self.next {
            self.rounds += 1;
            if self.rounds.is_multiple_of(CHECK_EVERY) {
                self.view.check()?;
                interrupt::check()?;
                self.leave_out();
            }
            match self.candidate_at(next)? {
                Step::Candidate(posting) => {
                    self.next = Some(posting.ordinal.next());
                    return Ok(Some(posting));
                }
                Step::Beyond(ordinal) => self.next = Some(ordinal),
                Step::End => self.next = None,
            }
        }
        Ok(None)
    }

    fn candidate_at(&mut self, next: Ordinal) -> Result<Step> {
        let Some((first, others)) = self.all.split_first_mut() else { return Ok(Step::End) };
        let Some(mut candidate) = first.seek(next)? else { return Ok(Step::End) };
        for other in others {
            match other.seek(candidate.ordinal)? {
                None => return Ok(Step::End),
                Some(found) if found.ordinal == candidate.ordinal => candidate.id = candidate.id.or(found.id),
                Some(found) => {
                    other.refused += 1;
                    return Ok(Step::Beyond(found.ordinal));
                }
            }
        }
        for other in &mut self.none {
            if other.seek(candidate.ordinal)?.is_some_and(|found| found.ordinal == candidate.ordinal) {
                other.refused += 1;
                return Ok(Step::Beyond(candidate.ordinal.next()));
            }
        }
        Ok(Step::Candidate(candidate))
    }

    /// Leaves out sources that do not pay. The first gives the candidates and stays.
    fn leave_out(&mut self) {
        if !self.may_leave_out {
            return;
        }
        let before = self.all.len() + self.none.len();
        let mut is_first = true;
        self.all.retain(|probe| std::mem::take(&mut is_first) || !probe.is_useless());
        self.none.retain(|probe| !probe.is_useless());
        self.is_widened |= self.all.len() + self.none.len() < before;
    }
}

enum Step {
    Candidate(Posting),
    /// No candidate is before this ordinal.
    Beyond(Ordinal),
    End,
}

impl Source for Merge {
    fn read(&mut self, most: usize, batch: &mut Vec<Candidate>) -> Result<()> {
        while batch.len() < most
            && let Some(Posting { ordinal, id }) = self.step()?
        {
            batch.push(Candidate::of(id.map_or(Who::Ordinal(ordinal), Who::Id)));
        }
        Ok(())
    }

    fn is_widened(&self) -> bool {
        self.is_widened
    }

    fn count(&mut self) -> Result<Option<u64>> {
        self.may_leave_out = false;
        let mut count = 0_u64;
        while self.step()?.is_some() {
            count += 1;
        }
        Ok(Some(count))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::Database;

    /// The multiples of a step, and how often they were asked for.
    struct Every {
        step: u64,
        asked: Arc<AtomicU64>,
    }

    impl Postings for Every {
        fn seek(&mut self, ordinal: Ordinal) -> Result<Option<Posting>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let at = ordinal.0.next_multiple_of(self.step);
            Ok((at < 100_000).then_some(Posting { ordinal: Ordinal(at), id: None }))
        }
    }

    fn merge(all: &[u64], none: &[u64]) -> (Merge, Arc<AtomicU64>) {
        let asked = Arc::new(AtomicU64::new(0));
        let probe = |step: &u64| {
            let postings = Box::new(Every { step: *step, asked: Arc::clone(&asked) });
            Probe { postings, asked: 0, refused: 0 }
        };
        let db = Database::open_memory().unwrap();
        let view = db.collection("c").unwrap().open().unwrap().0;
        let (all, none) = (all.iter().map(probe).collect(), none.iter().map(probe).collect());
        let next = Some(Ordinal(0));
        (Merge { view, all, none, next, may_leave_out: true, is_widened: false, rounds: 0 }, asked)
    }

    fn ordinals(merge: &mut Merge, most: usize) -> Vec<u64> {
        let mut batch = Vec::new();
        merge.read(most, &mut batch).unwrap();
        let ordinal = |who| if let Who::Ordinal(ordinal) = who { ordinal.0 } else { panic!("an id") };
        batch.into_iter().map(|candidate| ordinal(candidate.who)).collect()
    }

    #[test]
    fn a_merge_gives_what_all_give_and_none_of_the_others() {
        let (mut some, _) = merge(&[35, 10, 14], &[4]);
        let wanted: Vec<u64> = (0..100_000).filter(|n| n % 70 == 0 && n % 4 != 0).collect();
        assert_eq!(ordinals(&mut some, 30), wanted[..30]);
        assert_eq!(ordinals(&mut some, 1_000_000), wanted[30..]);
        assert!(ordinals(&mut some, 5).is_empty());
        assert_eq!(merge(&[35, 10, 14], &[4]).0.count().unwrap(), Some(wanted.len() as u64));
    }

    #[test]
    fn a_merge_reads_no_further_than_the_answers_that_are_asked_for() {
        let (mut some, asked) = merge(&[10, 15], &[7]);
        assert_eq!(ordinals(&mut some, 20).len(), 20);
        assert!(asked.load(Ordering::Relaxed) < 200, "{asked:?}");
    }

    #[test]
    fn a_source_that_keeps_no_candidate_away_is_asked_no_more() {
        // The second gives all that the first gives, and the last one of it.
        let (mut some, asked) = merge(&[10, 5], &[1_000_001]);
        assert_eq!(ordinals(&mut some, 1_000_000).len(), 9_999);
        assert!(some.is_widened() && asked.load(Ordering::Relaxed) < 11_000, "{asked:?}");
        let (mut counted, _) = merge(&[10, 5], &[1_000_001]);
        assert_eq!(counted.count().unwrap(), Some(9_999));
        assert!(!counted.is_widened());
    }
}
