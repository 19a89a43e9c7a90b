//! The persons that are stored: made from their number, the same for every engine.
//!
//! Always: a person is its number; nothing is random. Does not know: how they are stored.

use serde::{Deserialize, Serialize};

/// One document, or one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) age: u32,
    pub(crate) city: String,
    pub(crate) score: f64,
    pub(crate) active: bool,
    pub(crate) created: i64,
    pub(crate) note: String,
}

impl Person {
    pub(crate) fn new(number: u64, cities: u64) -> Self {
        let mixed = mix(number);
        Self {
            name: format!("Person Number {number}"),
            email: format!("person.{number}@mail.example.org"),
            age: (mixed % 80) as u32 + 10,
            city: city(number % cities),
            score: (mixed % 100_000) as f64 / 7.0,
            active: mixed % 3 > 0,
            created: created(number),
            note: format!("a note of some length about person {number}, as people write them: {mixed:x}"),
        }
    }
}

pub(crate) fn city(number: u64) -> String {
    format!("city {number:05}")
}

pub(crate) fn created(number: u64) -> i64 {
    1_700_000_000_000 + number as i64 * 1000
}

/// Spreads numbers (the finaliser of SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A key of sixteen bytes whose order is the order of making, as ids are by default.
pub(crate) fn key(number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(&mix(number).to_be_bytes());
    key
}

/// How many cities there are for persons numbered up to this.
pub(crate) const CITIES: u64 = 1000;
