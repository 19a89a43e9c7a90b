//! `doc!` and `patch!`: documents and changes written as they look.
//!
//! Always: keys and values may be any expression that converts; nothing is parsed at run time.
//! Does not know: serde types; wrap those in `to_value(&x)?`.

/// Builds a [`Value`](crate::Value) from what looks like JSON.
///
/// Values are literals, `null`, nested `[…]` and `{…}`, or any expression that is `Into<Value>`.
/// The outermost braces may be left to the macro itself.
///
/// ```
/// use entidb_codec::{doc, Value};
/// let stars = 5_u8;
/// let note = doc! { "title": "Hello", "tags": ["first", null], "at": { "x": 1.5, 7: true }, "stars": stars };
/// assert_eq!(note.get("stars"), Some(&Value::from(5)));
/// assert_eq!(doc!([1, 2]), Value::from(vec![1, 2]));
/// assert_eq!(doc!({}), doc! {});
/// ```
#[macro_export]
macro_rules! doc {
    // A bare list of entries, or nothing, is a map.
    () => { $crate::Value::Map($crate::Map::new()) };
    (null) => { $crate::Value::Null };
    ([ $($element:tt)* ]) => { $crate::Value::Array($crate::doc!(@array [] $($element)*)) };
    ({ $($entry:tt)* }) => { $crate::Value::Map($crate::doc!(@map [] $($entry)*)) };

    (@array [$($done:expr,)*]) => { ::std::vec![$($done),*] };
    (@array [$($done:expr,)*] null $(, $($rest:tt)*)?) => {
        $crate::doc!(@array [$($done,)* $crate::Value::Null,] $($($rest)*)?)
    };
    (@array [$($done:expr,)*] [$($inner:tt)*] $(, $($rest:tt)*)?) => {
        $crate::doc!(@array [$($done,)* $crate::doc!([$($inner)*]),] $($($rest)*)?)
    };
    (@array [$($done:expr,)*] {$($inner:tt)*} $(, $($rest:tt)*)?) => {
        $crate::doc!(@array [$($done,)* $crate::doc!({$($inner)*}),] $($($rest)*)?)
    };
    (@array [$($done:expr,)*] $next:expr $(, $($rest:tt)*)?) => {
        $crate::doc!(@array [$($done,)* $crate::Value::from($next),] $($($rest)*)?)
    };

    (@map [$($done:expr,)*]) => {
        ::std::vec::Vec::<($crate::Key, $crate::Value)>::from([$($done),*])
            .into_iter()
            .collect::<$crate::Map>()
    };
    (@map [$($done:expr,)*] $key:tt : null $(, $($rest:tt)*)?) => {
        $crate::doc!(@map [$($done,)* ($crate::Key::from($key), $crate::Value::Null),] $($($rest)*)?)
    };
    (@map [$($done:expr,)*] $key:tt : [$($inner:tt)*] $(, $($rest:tt)*)?) => {
        $crate::doc!(@map [$($done,)* ($crate::Key::from($key), $crate::doc!([$($inner)*])),] $($($rest)*)?)
    };
    (@map [$($done:expr,)*] $key:tt : {$($inner:tt)*} $(, $($rest:tt)*)?) => {
        $crate::doc!(@map [$($done,)* ($crate::Key::from($key), $crate::doc!({$($inner)*})),] $($($rest)*)?)
    };
    (@map [$($done:expr,)*] $key:tt : $value:expr $(, $($rest:tt)*)?) => {
        $crate::doc!(@map [$($done,)* ($crate::Key::from($key), $crate::Value::from($value)),] $($($rest)*)?)
    };

    ($key:tt : $($rest:tt)*) => { $crate::doc!({ $key : $($rest)* }) };
    ($other:expr) => { $crate::Value::from($other) };
}

/// Builds a [`Patch`](crate::Patch): `key: value` sets a field, and `remove`, `increment` and
/// `append` do what they say. Keys are fields, or any expression in parentheses that is a `Path`.
///
/// ```
/// use entidb_codec::{decode, doc, encode, patch, Path};
/// let change = patch! {
///     "title": "Hi",
///     remove "draft",
///     increment "stars": 1,
///     append (Path::field("tags")): "seen",
/// };
/// let before = encode(&doc! { "title": "Hello", "draft": true, "stars": 4, "tags": [] });
/// let after = entidb_codec::apply(&before, &change)?;
/// assert_eq!(decode(&after)?, doc! { "title": "Hi", "stars": 5, "tags": ["seen"] });
/// # Ok::<(), entidb_codec::Error>(())
/// ```
#[macro_export]
macro_rules! patch {
    (@entry ($patch:expr)) => { $patch };
    (@entry ($patch:expr) remove $path:tt $(, $($rest:tt)*)?) => {
        $crate::patch!(@entry ($patch.remove($path)) $($($rest)*)?)
    };
    (@entry ($patch:expr) increment $path:tt : $value:expr $(, $($rest:tt)*)?) => {
        $crate::patch!(@entry ($patch.increment($path, $value)) $($($rest)*)?)
    };
    (@entry ($patch:expr) append $path:tt : $($rest:tt)*) => {
        $crate::patch!(@value ($patch) append $path $($rest)*)
    };
    (@entry ($patch:expr) $path:tt : $($rest:tt)*) => {
        $crate::patch!(@value ($patch) set $path $($rest)*)
    };
    (@value ($patch:expr) $verb:ident $path:tt null $(, $($rest:tt)*)?) => {
        $crate::patch!(@entry ($patch.$verb($path, $crate::Value::Null)) $($($rest)*)?)
    };
    (@value ($patch:expr) $verb:ident $path:tt [$($inner:tt)*] $(, $($rest:tt)*)?) => {
        $crate::patch!(@entry ($patch.$verb($path, $crate::doc!([$($inner)*]))) $($($rest)*)?)
    };
    (@value ($patch:expr) $verb:ident $path:tt {$($inner:tt)*} $(, $($rest:tt)*)?) => {
        $crate::patch!(@entry ($patch.$verb($path, $crate::doc!({$($inner)*}))) $($($rest)*)?)
    };
    (@value ($patch:expr) $verb:ident $path:tt $value:expr $(, $($rest:tt)*)?) => {
        $crate::patch!(@entry ($patch.$verb($path, $value)) $($($rest)*)?)
    };
    ($($entry:tt)*) => { $crate::patch!(@entry ($crate::Patch::new()) $($entry)*) };
}
