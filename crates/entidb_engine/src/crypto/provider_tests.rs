//! Published vectors of AES-256-GCM.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

const TEXT: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                    b16aedf5aa0de657ba637b391aafd255";
const CIPHER_TEXT: &str = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056\
                           828838c5f61e6393ba7a0abcc9f662898015ad";
const KEY: &str = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";

/// Test cases 13 to 16 of "The Galois/Counter Mode of Operation" (McGrew and Viega), the ones with 256-bit keys and
/// 96-bit nonces.
#[test]
fn the_cipher_agrees_with_the_vectors_of_its_specification() {
    let zero_key = "0".repeat(64);
    let zero_nonce = "0".repeat(24);
    let zero_block = "0".repeat(32);
    let cases: [(&str, &str, &str, &str, &str, &str); 4] = [
        (&zero_key, &zero_nonce, "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
        (
            &zero_key,
            &zero_nonce,
            "",
            &zero_block,
            "cea7403d4d606b6e074ec5d3baf39d18",
            "d0d1c8a799996bf0265b98b5d48ab919",
        ),
        (KEY, "cafebabefacedbaddecaf888", "", TEXT, CIPHER_TEXT, "b094dac5d93471bdec1a502270e3cc6c"),
        (
            KEY,
            "cafebabefacedbaddecaf888",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            TEXT.get(..120).unwrap(),
            CIPHER_TEXT.get(..120).unwrap(),
            "76fc6ece0f4e1768cddf8853bb2d551b",
        ),
    ];
    for (key, nonce, aad, text, cipher_text, tag) in cases {
        let aead = AesGcmProvider.aes_256_gcm(&hex(key).try_into().unwrap());
        let (nonce, aad) = (hex(nonce).try_into().unwrap(), hex(aad));
        let mut body = hex(text);
        let found = aead.seal(&nonce, &aad, &mut body).unwrap();
        assert_eq!((body.as_slice(), found.as_slice()), (hex(cipher_text).as_slice(), hex(tag).as_slice()));
        aead.open(&nonce, &aad, &mut body, &found).unwrap();
        assert_eq!(body, hex(text));
    }
}

#[test]
fn a_wrong_tag_decrypts_nothing() {
    let aead = AesGcmProvider.aes_256_gcm(&[1; 32]);
    let mut body = b"text that must not come out".to_vec();
    let tag = aead.seal(&[2; 12], b"", &mut body).unwrap();
    let sealed = body.clone();
    for bit in 0..128 {
        let mut tag = tag;
        tag[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(aead.open(&[2; 12], b"", &mut body, &tag), Err(AeadFailure));
        assert_eq!(body, sealed, "the cipher text was decrypted in spite of its tag");
    }
}
