//! Where random bytes come from.
//!
//! Always: the system source is fit for keys; a seeded source is for tests and simulation only.
//! Does not know: what the bytes are for.

use crate::sync::Mutex;

use crate::error::{Error, ErrorKind, Operation, Result};

/// Draws random bytes.
pub trait Random: Send + Sync {
    /// Fills the buffer.
    ///
    /// # Errors
    /// `Device` when the system has no randomness to give.
    fn fill(&self, buffer: &mut [u8]) -> Result<()>;
}

/// The operating system's source, fit for keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the one place that draws real randomness")]
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        getrandom::fill(buffer).map_err(|error| {
            let kind = ErrorKind::Device { os_code: error.raw_os_error() };
            Error::new(Operation::Random, "the operating system", kind)
        })
    }
}

/// A repeatable source (SplitMix64): the same seed gives the same bytes for ever. Not for keys.
///
/// ```
/// use entidb_storage::SeededRandom;
/// let (one, two) = (SeededRandom::new(7), SeededRandom::new(7));
/// assert_eq!(one.next_u64(), two.next_u64());
/// assert!(one.below(10) < 10);
/// ```
#[derive(Debug)]
pub struct SeededRandom {
    state: Mutex<u64>,
}

impl SeededRandom {
    /// A source that starts from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }

    /// The next number.
    pub fn next_u64(&self) -> u64 {
        let mut state = self.state.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0. The bias of one in 2^32 is of no matter to tests.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(bytes) {
                *to = from;
            }
        }
        Ok(())
    }
}
