//! What must hold for any bytes given to the codec: the bodies of its fuzz targets.
//!
//! Always: a body panics exactly when a promise of `entidb_codec` is broken. The ordinary test suite
//! runs the same bodies on seeded input (`crates/entidb_codec/tests/fuzz_bodies.rs`).
//! Does not know: libFuzzer; the targets in `fuzz_targets` hand its bytes over.

use std::cmp::Ordering;

use entidb_codec::ordered::{decode_tuple, range_bounds, text_prefix_bounds};
use entidb_codec::{
    Decimal, Decoder, Direction, Element, Encoder, ErrorKind, Event, Integer, Key, KeyOrder, KeyRef, Limits, Map,
    Missing, Patch, Path, Segment, Timestamp, Value, ValueRef, Vector, VectorKind, apply, canonicalise, compare,
    decode, decode_ordered, decode_within, encode, encode_ordered, from_slice, from_value, lookup, lookup_raw, to_vec,
    validate, validate_within, view,
};

/// Bytes taken one after the other as the choices that make values.
pub struct Choices<'a> {
    bytes: &'a [u8],
}

impl<'a> Choices<'a> {
    /// Choices from these bytes; zeros follow when they run out.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    fn chunk<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.chunk())
    }

    fn some(&mut self) -> Vec<u8> {
        let count = usize::from(self.byte() % 24).min(self.bytes.len());
        let (some, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        some.to_vec()
    }

    pub(crate) fn text(&mut self) -> String {
        const ODD: [&str; 8] = ["", "a", "b", "\0", "a\0", "\u{ff}", "\u{10ffff}", "name"];
        match self.byte() {
            short @ 0..=127 => ODD[usize::from(short % 8)].repeat(usize::from(short / 32)),
            _ => String::from_utf8_lossy(&self.some()).into_owned(),
        }
    }

    /// An integer, mostly near the places where forms and widths change.
    pub(crate) fn integer(&mut self) -> Integer {
        let near = |middle: i128, off: u8| middle + i128::from(off.cast_signed() % 4);
        let bit = u32::from(self.byte() % 66);
        let (sign, off) = (self.byte() % 3, self.byte());
        let number = match sign {
            0 => near(1 << bit, off),
            1 => near(-(1 << bit), off),
            _ => i128::from(self.u64()),
        };
        Integer::try_from(number).unwrap_or(if number < 0 { Integer::MIN } else { Integer::MAX })
    }

    pub(crate) fn float(&mut self) -> f64 {
        const ODD: [f64; 14] = [
            0.0,
            -0.0,
            1.0,
            -1.5,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            5e-324,
            f64::MIN_POSITIVE,
            f64::MAX,
            65_504.0,
            9_007_199_254_740_992.0,
            18_446_744_073_709_551_616.0,
            -9_223_372_036_854_775_808.0,
        ];
        match self.byte() {
            odd @ 0..=79 => ODD[usize::from(odd) % ODD.len()],
            80..=119 => f64::from(f32::from_le_bytes(self.chunk())),
            120..=159 => self.integer().as_i128() as f64,
            160..=199 => f64::from(i16::from_le_bytes(self.chunk())) / 16.0,
            _ => f64::from_le_bytes(self.chunk()),
        }
    }

    fn key(&mut self) -> Key {
        if self.byte() < 60 { Key::Integer(self.integer()) } else { Key::Text(self.text()) }
    }

    /// A value no deeper than `depth`.
    pub fn value(&mut self, depth: u8) -> Value {
        let kinds = if depth == 0 { 20 } else { 28 };
        match self.byte() % kinds {
            0 => Value::Null,
            1 => Value::Bool(false),
            2 => Value::Bool(true),
            3..=6 => Value::Integer(self.integer()),
            7..=10 => Value::Float(self.float()),
            11..=13 => Value::Text(self.text()),
            14 => Value::Bytes(self.some()),
            15 => Value::Timestamp(Timestamp::from_micros(i64::from_le_bytes(self.chunk()))),
            16 => Value::Uuid(self.chunk()),
            17 => Value::EntityId(self.chunk()),
            18 => {
                let mantissa = match self.byte() % 4 {
                    0 => i128::from_le_bytes(self.chunk()),
                    1 => self.integer().as_i128(),
                    _ => i128::from(i16::from_le_bytes(self.chunk())),
                };
                let exponent = match self.byte() % 8 {
                    0 => i64::from_le_bytes(self.chunk()) % (Decimal::EXPONENT_MAX + 1),
                    1 => Decimal::EXPONENT_MAX,
                    2 => -Decimal::EXPONENT_MAX,
                    _ => i64::from(self.byte().cast_signed() % 8),
                };
                Value::Decimal(Decimal::new(mantissa, exponent).expect("the exponent is in range"))
            }
            19 => {
                let kind =
                    [VectorKind::F16, VectorKind::F32, VectorKind::F64, VectorKind::I8][usize::from(self.byte() % 4)];
                let mut bytes = self.some();
                bytes.truncate(bytes.len() / kind.element_bytes() * kind.element_bytes());
                Value::Vector(Vector::from_le_bytes(kind, bytes).expect("whole elements"))
            }
            // Rows of one thing are passed over in another way than mixed ones.
            20 => {
                let element = self.value(0);
                let mut elements = vec![element; usize::from(self.byte() % 48)];
                elements.push(self.value(depth - 1));
                Value::Array(elements)
            }
            21..=22 => {
                let count = self.byte() % 6;
                Value::Array((0..count).map(|_| self.value(depth - 1)).collect())
            }
            23..=26 => {
                let count = self.byte() % 6;
                let entries = (0..count).map(|_| (self.key(), self.value(depth - 1)));
                Value::Map(entries.collect())
            }
            _ => {
                let tag = [0, 1, 24, 32, 258, 55799, u64::MAX][usize::from(self.byte() % 7)];
                Value::tagged(tag, self.value(depth - 1)).expect("an opaque tag")
            }
        }
    }

    fn path(&mut self) -> Path {
        let mut path = Path::root();
        for _ in 0..self.byte() % 4 {
            path = if self.byte() < 100 { path.at(usize::from(self.byte() % 4)) } else { path.key(self.key()) };
        }
        path
    }

    fn direction(&mut self) -> Direction {
        if self.byte().is_multiple_of(2) { Direction::Ascending } else { Direction::Descending }
    }
}

/// Reading is all or nothing, the same by every way, and the inverse of writing.
pub fn decode_body(data: &[u8]) {
    let judged = validate(data);
    let decoded = decode(data);
    assert_eq!(judged.as_ref().err(), decoded.as_ref().err(), "validate and decode disagree");
    let streamed = stream(data);
    assert_eq!(streamed.as_ref().err(), decoded.as_ref().err(), "the decoder disagrees");
    match decoded {
        Ok(value) => {
            assert_eq!(encode(&value), data, "encode is not the inverse of decode");
            assert_eq!(streamed.as_deref(), Ok(data), "the encoder is not the inverse of the decoder");
            let seen = view(data).expect("judged canonical");
            assert_eq!(seen.to_value(), value, "the view differs from the tree");
            assert_eq!(compare(seen, &value), Ordering::Equal);
            assert_eq!(canonicalise(data).as_deref(), Ok(data), "canonical bytes were changed");
            assert_eq!(from_slice::<Value>(data).as_ref(), Ok(&value), "serde reads otherwise");
            assert_eq!(to_vec(&value).as_deref(), Ok(data), "serde writes otherwise");
        }
        Err(error) => {
            assert!(error.offset() <= data.len(), "{error:?}");
            assert!(!error.to_string().is_empty());
            assert!(view(data).is_err() && from_slice::<Value>(data).is_err());
            if error.kind() == ErrorKind::Malformed {
                assert!(canonicalise(data).is_err() || data.contains(&0xff), "{error:?}");
            }
        }
    }
}

/// Copies a document through `Decoder` and `Encoder`.
fn stream(data: &[u8]) -> entidb_codec::Result<Vec<u8>> {
    fn item(decoder: &mut Decoder<'_>, encoder: &mut Encoder) -> entidb_codec::Result<()> {
        match decoder.event()? {
            Event::Null => encoder.null(),
            Event::Bool(value) => encoder.bool(value),
            Event::Integer(value) => encoder.integer(value),
            Event::Float(value) => encoder.float(value),
            Event::Text(value) => encoder.text(value),
            Event::Bytes(value) => encoder.bytes(value),
            Event::Timestamp(value) => encoder.timestamp(value),
            Event::Uuid(id) => encoder.uuid(&id),
            Event::EntityId(id) => encoder.entity_id(&id),
            Event::Decimal(value) => encoder.decimal(value),
            Event::Vector(value) => encoder.vector(value),
            Event::Array(count) => {
                encoder.begin_array(count);
                for _ in 0..count {
                    item(decoder, encoder)?;
                }
                encoder.end();
                decoder.leave();
            }
            Event::Map(count) => {
                // A wrong count is put right.
                encoder.begin_map(count / 2);
                let mut order = KeyOrder::new();
                for _ in 0..count {
                    encoder.key(decoder.key(&mut order)?);
                    item(decoder, encoder)?;
                }
                encoder.end();
                decoder.leave();
            }
            Event::Tag(tag) => {
                encoder.begin_tag(tag);
                item(decoder, encoder)?;
                encoder.end();
                decoder.leave();
            }
        }
        Ok(())
    }
    let (mut decoder, mut encoder) = (Decoder::new(data), Encoder::new());
    item(&mut decoder, &mut encoder)?;
    decoder.finish()?;
    encoder.finish()
}

/// Limits hold exactly, and loosely written documents have one canonical form.
pub fn validate_body(data: &[u8]) {
    let tight = Limits { depth_max: 3, bytes_max: 256, item_count_max: 16 };
    let judged = validate_within(data, &tight);
    assert_eq!(judged.as_ref().err(), decode_within(data, &tight).as_ref().err());
    if judged.is_ok() {
        assert!(validate(data).is_ok(), "tight limits accept what wide ones refuse");
    }
    match canonicalise(data) {
        Ok(canonical) => {
            assert!(validate(&canonical).is_ok(), "canonicalise made {canonical:02x?}");
            assert_eq!(canonicalise(&canonical).as_ref(), Ok(&canonical), "not idempotent");
            assert!(canonical.len() <= data.len() + data.len() / 128 + 16);
        }
        Err(error) => {
            assert!(!error.kind().is_only_form(), "{error:?} is a matter of form");
            assert!(validate(data).is_err());
        }
    }
    // A value made from the same bytes is written within the limits or refused by them.
    let value = Choices::new(data).value(6);
    let bytes = encode(&value);
    assert_eq!(decode(&bytes).as_ref(), Ok(&value));
    assert_eq!(from_value::<Value>(&value).as_ref(), Ok(&value));
    let cut = usize::from(data.first().copied().unwrap_or(0)) % bytes.len();
    let error = validate(&bytes[..cut]).expect_err("a part of a document is no document");
    assert_eq!(error.kind(), ErrorKind::Truncated, "{error:?}");
}

fn key_of<'a>(element: impl Into<Element<'a>>, direction: Direction) -> Vec<u8> {
    let mut out = Vec::new();
    encode_ordered(element, direction, &mut out);
    out
}

/// Keys order as their values do, and whatever reads as a key is one.
pub fn ordered_body(data: &[u8]) {
    for direction in [Direction::Ascending, Direction::Descending] {
        if let Ok(decoded) = decode_ordered(data, direction) {
            let again = key_of(decoded.value.as_ref(), direction);
            assert_eq!(again, &data[..decoded.len], "{:?} has two keys", decoded.value);
        }
    }
    let mut choices = Choices::new(data);
    let (a, b) = (choices.value(3), choices.value(3));
    let (direction, suffix) = (choices.direction(), choices.some());
    let order = compare(&a, &b);
    assert_eq!(compare(&b, &a), order.reverse());
    let expected = if direction == Direction::Descending { order.reverse() } else { order };
    let (mut a_key, mut b_key) = (key_of(&a, direction), key_of(&b, direction));
    assert_eq!(a_key.cmp(&b_key), expected, "{a:?} {b:?}");
    let (a_bytes, b_bytes) = (encode(&a), encode(&b));
    let (a_view, b_view) = (view(&a_bytes).expect("encoded"), view(&b_bytes).expect("encoded"));
    assert_eq!(compare(a_view, b_view), order);
    assert_eq!(key_of(a_view, direction), a_key);
    assert!(key_of(Missing, Direction::Ascending) < key_of(&a, Direction::Ascending));
    // Whatever follows an element does not change the order of unequal ones, and is not read.
    let length = a_key.len();
    a_key.extend_from_slice(&suffix);
    b_key.extend_from_slice(&[0xff, 0x00]);
    if order != Ordering::Equal {
        assert_eq!(a_key.cmp(&b_key), expected, "{a:?} {b:?} with suffixes");
    }
    let read = decode_ordered(&a_key, direction).expect("just written");
    assert_eq!(read.len, length);
    let value = read.value.expect("not missing");
    assert_eq!(compare(&value, &a), Ordering::Equal, "{value:?} came back from {a:?}");
    let (values, rest) = decode_tuple(&a_key, &[direction]).expect("just written");
    assert_eq!((values.len(), rest), (1, suffix.as_slice()));
    bounds_hold(&a, &b, order, direction);
}

fn bounds_hold(a: &Value, b: &Value, order: Ordering, direction: Direction) {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let prefix = b"p";
    let mut key = prefix.to_vec();
    encode_ordered(a, direction, &mut key);
    key.extend_from_slice(&[0xff, 0xff, 0x00]);
    let inside = |from, to| range_bounds(prefix, from, to, direction).contains(&key);
    let element = Element::Value(b);
    assert_eq!(inside(Included(element), Included(element)), order == Ordering::Equal);
    let same_class = inside(Unbounded, Included(element)) || inside(Excluded(element), Unbounded);
    assert_eq!(inside(Included(element), Unbounded), same_class && order != Ordering::Less);
    assert_eq!(inside(Unbounded, Excluded(element)), same_class && order == Ordering::Less);
    assert!(inside(Unbounded, Unbounded));
    if let (Value::Text(a), Value::Text(b)) = (a, b) {
        assert_eq!(text_prefix_bounds(prefix, b, direction).contains(&key), a.starts_with(b.as_str()));
    }
}

/// A path read agrees with a full decode, and a patch gives what the same change to a tree gives.
pub fn path_body(data: &[u8]) {
    let mut choices = Choices::new(data);
    let path = choices.path();
    // Any bytes at all: no panic, and no answer that a full decode contradicts.
    if let (Ok(value), Ok(found)) = (decode(choices.bytes), lookup(choices.bytes, &path)) {
        assert_eq!(found.map(ValueRef::to_value).as_ref(), follow(&value, &path));
    }
    let mut value = choices.value(4);
    if !matches!(value, Value::Map(_)) {
        value = Value::Map([("a", value)].into_iter().collect::<Map>());
    }
    let bytes = encode(&value);
    for path in all_paths(&value).into_iter().take(24).chain([path]) {
        let expected = follow(&value, &path);
        let found = lookup(&bytes, &path).expect("canonical");
        assert_eq!(found.map(ValueRef::to_value).as_ref(), expected, "{path}");
        let raw = lookup_raw(&bytes, &path).expect("canonical").map(<[u8]>::to_vec);
        assert_eq!(raw, expected.map(encode), "{path}");
        assert_eq!(Path::from_value(&path.to_value()).as_ref(), Ok(&path));
    }
    let paths = all_paths(&value);
    let mut patch = Patch::new();
    for _ in 0..choices.byte() % 4 {
        let path = match choices.byte() {
            any @ 0..=199 if !paths.is_empty() => paths[usize::from(any) % paths.len()].clone(),
            _ => choices.path(),
        };
        patch = match choices.byte() % 4 {
            0 => patch.set(path, choices.value(2)),
            1 => patch.remove(path),
            2 => patch.increment(path, choices.value(0)),
            _ => patch.append(path, choices.value(1)),
        };
    }
    assert_eq!(Patch::decode(&patch.encode()).as_ref(), Ok(&patch));
    let mut changed = value.clone();
    let by_tree = entidb_codec::apply_to_value(&mut changed, &patch);
    match apply(&bytes, &patch) {
        Ok(patched) => {
            assert!(by_tree.is_ok());
            assert_eq!(decode(&patched).as_ref(), Ok(&changed));
        }
        Err(error) => assert_eq!(Some(error), by_tree.err()),
    }
}

/// The value a path leads to, found in the tree.
fn follow<'v>(value: &'v Value, path: &Path) -> Option<&'v Value> {
    path.segments().iter().try_fold(value, |here, segment| match segment {
        Segment::Key(key) => here.get(key),
        Segment::Position(position) => here.at(*position),
    })
}

fn all_paths(value: &Value) -> Vec<Path> {
    let mut paths = vec![Path::root()];
    let mut below = |step: Path, value: &Value| {
        for path in all_paths(value) {
            paths.push(path.segments().iter().fold(step.clone(), |path, segment| match segment {
                Segment::Key(key) => path.key(key.clone()),
                Segment::Position(position) => path.at(*position),
            }));
        }
    };
    match value {
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(i, e)| below(Path::root().at(i), e));
        }
        Value::Map(map) => {
            map.iter().for_each(|(key, e): (KeyRef<'_>, _)| below(Path::root().key(key), e));
        }
        _ => {}
    }
    paths
}
