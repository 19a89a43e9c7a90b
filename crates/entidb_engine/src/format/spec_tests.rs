//! The layout tables of the specification, each field proven against the bytes the code writes.
//!
//! Always: a table stands here once, with the bytes and the meaning of each field, and its offsets follow from that; the
//! specification has it as it is rendered here, and `ENTIDB_WRITE_SPEC=1 cargo test -p entidb_engine --lib spec` writes
//! it there. A field is proven by changing it alone: then just its bytes change.
//! Does not know: layouts without fixed places; those are prose.

use crate::format::block::BlockBuilder;
use crate::format::file_header::{Cipher, DatabaseId, FileHeader, FileKind};
use crate::format::segment_footer::{SegmentFooter, SegmentPart, UnitFrame, UnitPlace};
use crate::format::{
    EntryKind, FileNumber, ManifestRecordHeader, ManifestRecordKind, Sequence, WalUnitHeader, WalUnitKind,
};

const SPEC: &str = "../../docs/spec/file-format.md";

/// How the bytes of a field are known to be its bytes.
enum Proof {
    /// These are all the bytes when only this field is another, and all of it is.
    Changed(Vec<u8>),
    /// These are its bytes.
    Is(Vec<u8>),
    /// It follows from the others.
    Derived,
}

use Proof::{Changed, Derived, Is};

struct Table {
    name: &'static str,
    bytes: Vec<u8>,
    fields: Vec<(usize, &'static str, Proof)>,
}

fn zeros(count: usize) -> Proof {
    Is(vec![0; count])
}

impl Table {
    fn render(&self) -> String {
        let mut text = String::from("| Offset | Bytes | Field |\n|---|---|---|\n");
        let mut offset = 0;
        for (bytes, meaning, _) in &self.fields {
            text.push_str(&format!("| {offset} | {bytes} | {meaning} |\n"));
            offset += bytes;
        }
        text
    }

    fn prove(&self) {
        let name = self.name;
        let mut places = Vec::new();
        let mut offset = 0;
        for (bytes, _, proof) in &self.fields {
            places.push((offset..offset + bytes, proof));
            offset += bytes;
        }
        assert_eq!(offset, self.bytes.len(), "{name}: the fields are as long as what the code writes");
        let is_derived =
            |at: usize| places.iter().any(|(place, proof)| place.contains(&at) && matches!(proof, Derived));
        for ((place, proof), (_, meaning, _)) in places.iter().zip(&self.fields) {
            match proof {
                Is(bytes) => assert_eq!(&self.bytes[place.clone()], bytes, "{name}: {meaning}"),
                Changed(other) => {
                    assert_eq!(other.len(), self.bytes.len(), "{name}: {meaning}");
                    let differ = |at: &usize| self.bytes[*at] != other[*at] && !is_derived(*at);
                    let found: Vec<usize> = (0..other.len()).filter(differ).collect();
                    assert_eq!(found, place.clone().collect::<Vec<_>>(), "{name}: {meaning}");
                }
                Derived => {}
            }
        }
    }
}

fn file_header() -> Table {
    let base = || FileHeader {
        kind: FileKind::Root,
        cipher: Cipher::Plain,
        compatible: 0,
        read_only: 0,
        incompatible: 0,
        number: FileNumber(0),
        database_id: DatabaseId([0; 16]),
        key_generation: 0,
        salt: [0; 32],
    };
    let with = |header: FileHeader| Changed(header.encode().to_vec());
    let fields = vec![
        (8, "magic: `89 45 6E 74 69 44 42 0A` (`\\x89EntiDB\\n`)", Is(b"\x89\x45\x6E\x74\x69\x44\x42\x0A".to_vec())),
        (2, "version: 1", Is(vec![1, 0])),
        (1, "kind, as in the table above", with(FileHeader { kind: FileKind::Wal, ..base() })),
        (1, "cipher: 0 none, 1 AES-256-GCM", with(FileHeader { cipher: Cipher::Aes256Gcm, ..base() })),
        (
            4,
            "compatible features: a reader that does not know one may ignore it",
            with(FileHeader { compatible: u32::MAX, ..base() }),
        ),
        (
            4,
            "read-only features: a library that does not know one may read but not write",
            with(FileHeader { read_only: u32::MAX, ..base() }),
        ),
        (
            4,
            "incompatible features: a library that does not know one may not read",
            with(FileHeader { incompatible: u32::MAX, ..base() }),
        ),
        (8, "file number", with(FileHeader { number: FileNumber(u64::MAX), ..base() })),
        (
            16,
            "database id, random, the same in all files of a database",
            with(FileHeader { database_id: DatabaseId([255; 16]), ..base() }),
        ),
        (4, "key generation; 0 in plain files", with(FileHeader { key_generation: u32::MAX, ..base() })),
        (4, "zero", zeros(4)),
        (32, "salt, random, new for every file ever begun", with(FileHeader { salt: [255; 32], ..base() })),
        (36, "zero", zeros(36)),
        (4, "CRC-32 (IEEE) of bytes 0..124", Is(crc32fast::hash(&base().encode()[..124]).to_le_bytes().to_vec())),
    ];
    // The checksum is proven here and follows from whatever else is changed.
    let mut table = Table { name: "file header", bytes: base().encode().to_vec(), fields };
    table.prove_last_then_derive();
    table
}

impl Table {
    /// Proves the last field by its value, and takes it for derived from then on.
    fn prove_last_then_derive(&mut self) {
        let Some((count, meaning, proof)) = self.fields.last_mut() else { return };
        let Is(bytes) = std::mem::replace(proof, Derived) else { panic!("{meaning} has no value") };
        assert_eq!(&self.bytes[self.bytes.len() - *count..], bytes, "{}: {meaning}", self.name);
    }
}

fn manifest_record() -> Table {
    let base = ManifestRecordHeader { body_len: 0, number: 0, kind: ManifestRecordKind::Snapshot };
    let with = |header: ManifestRecordHeader| header.encode().to_vec();
    let kind = with(ManifestRecordHeader { kind: ManifestRecordKind::Closed, ..base });
    Table {
        name: "manifest record",
        bytes: with(base),
        fields: vec![
            (4, "`45 4D 52 31` (`EMR1`)", Is(b"\x45\x4D\x52\x31".to_vec())),
            (4, "length of the body", Changed(with(ManifestRecordHeader { body_len: u32::MAX, ..base }))),
            (
                4,
                "number of the record in this file, from 0",
                Changed(with(ManifestRecordHeader { number: u32::MAX, ..base })),
            ),
            (4, "kind: 0 snapshot, 1 edit, 2 closed", Changed(spread(&with(base), &kind, 12))),
        ],
    }
}

/// A number whose values are too small to change all of its bytes: the lowest differs, which says where it begins, and
/// the table says that nothing else is in the others.
fn spread(base: &[u8], other: &[u8], at: usize) -> Vec<u8> {
    let differ: Vec<usize> = (0..base.len()).filter(|place| base[*place] != other[*place]).collect();
    assert_eq!(differ, [at], "only the lowest byte differs");
    let mut all = other.to_vec();
    all[at..at + 4].fill(2);
    all
}

fn wal_unit() -> Table {
    let base = WalUnitHeader {
        body_len: 0,
        file: FileNumber(0),
        number: 0,
        kind: WalUnitKind::Commits,
        first: Sequence(0),
        last: Sequence(0),
        durable: Sequence(0),
    };
    let with = |header: WalUnitHeader| header.encode().to_vec();
    let kind = with(WalUnitHeader { kind: WalUnitKind::Closed, ..base });
    Table {
        name: "log unit",
        bytes: with(base),
        fields: vec![
            (4, "`45 57 55 31` (`EWU1`)", Is(b"\x45\x57\x55\x31".to_vec())),
            (4, "length of the body", Changed(with(WalUnitHeader { body_len: u32::MAX, ..base }))),
            (8, "number of this file", Changed(with(WalUnitHeader { file: FileNumber(u64::MAX), ..base }))),
            (
                4,
                "number of the unit in this file, from 0, ends included",
                Changed(with(WalUnitHeader { number: u32::MAX, ..base })),
            ),
            (
                4,
                "kind: 0 commits, 1 the log goes on in another file, 2 closed in order",
                Changed(spread(&with(base), &kind, 20)),
            ),
            (
                8,
                "first commit sequence of the unit; of an end, the last one before it",
                Changed(with(WalUnitHeader { first: Sequence::MAX, ..base })),
            ),
            (8, "last commit sequence", Changed(with(WalUnitHeader { last: Sequence::MAX, ..base }))),
            (
                8,
                "durable mark: the last commit known to be on stable storage when the unit was written",
                Changed(with(WalUnitHeader { durable: Sequence::MAX, ..base })),
            ),
        ],
    }
}

fn segment_frame() -> Table {
    let base = UnitFrame { part: SegmentPart::Data, compressed: false, stored_len: 0, body_len: 0 };
    let with = |frame: UnitFrame| Changed(frame.encode().to_vec());
    let parts =
        [SegmentPart::Data, SegmentPart::Tombstones, SegmentPart::Index, SegmentPart::Points, SegmentPart::Footer];
    assert_eq!(parts.map(|part| part as u8), [1, 2, 3, 4, 5]);
    Table {
        name: "segment frame",
        bytes: base.encode().to_vec(),
        fields: vec![
            (4, "length of the body as stored", with(UnitFrame { stored_len: u32::MAX, ..base })),
            (4, "length of the body once decompressed", with(UnitFrame { body_len: u32::MAX, ..base })),
            (
                1,
                "part: 1 data block, 2 range tombstones, 3 block index, 4 point index, 5 footer",
                with(UnitFrame { part: SegmentPart::Footer, ..base }),
            ),
            (
                1,
                "compression: 0 none, the lengths are equal; 1 LZ4 block format, the second length is at most 255 times \
                 the first",
                with(UnitFrame { compressed: true, ..base }),
            ),
            (2, "zero", zeros(2)),
        ],
    }
}

fn segment_footer() -> Table {
    let none = UnitPlace::default();
    let base = || SegmentFooter {
        block_count: 0,
        fragment_count: 0,
        entry_count: 0,
        stale_count: 0,
        raw_bytes: 0,
        oldest: Sequence(0),
        newest: Sequence(0),
        tombstones: none,
        index: none,
        points: none,
        digest: [0; 16],
    };
    let with = |footer: SegmentFooter| Changed(footer.encode());
    let (offset, len) = (UnitPlace { offset: u64::MAX, len: 0 }, UnitPlace { offset: 0, len: u32::MAX });
    Table {
        name: "segment footer",
        bytes: base().encode(),
        fields: vec![
            (8, "`EDB-SEG1`", Is(b"EDB-SEG1".to_vec())),
            (4, "count of data blocks", with(SegmentFooter { block_count: u32::MAX, ..base() })),
            (4, "count of fragments of range tombstones", with(SegmentFooter { fragment_count: u32::MAX, ..base() })),
            (8, "count of entries", with(SegmentFooter { entry_count: u64::MAX, ..base() })),
            (
                8,
                "count of stale entries: deletions, and all but the newest version of a key",
                with(SegmentFooter { stale_count: u64::MAX, ..base() }),
            ),
            (8, "bytes of all keys and values", with(SegmentFooter { raw_bytes: u64::MAX, ..base() })),
            (
                8,
                "oldest sequence in entries and range tombstones",
                with(SegmentFooter { oldest: Sequence::MAX, ..base() }),
            ),
            (
                8,
                "newest sequence in entries and range tombstones",
                with(SegmentFooter { newest: Sequence::MAX, ..base() }),
            ),
            (
                8,
                "range tombstones: offset of the unit; zero when there are none",
                with(SegmentFooter { tombstones: offset, ..base() }),
            ),
            (4, "range tombstones: length of the unit", with(SegmentFooter { tombstones: len, ..base() })),
            (8, "block index: offset of the unit", with(SegmentFooter { index: offset, ..base() })),
            (4, "block index: length of the unit", with(SegmentFooter { index: len, ..base() })),
            (
                8,
                "point index: offset of the unit; zero when there is none",
                with(SegmentFooter { points: offset, ..base() }),
            ),
            (4, "point index: length of the unit", with(SegmentFooter { points: len, ..base() })),
            (
                16,
                "XXH3-128, low byte first, of the tags (16 bytes each) of all units before the footer, in order",
                with(SegmentFooter { digest: [255; 16], ..base() }),
            ),
            (52, "zero", zeros(52)),
        ],
    }
}

fn data_block() -> Table {
    let mut builder = BlockBuilder::new(true);
    for number in 0..9_u8 {
        builder.add(&[7, 7, 7, number], Sequence(0x0102_0304_0506_0708), EntryKind::Put, b"value");
    }
    let mut bytes = Vec::new();
    builder.finish(&mut bytes).unwrap();
    bytes.truncate(16);
    Table {
        name: "data block",
        bytes,
        fields: vec![
            (2, "n: count of entries, 1 to 32,768", Is(vec![9, 0])),
            (2, "g: count of groups, n / 8 rounded up", Is(vec![2, 0])),
            (2, "p: length of what all keys of the block begin with", Is(vec![3, 0])),
            (1, "flags: 1 offsets are wide, 2 one offset per entry", Is(vec![2])),
            (1, "zero", zeros(1)),
            (8, "base: the smallest sequence of the block", Is(vec![8, 7, 6, 5, 4, 3, 2, 1])),
        ],
    }
}

fn tables() -> [Table; 6] {
    [file_header(), manifest_record(), wal_unit(), segment_frame(), segment_footer(), data_block()]
}

/// The specification with every table as the code has it.
fn specification(text: &str) -> String {
    let mut text = text.to_owned();
    for table in tables() {
        let start = format!("<!-- layout: {}, from crates/entidb_engine/src/format/spec_tests.rs -->\n", table.name);
        let end = "<!-- end -->\n";
        let Some((before, rest)) = text.split_once(&start) else { panic!("{SPEC} lacks {start}") };
        let Some((_, after)) = rest.split_once(end) else { panic!("{SPEC} lacks {end} after {start}") };
        text = format!("{before}{start}{}{end}{after}", table.render());
    }
    text
}

#[test]
fn every_field_of_the_specification_is_where_the_code_writes_it() {
    tables().iter().for_each(Table::prove);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the specification is no file of a database")]
fn the_tables_of_the_specification_are_those_of_the_code() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(SPEC);
    let found = std::fs::read_to_string(&path).unwrap();
    let expected = specification(&found);
    if std::env::var_os("ENTIDB_WRITE_SPEC").is_some() {
        std::fs::write(&path, &expected).unwrap();
    } else {
        let line = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        assert!(
            found == expected,
            "{SPEC} differs from the code at {line:?}; run ENTIDB_WRITE_SPEC=1 cargo test -p entidb_engine --lib spec"
        );
    }
}

/// Every kind of file has its row in the table of the folder, with its number.
#[test]
#[expect(clippy::disallowed_methods, reason = "the specification is no file of a database")]
fn every_kind_of_file_is_in_the_specification() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(SPEC);
    let text = std::fs::read_to_string(path).unwrap();
    let mut rows = 0;
    for byte in 0..=u8::MAX {
        if let Some(kind) = FileKind::from_byte(byte) {
            let name = kind.path(FileNumber(0)).replace("/0", "/N");
            assert!(text.contains(&format!("\n| `{name}` | {byte} |")), "{kind:?}");
            rows += 1;
        }
    }
    assert_eq!(
        // Files without a header have no number of a kind, and so nothing in that column.
        text.lines().filter(|line| line.starts_with("| `") && line.contains("` | ") && !line.contains("` | |")).count(),
        rows
    );
}
