//! The vectors of Project Wycheproof: published ones that look for the mistakes implementations make.

use super::{AesGcmProvider, Provider, derive};

const AES_GCM: &str = include_str!("../../../../tests/vectors/wycheproof_aes_gcm.txt");
const HKDF: &str = include_str!("../../../../tests/vectors/wycheproof_hkdf_sha256.txt");

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.bytes().filter(|byte| *byte != b'-').map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect())
}

#[test]
fn aes_256_gcm_agrees_with_every_wycheproof_vector_we_can_express() {
    let (mut valid, mut invalid) = (0, 0);
    for vector in lines(AES_GCM) {
        let [id, result, key, nonce, aad, text, sealed, tag] = vector[..] else { panic!("{vector:?}") };
        let aead = AesGcmProvider.aes_256_gcm(&hex(key).try_into().unwrap());
        let (nonce, aad, tag) = (hex(nonce).try_into().unwrap(), hex(aad), hex(tag).try_into().unwrap());
        let mut body = hex(sealed);
        let opened = aead.open(&nonce, &aad, &mut body, &tag);
        if result == "valid" {
            assert!(opened.is_ok(), "vector {id}");
            assert_eq!(body, hex(text), "vector {id}");
            assert_eq!(aead.seal(&nonce, &aad, &mut body).unwrap(), tag, "vector {id}");
            assert_eq!(body, hex(sealed), "vector {id}");
            valid += 1;
        } else {
            assert!(opened.is_err(), "vector {id}");
            invalid += 1;
        }
    }
    assert_eq!((valid, invalid), (39, 27));
}

#[test]
fn hkdf_sha_256_agrees_with_every_wycheproof_vector() {
    let mut count = 0;
    for vector in lines(HKDF) {
        let [id, result, secret, salt, info, size, key] = vector[..] else { panic!("{vector:?}") };
        let mut out = vec![0; size.parse().unwrap()];
        let expanded = derive::expand(&hex(secret), &hex(salt), &[&hex(info)], &mut out);
        assert_eq!(expanded.is_ok(), result == "valid", "vector {id}");
        if expanded.is_ok() {
            assert_eq!(out, hex(key), "vector {id}");
        }
        count += 1;
    }
    assert_eq!(count, 86);
}
