//! The structs C sees have the layout a C compiler gives them: sizes, alignments and offsets on 64-bit platforms.
//!
//! Always: a change here is a change of the ABI, and needs a new `ENTIDB_ABI_VERSION`.

#![cfg(target_pointer_width = "64")]

use std::mem::{align_of, offset_of, size_of};

use entidb_ffi::{entidb_buffer, entidb_bytes, entidb_change, entidb_change_batch_head, entidb_item, entidb_status};

#[test]
fn lent_and_owned_bytes_are_two_and_three_words() {
    assert_eq!((size_of::<entidb_bytes>(), align_of::<entidb_bytes>()), (16, 8));
    assert_eq!((offset_of!(entidb_bytes, data), offset_of!(entidb_bytes, len)), (0, 8));
    assert_eq!((size_of::<entidb_buffer>(), align_of::<entidb_buffer>()), (24, 8));
    let offsets =
        [offset_of!(entidb_buffer, data), offset_of!(entidb_buffer, len), offset_of!(entidb_buffer, capacity)];
    assert_eq!(offsets, [0, 8, 16]);
}

#[test]
fn an_item_has_no_hidden_gap() {
    assert_eq!((size_of::<entidb_item>(), align_of::<entidb_item>()), (40, 8));
    let offsets = [
        offset_of!(entidb_item, kind),
        offset_of!(entidb_item, detail),
        offset_of!(entidb_item, number),
        offset_of!(entidb_item, real),
        offset_of!(entidb_item, bytes),
    ];
    assert_eq!(offsets, [0, 4, 8, 16, 24]);
}

#[test]
fn a_change_and_the_head_of_a_batch_have_no_hidden_gap() {
    assert_eq!((size_of::<entidb_change>(), align_of::<entidb_change>()), (72, 8));
    let offsets = [
        offset_of!(entidb_change, kind),
        offset_of!(entidb_change, reserved),
        offset_of!(entidb_change, id),
        offset_of!(entidb_change, collection),
        offset_of!(entidb_change, payload),
        offset_of!(entidb_change, before),
    ];
    assert_eq!(offsets, [0, 4, 8, 24, 40, 56]);
    assert_eq!((size_of::<entidb_change_batch_head>(), align_of::<entidb_change_batch_head>()), (40, 8));
    let offsets = [
        offset_of!(entidb_change_batch_head, sequence),
        offset_of!(entidb_change_batch_head, time_micros),
        offset_of!(entidb_change_batch_head, count),
        offset_of!(entidb_change_batch_head, ends_commit),
        offset_of!(entidb_change_batch_head, position),
    ];
    assert_eq!(offsets, [0, 8, 16, 20, 24]);
}

#[test]
fn a_status_is_an_int32() {
    assert_eq!(size_of::<entidb_status>(), 4);
}
