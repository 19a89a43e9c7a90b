//! Each limit holds at its value and not one beyond, in every way of reading and writing.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_codec::{
    Encoder, Error, ErrorKind, Limits, Value, canonicalise_within, decode_within, encode, encode_within,
    from_slice_within, to_vec, validate_within, view_within,
};

fn judged(bytes: &[u8], limits: &Limits) -> Option<ErrorKind> {
    let errors: [Option<Error>; 5] = [
        validate_within(bytes, limits).err(),
        decode_within(bytes, limits).err(),
        view_within(bytes, limits).err(),
        from_slice_within::<Value>(bytes, limits).err(),
        canonicalise_within(bytes, limits).err(),
    ];
    let kinds = errors.map(|error| error.map(|error| error.kind()));
    assert!(kinds.windows(2).all(|pair| pair.first() == pair.last()), "{kinds:?}");
    kinds.into_iter().next().unwrap()
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, level| match level % 3 {
        0 => Value::Array(vec![inner]),
        1 => Value::Map([("a", inner)].into_iter().collect()),
        _ => Value::tagged(99, inner).unwrap(),
    })
}

#[test]
fn depth_holds_to_one_level() {
    for depth_max in [0_u8, 1, 2, 64, 255] {
        let limits = Limits { depth_max, ..Limits::DEFAULT };
        let at = usize::from(depth_max);
        assert_eq!(judged(&encode(&nested(at)), &limits), None);
        assert_eq!(judged(&encode(&nested(at + 1)), &limits), Some(ErrorKind::TooDeep));
        assert!(encode_within(&nested(at), &limits).is_ok());
        assert_eq!(encode_within(&nested(at + 1), &limits).unwrap_err().kind(), ErrorKind::TooDeep);
    }
    assert!(to_vec(&nested(64)).is_ok());
    assert_eq!(to_vec(&nested(65)).unwrap_err().kind(), ErrorKind::TooDeep);
}

#[test]
fn size_holds_to_one_byte() {
    let bytes = encode(&Value::from("x".repeat(1000)));
    for (bytes_max, expected) in
        [(bytes.len() - 1, Some(ErrorKind::TooLarge)), (bytes.len(), None), (bytes.len() + 1, None)]
    {
        assert_eq!(judged(&bytes, &Limits { bytes_max, ..Limits::DEFAULT }), expected);
    }
}

#[test]
fn item_count_holds_to_one_item() {
    // An array, three elements, a map in place of the last, its key and its value.
    let bytes = encode(&entidb_codec::doc!([1, 2, { "a": 3 }]));
    for (item_count_max, expected) in [(5, Some(ErrorKind::TooManyItems)), (6, None), (7, None)] {
        assert_eq!(judged(&bytes, &Limits { item_count_max, ..Limits::DEFAULT }), expected);
    }
}

#[test]
fn an_encoder_keeps_within_its_limits_and_reports_misuse() {
    let finish = |limits: Limits, calls: fn(&mut Encoder)| {
        let mut encoder = Encoder::within(Vec::new(), limits);
        calls(&mut encoder);
        encoder.finish().map_err(|error| error.kind())
    };
    let wide = Limits::DEFAULT;
    let two_deep: fn(&mut Encoder) = |encoder| {
        encoder.begin_array(1);
        encoder.begin_array(0);
        encoder.end();
        encoder.end();
    };
    assert_eq!(finish(Limits { depth_max: 2, ..wide }, two_deep), Ok(vec![0x81, 0x80]));
    assert_eq!(finish(Limits { depth_max: 1, ..wide }, two_deep), Err(ErrorKind::TooDeep));
    assert_eq!(finish(Limits { bytes_max: 1, ..wide }, two_deep), Err(ErrorKind::TooLarge));
    assert_eq!(finish(Limits { item_count_max: 1, ..wide }, two_deep), Err(ErrorKind::TooManyItems));
    let whole_values: fn(&mut Encoder) = |encoder| {
        encoder.begin_array(2);
        encoder.value(&nested(1));
        encoder.value(&Value::from(7));
        encoder.end();
    };
    assert_eq!(finish(Limits { depth_max: 2, item_count_max: 4, ..wide }, whole_values), Ok(vec![0x82, 0x81, 0xf6, 7]));
    assert_eq!(finish(Limits { depth_max: 1, ..wide }, whole_values), Err(ErrorKind::TooDeep));
    assert_eq!(finish(Limits { item_count_max: 3, ..wide }, whole_values), Err(ErrorKind::TooManyItems));
    let misuses: [fn(&mut Encoder); 8] = [
        |_| {},
        |encoder| encoder.begin_array(0),
        |encoder| encoder.key("a"),
        Encoder::end,
        |encoder| {
            encoder.null();
            encoder.null();
        },
        |encoder| {
            encoder.begin_map(1);
            encoder.null();
            encoder.end();
        },
        |encoder| {
            encoder.begin_map(1);
            encoder.key("a");
            encoder.end();
        },
        |encoder| {
            encoder.begin_tag(99);
            encoder.end();
        },
    ];
    for misuse in misuses {
        assert_eq!(finish(wide, misuse), Err(ErrorKind::Misuse));
    }
    let twice: fn(&mut Encoder) = |encoder| {
        encoder.begin_map(2);
        for _ in 0..2 {
            encoder.key("a");
            encoder.null();
        }
        encoder.end();
    };
    assert_eq!(finish(wide, twice), Err(ErrorKind::DuplicateKey));
    let odd_uuid: fn(&mut Encoder) = |encoder| {
        encoder.begin_tag(37);
        encoder.null();
        encoder.end();
    };
    assert_eq!(finish(wide, odd_uuid), Err(ErrorKind::TagContent));
}

#[test]
fn a_tree_deeper_than_any_limit_is_still_written() {
    // Written without recursion; dropped by the system with a stack that is large enough here.
    let value = nested(2_000);
    let bytes = encode(&value);
    assert_eq!(bytes.len(), 2_000 + 667 * 2 + 666 + 1);
}
