//! Makes the vectors: which values and which mistakes they hold.
//!
//! Always: deterministic; what the vectors claim is computed here and checked by an implementation
//! in another language, tests/vectors/check.py.
//! Does not know: files; see `main`.

use entidb_codec::ordered::encode_tuple;
use entidb_codec::{
    Decimal, Direction, Element, Integer, Key, Map, Missing, Timestamp, Value, Vector, VectorKind, canonicalise,
    compare, decode, decode_ordered, doc, encode, encode_ordered,
};
use serde_json::{Value as Json, json};

use crate::diagnostic::{hex, to_json, unhex};

fn integers() -> Vec<Value> {
    let mut all: Vec<i128> = vec![0, 10, 23, 24, 25, 100, 1000, -10, -24, -25, -100, -1000];
    for bit in [1, 7, 8, 15, 16, 24, 31, 32, 47, 52, 53, 54, 55, 60, 62, 63, 64] {
        for off in [-1, 0, 1] {
            all.push((1 << bit) + off);
            all.push(-(1 << bit) + off);
        }
    }
    all.sort_unstable();
    all.dedup();
    all.into_iter().filter_map(|number| Integer::try_from(number).ok()).map(Value::Integer).collect()
}

fn floats() -> Vec<Value> {
    let plain = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        1.1,
        1.5,
        -4.1,
        100_000.0,
        65_504.0,
        65_505.0,
        65_536.0,
        5.960_464_477_539_063e-8,
        6.103_515_625e-5,
        2.980_232_238_769_531_3e-8,
        3.402_823_466_385_288_6e38,
        3.5e38,
        1.401_298_464_324_817e-45,
        1.175_494_350_822_287_5e-38,
        5e-324,
        2.225_073_858_507_201e-308,
        f64::MIN_POSITIVE,
        f64::MAX,
        f64::MIN,
        1e300,
        -1e-300,
        1e16,
        16_777_216.0,
        16_777_217.0,
        9_007_199_254_740_991.0,
        9_007_199_254_740_992.0,
        9_007_199_254_740_994.0,
        -9_007_199_254_740_992.0,
        9_223_372_036_854_774_784.0,
        9_223_372_036_854_775_808.0,
        -9_223_372_036_854_775_808.0,
        18_446_744_073_709_549_568.0,
        18_446_744_073_709_551_616.0,
        -18_446_744_073_709_551_616.0,
        36_893_488_147_419_103_232.0,
        0.1,
        0.2,
        0.300_000_000_000_000_04,
        std::f64::consts::PI,
        -std::f64::consts::E,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    plain.into_iter().map(Value::Float).collect()
}

fn texts() -> Vec<Value> {
    let plain = [
        "",
        "a",
        "b",
        "aa",
        "ab",
        "IETF",
        "\"\\",
        "\0",
        "\0\0",
        "a\0",
        "a\0b",
        "a\u{1}",
        "\u{7f}",
        "\u{80}",
        "\u{7ff}",
        "\u{800}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{fffd}",
        "\u{ffff}",
        "\u{10000}",
        "\u{10ffff}",
        "ü",
        "水",
        "𐅑",
        "e\u{301}",
        "é",
        "Straße",
        "\u{202e}rtl",
        "line\nbreak\ttab",
        "name",
        "exactly 23 bytes long..",
        "exactly 24 bytes long...",
    ];
    let long = ["x".repeat(255), "y".repeat(256), "long ".repeat(60)];
    plain.into_iter().map(Value::from).chain(long.into_iter().map(Value::from)).collect()
}

fn scalars() -> Vec<Value> {
    let mut all = vec![Value::Null, Value::Bool(false), Value::Bool(true)];
    all.extend(integers());
    all.extend(floats());
    all.extend(texts());
    for text in ["", "00", "0000", "00ff", "01", "01020304", "7f", "80", "ff", "ff00", "ffff"] {
        all.push(Value::Bytes(unhex(text)));
    }
    all.extend([vec![7; 24], vec![0; 256], (0..=255).collect()].map(Value::Bytes));
    for micros in [0, 1, -1, 1_000_000, 1_700_000_000_123_456, -62_135_596_800_000_000, i64::MIN, i64::MAX] {
        all.push(Value::Timestamp(Timestamp::from_micros(micros)));
    }
    for id in [[0; 16], [0xff; 16], *b"0123456789abcdef"] {
        all.extend([Value::Uuid(id), Value::EntityId(id)]);
    }
    for text in [
        "0",
        "0.0",
        "0e5",
        "1",
        "-1",
        "1.0",
        "1.00",
        "0.1",
        "0.10",
        "-0.1",
        "10",
        "12.50",
        "-12.50",
        "99.99",
        "1e7",
        "-3e-41",
        "273.15",
        "1e-18",
        "123456789012345678",
        "18446744073709551615",
        "18446744073709551616",
        "-18446744073709551616",
        "-18446744073709551617",
        "170141183460469231731687303715884105727",
        "-170141183460469231731687303715884105728",
        "9.99e100",
        "1e1000000000000000000",
        "-1e-1000000000000000000",
        "1.05",
        "1.5",
        "9",
        "90",
        "0.0001",
        "0.1",
        "-0.1",
        "0.5",
        "9007199254740992.5",
        "-9007199254740992.5",
        "9007199254740993",
        "18446744073709551616.5",
        "1e23",
        "1e-400",
        "-1e400",
    ] {
        all.push(Value::Decimal(text.parse().unwrap()));
    }
    all.push(Value::Decimal(Decimal::new(1000, Decimal::EXPONENT_MAX).unwrap()));
    for elements in [&[][..], &[0.0], &[-0.0], &[1.5, -2.25], &[f32::NAN, f32::INFINITY], &[1e-45, 3.0, -7.0]] {
        all.extend([Value::from(Vector::from(elements)), Value::from(Vector::f16_nearest(elements))]);
    }
    all.push(Value::from(Vector::from(vec![0.1_f64, -1e300])));
    all.push(Value::from(Vector::from(vec![-128_i8, -1, 0, 127])));
    all.push(Value::from(Vector::from_le_bytes(VectorKind::I8, (0..200).collect()).unwrap()));
    all
}

fn nested() -> Vec<Value> {
    let keys = |keys: &[i64]| keys.iter().map(|key| (*key, Value::Null)).collect::<Map>();
    let mut all = vec![
        doc!([]),
        doc!([1]),
        doc!([1, 2]),
        doc!([1, [2, 3], [4, 5]]),
        doc!([null, false, true]),
        doc!([[]]),
        doc!([[[]]]),
        doc!([{}]),
        doc!(["a", { "b": "c" }]),
        doc!([1.5, 1, "1"]),
        Value::from((0..23).collect::<Vec<i32>>()),
        Value::from((0..24).collect::<Vec<i32>>()),
        Value::from((0..300).collect::<Vec<i32>>()),
        doc! {},
        doc! { "a": 1 },
        doc! { "a": null },
        doc! { "b": 1, "a": 2, "aa": 3, "": 4 },
        doc! { "a": [], "b": {}, "c": { "a": [{}] } },
        doc! { 1: 2, 3: 4 },
        doc! { 10: "a", 100: "b", "z": "c", "aa": "d" },
        doc! { "$int": "not special", "x": 1 },
        doc! { "title": "Hello", "tags": ["first", "new"], "stars": 5, "ratio": 0.75, "draft": false, "parent": null },
        doc! { "\u{e9}": 1, "e": 2, "zz": 3, "\u{10ffff}": 4 },
        doc! { "a\0": 1, "a": 2 },
        Value::Map(keys(&[0, 23, 24, 255, 256, 65_535, 65_536, -1, -24, -25, -256, -257])),
        Value::Map([(Key::Integer(Integer::MAX), 1), (Key::Integer(Integer::MIN), 2)].into_iter().collect()),
        Value::Map((0..30).map(|i| (format!("key{i}"), i)).collect()),
        Value::Map((0..300).map(|i| (i, i)).collect()),
        Value::Map((0..8).map(|i| ("k".repeat(i * 5), i)).collect()),
    ];
    for tag in [0, 1, 5, 23, 24, 32, 55_799, 65_536, 4_294_967_296, u64::MAX] {
        all.push(Value::tagged(tag, Value::from("content")).unwrap());
    }
    all.push(Value::tagged(1, Value::from(1_363_896_240)).unwrap());
    all.push(Value::tagged(99, doc!({ "a": [1, 2] })).unwrap());
    all.push(Value::tagged(99, Value::tagged(98, doc!([])).unwrap()).unwrap());
    for magnitude in ["010000000000000000", "ffffffffffffffffff", "0102030405060708090a0b0c0d0e0f10111213"] {
        for tag in [2, 3] {
            all.push(Value::tagged(tag, Value::Bytes(unhex(magnitude))).unwrap());
        }
    }
    let mut deep = Value::from("bottom");
    for _ in 0..64 {
        deep = Value::Array(vec![deep]);
    }
    all.push(deep);
    all.push(
        doc! { "id": Value::Uuid([7; 16]), "at": Timestamp::from_micros(1), "price": Value::Decimal(Decimal::from(5)),
        "of": Value::EntityId([9; 16]), "vector": Vector::from(vec![1.0_f32]) },
    );
    all
}

fn key_of<'a>(element: impl Into<Element<'a>>, direction: Direction) -> Vec<u8> {
    let mut out = Vec::new();
    encode_ordered(element, direction, &mut out);
    out
}

pub(crate) fn values() -> Vec<Json> {
    scalars()
        .into_iter()
        .chain(nested())
        .map(|value| {
            let key = key_of(&value, Direction::Ascending);
            let mut vector = json!({ "value": to_json(&value), "cbor": hex(&encode(&value)), "ordered": hex(&key) });
            // A key holds a number by value, so what it gives back may be another form of it.
            let back = decode_ordered(&key, Direction::Ascending).unwrap().value.unwrap();
            if back != value {
                vector["from_ordered"] = to_json(&back);
            }
            vector
        })
        .collect()
}

pub(crate) fn ordered() -> (Vec<Json>, Vec<Json>) {
    let mut all = scalars();
    all.extend(nested());
    all.sort_by(|a, b| compare(a, b));
    let element = |value: Option<&Value>, equal: bool| {
        let (up, down) = (key_of(value, Direction::Ascending), key_of(value, Direction::Descending));
        let shown = value.map_or(json!({ "$missing": true }), to_json);
        json!({ "value": shown, "ascending": hex(&up), "descending": hex(&down), "equal_to_previous": equal })
    };
    let mut elements = vec![element(None, false)];
    let mut previous: Option<&Value> = None;
    for value in &all {
        let equal = previous.is_some_and(|previous| compare(previous, value).is_eq());
        elements.push(element(Some(value), equal));
        previous = Some(value);
    }
    let (up, down) = (Direction::Ascending, Direction::Descending);
    let (one, text, nul, list) = (Value::from(1), Value::from("a"), Value::from("a\0"), doc!([1, "x"]));
    let rows: Vec<Vec<(Element<'_>, Direction)>> = vec![
        vec![],
        vec![(Missing.into(), up)],
        vec![(Missing.into(), down)],
        vec![((&one).into(), up), ((&text).into(), up)],
        vec![((&one).into(), down), ((&text).into(), up)],
        vec![((&text).into(), up), ((&one).into(), down)],
        vec![((&text).into(), down), ((&nul).into(), up)],
        vec![((&nul).into(), down), ((&text).into(), down), (Missing.into(), up)],
        vec![((&list).into(), up), ((&list).into(), down), ((&one).into(), up)],
    ];
    let tuples = rows
        .into_iter()
        .map(|row| {
            let shown: Vec<Json> = row
                .iter()
                .map(|(element, direction)| {
                    let value = match element {
                        Element::Value(value) => to_json(value),
                        _ => json!({ "$missing": true }),
                    };
                    json!([value, if *direction == up { "ascending" } else { "descending" }])
                })
                .collect();
            let mut key = Vec::new();
            encode_tuple(row, &mut key);
            json!({ "elements": shown, "key": hex(&key) })
        })
        .collect();
    (elements, tuples)
}

/// RFC 8949, Appendix A: every encoded example.
const APPENDIX_A: &str = "00 01 0a 17 18:18 1819 1864 1903e8 1a000f4240 1b000000e8d4a51000 1bffffffffffffffff \
c249010000000000000000 3bffffffffffffffff c349010000000000000000 20 29 3863 3903e7 f90000 f98000 f93c00 \
fb3ff199999999999a f93e00 f97bff fa47c35000 fa7f7fffff fb7e37e43c8800759c f90001 f90400 f9c400 \
fbc010666666666666 f97c00 f97e00 f9fc00 fa7f800000 fa7fc00000 faff800000 fb7ff0000000000000 fb7ff8000000000000 \
fbfff0000000000000 f4 f5 f6 f7 f0 f8ff c074323031332d30332d32315432303a30343a30305a c11a514b67b0 \
c1fb41d452d9ec200000 d74401020304 d818456449455446 d82076687474703a2f2f7777772e6578616d706c652e636f6d 40 \
4401020304 60 6161 6449455446 62225c 62c3bc 63e6b0b4 64f0908591 80 83010203 8301820203820405 \
98190102030405060708090a0b0c0d0e0f101112131415161718181819 a0 a201020304 a26161016162820203 826161a161626163 \
a56161614161626142616361436164614461656145 5f42010243030405ff 7f657374726561646d696e67ff 9fff \
9f018202039f0405ffff 9f01820203820405ff 83018202039f0405ff 83019f0203ff820405 \
9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff bf61610161629f0203ffff 826161bf61626163ff \
bf6346756ef563416d7421ff";

pub(crate) fn appendix_a() -> Vec<Json> {
    APPENDIX_A
        .split_whitespace()
        .map(|text| {
            let bytes = unhex(&text.replace(':', ""));
            let mut vector = json!({ "cbor": hex(&bytes) });
            match decode(&bytes) {
                Ok(value) => vector["value"] = to_json(&value),
                Err(error) => {
                    vector["error"] = json!(error.kind().name());
                    vector["offset"] = json!(error.offset());
                    match canonicalise(&bytes) {
                        Ok(canonical) => vector["canonical"] = json!(hex(&canonical)),
                        Err(error) => vector["not_canonicalised"] = json!(error.kind().name()),
                    }
                }
            }
            vector
        })
        .collect()
}

fn mistakes() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let documents = [
        ("integer", encode(&Value::from(u64::MAX))),
        ("float", encode(&Value::from(1.1))),
        ("text", encode(&Value::from("Straße"))),
        ("document", encode(&doc! { "title": "Hello", "tags": ["first", 2, 3.5], "of": { "a": 1000 } })),
        ("specials", encode(&doc!([Value::Uuid([1; 16]), Timestamp::from_micros(-70_000), Value::EntityId([2; 16])]))),
        ("decimal", encode(&Value::Decimal("-18446744073709551617e-300".parse().unwrap()))),
        ("vector", encode(&Value::from(Vector::from(vec![1.0_f32, 2.0])))),
        ("tagged", encode(&Value::tagged(99, doc!([1])).unwrap())),
    ];
    for (name, bytes) in &documents {
        for cut in 0..bytes.len() {
            all.push((format!("{name} cut to {cut} bytes"), bytes[..cut].to_vec()));
        }
        all.push((format!("{name} and another byte"), [bytes.as_slice(), &[0]].concat()));
        all.push((format!("{name} twice"), [bytes.as_slice(), bytes].concat()));
    }
    for major in 0..8_u8 {
        for info in 28..31 {
            all.push((format!("reserved head, type {major}, information {info}"), vec![major << 5 | info, 0, 0]));
        }
        all.push((format!("indefinite head of type {major}"), vec![major << 5 | 31, 0xff]));
    }
    for (name, text) in [
        ("0 in two bytes", "1800"),
        ("23 in two bytes", "1817"),
        ("24 in three bytes", "190018"),
        ("255 in three bytes", "1900ff"),
        ("256 in five bytes", "1a00000100"),
        ("65535 in five bytes", "1a0000ffff"),
        ("65536 in nine bytes", "1b0000000000010000"),
        ("2^32-1 in nine bytes", "1b00000000ffffffff"),
        ("-1 in two bytes", "3800"),
        ("-24 in two bytes", "3817"),
        ("-256 in three bytes", "3900ff"),
        ("-65536 in five bytes", "3a0000ffff"),
        ("-2^32 in nine bytes", "3b00000000ffffffff"),
        ("byte string length in two bytes", "580100"),
        ("byte string length in nine bytes", "5b000000000000000100"),
        ("text length in two bytes", "780161"),
        ("text length in three bytes", "79000161"),
        ("array count in two bytes", "980100"),
        ("array count in five bytes", "9a0000000100"),
        ("map count in two bytes", "b8010000"),
        ("map count in three bytes", "b900010000"),
        ("tag in two bytes", "d80100"),
        ("tag in three bytes", "d9006300"),
        ("tag in nine bytes", "db000000000000006300"),
        ("long form inside an array", "82011801"),
        ("long form as a key", "a1180100"),
        ("long form under a key", "a1616118 01"),
        ("1.0 in single width", "fa3f800000"),
        ("1.0 in double width", "fb3ff0000000000000"),
        ("0.0 in single width", "fa00000000"),
        ("-0.0 in double width", "fb8000000000000000"),
        ("65504 in single width", "fa477fe000"),
        ("smallest half in single width", "fa33800000"),
        ("infinity in single width", "fa7f800000"),
        ("-infinity in double width", "fbfff0000000000000"),
        ("100000 in double width", "fb40f86a0000000000"),
        ("largest single in double width", "fb47efffffe0000000"),
        ("smallest single in double width", "fb36a0000000000000"),
        ("NaN in single width", "fa7fc00000"),
        ("NaN in double width", "fb7ff8000000000000"),
        ("signalling NaN", "f97c01"),
        ("NaN with a payload", "f97e01"),
        ("negative NaN", "f9fe00"),
        ("NaN that no half can be", "fb7ff8000000000001"),
        ("undefined", "f7"),
        ("simple 0", "e0"),
        ("simple 16", "f0"),
        ("simple 19", "f3"),
        ("simple 23 in an array", "8101f7"),
        ("simple 24 in one byte too few", "f8"),
        ("simple 0 in two bytes", "f800"),
        ("false in two bytes", "f814"),
        ("simple 31 in two bytes", "f81f"),
        ("simple 32", "f820"),
        ("simple 255", "f8ff"),
        ("undefined in an array", "8201f7"),
        ("undefined under a key", "a16161f7"),
        ("lone continuation byte", "6180"),
        ("overlong slash", "62c0af"),
        ("overlong NUL", "62c080"),
        ("high surrogate", "63eda080"),
        ("low surrogate", "63edbfbf"),
        ("surrogate pair", "66eda080edb080"),
        ("beyond the last code point", "64f4908080"),
        ("five byte form", "65f888808080"),
        ("cut sequence of two", "61c3"),
        ("cut sequence of three", "62e6b0"),
        ("cut sequence of four", "63f09085"),
        ("bad byte after good text", "6561626380ff"),
        ("bad second byte", "626128ff"),
        ("byte fe", "61fe"),
        ("byte ff in a key", "a161ff00"),
        ("bad text deep inside", "8181826161a1616161ff"),
        ("duplicate text key", "a2616101616102"),
        ("duplicate integer key", "a201000100"),
        ("duplicate negative key", "a220002000"),
        ("duplicate empty key", "a260006000"),
        ("duplicate key after others", "a3616101616202616203"),
        ("keys in falling order", "a2616201616102"),
        ("longer key first", "a262616101616202"),
        ("text before integer", "a261610001 00"),
        ("negative before positive", "a220000100"),
        ("falling integers", "a202000100"),
        ("falling negatives", "a221002000"),
        ("order wrong in an inner map", "a16161a2616201616102"),
        ("equal keys around another", "a3616101616202616103"),
        ("null as a key", "a1f600"),
        ("bool as a key", "a1f400"),
        ("float as a key", "a1f93c0000"),
        ("bytes as a key", "a1410000"),
        ("array as a key", "a18000"),
        ("map as a key", "a1a000"),
        ("tag as a key", "a1c10000"),
        ("array of more items than bytes", "9bffffffffffffffff"),
        ("array of 2^32 items", "9b0000000100000000"),
        ("map of more entries than bytes", "bbffffffffffffffff"),
        ("map of one entry and one byte", "a100"),
        ("map without its last value", "a2616101616 2"),
        ("text of more bytes than there are", "7bffffffffffffffff61"),
        ("bytes of more bytes than there are", "5a7fffffff61"),
        ("array in an array claims too much", "82 83 00 00"),
        ("tag without content", "c1"),
        ("known tag without content", "d825"),
        ("break alone", "ff"),
        ("break in an array", "8101ff"),
        ("break as a value", "a16161ff"),
        ("indefinite bytes in an array", "815f4101ff"),
        ("indefinite text as a key", "a17f6161ff00"),
        ("indefinite map under a tag", "d863bfff"),
        ("uuid of 15 bytes", "d8254f000102030405060708090a0b0c0d0e"),
        ("uuid of 17 bytes", "d825510001020304050607 08090a0b0c0d0e0f10"),
        ("uuid as text", "d8256161"),
        ("uuid as an array", "d82580"),
        ("entity id of 8 bytes", "d9e71d480102030405060708"),
        ("entity id as an integer", "d9e71d01"),
        ("timestamp as text", "d9e71e6161"),
        ("timestamp as a float", "d9e71ef93c00"),
        ("timestamp beyond 64 bits", "d9e71e1b8000000000000000"),
        ("timestamp below 64 bits", "d9e71e3b8000000000000000"),
        ("timestamp not shortest", "d9e71e1801"),
        ("decimal as an integer", "c401"),
        ("decimal of one number", "c48101"),
        ("decimal of three numbers", "c483010203"),
        ("decimal with a float mantissa", "c48201f93c00"),
        ("decimal with a text exponent", "c482616101"),
        ("decimal exponent beyond 10^18", "c4821b0de0b6b3a764000101"),
        ("decimal exponent beyond 64 bits", "c4821bffffffffffffffff01"),
        ("decimal mantissa of 128 bits", "c48200c25080000000000000000000000000000000"),
        ("decimal mantissa of 129 bits", "c48200c251010000000000000000000000000000 0000"),
        ("decimal mantissa under another tag", "c48200c101"),
        ("decimal mantissa a small bignum", "c48200c24101"),
        ("decimal array not shortest", "c498020001"),
        ("bignum as an integer", "c201"),
        ("bignum as text", "c26161"),
        ("empty bignum", "c240"),
        ("bignum of one byte", "c24101"),
        ("bignum of eight bytes", "c248ffffffffffffffff"),
        ("bignum with a leading zero", "c24a00010000000000000000"),
        ("negative bignum of eight bytes", "c348ffffffffffffffff"),
        ("half vector of an odd number of bytes", "d85443000102"),
        ("single vector of six bytes", "d85546000102030405"),
        ("double vector of four bytes", "d8564400010203"),
        ("vector as an array", "d8558101"),
        ("vector as text", "d84860"),
        ("big-endian half vector", "d850420001"),
        ("big-endian single vector", "d8514400000000"),
        ("big-endian double vector", "d852480000000000000000"),
        ("empty big-endian vector", "d85140"),
        ("big-endian vector of part of an element", "d8514100"),
        ("big-endian vector as an array", "d85180"),
    ] {
        all.push((name.to_owned(), unhex(&text.replace(' ', ""))));
    }
    for depth in [65, 66, 200] {
        all.push((format!("{depth} arrays in each other"), [vec![0x81; depth], vec![0x00]].concat()));
        all.push((format!("{depth} tags on each other"), [vec![0xc1; depth], vec![0x00]].concat()));
        let maps: Vec<u8> = [0xa1, 0x00].repeat(depth);
        all.push((format!("{depth} maps in each other"), [maps, vec![0x00]].concat()));
    }
    all.push(("300 arrays and no end".to_owned(), vec![0x81; 300]));
    all.push(("a bignum under 64 arrays".to_owned(), [vec![0x81; 64], unhex("c249010000000000000000")].concat()));
    all
}

pub(crate) fn must_refuse() -> Vec<Json> {
    mistakes()
        .into_iter()
        .map(|(name, bytes)| {
            let error = match decode(&bytes) {
                Err(error) => error,
                Ok(value) => panic!("{name}: {bytes:02x?} is {value:?}"),
            };
            json!({ "name": name, "cbor": hex(&bytes), "error": error.kind().name(), "offset": error.offset() })
        })
        .collect()
}
