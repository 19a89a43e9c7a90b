#!/usr/bin/env python3
"""Reads tests/vectors/crypto.json with nothing but docs/spec/encryption.md and independent libraries.

Needs (for development only): pip install cryptography argon2-cffi xxhash
"""

import json
import pathlib
import struct
import sys
import zlib

import xxhash
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"\x89EntiDB\n"
COPY, SLOTS_AT, SLOT, LIST_AT = 8192, 144, 192, 1680


class Mismatch(Exception):
    """The bytes are not what the specification says."""


def expect(found, wanted, what):
    if found != wanted:
        raise Mismatch(f"{what}: found {found!r}, wanted {wanted!r}")


def hkdf(secret, salt, info):
    return HKDF(hashes.SHA256(), 32, salt, info).derive(secret)


class File:
    """One file: its header, its key or none, and how to open its units."""

    def __init__(self, header, data_key):
        expect(len(header), 128, "length of the file header")
        expect(header[:8], MAGIC, "magic")
        version, self.kind, self.cipher = struct.unpack_from("<HBB", header, 8)
        expect(version, 1, "version")
        (self.number,) = struct.unpack_from("<Q", header, 24)
        self.database_id = header[32:48]
        (self.generation,) = struct.unpack_from("<I", header, 48)
        expect(struct.unpack_from("<I", header, 124)[0], zlib.crc32(header[:124]), "checksum of the file header")
        self.seed = xxhash.xxh3_64(header[:124]).intdigest()
        self.key = None
        if self.cipher == 1:
            self.key = AESGCM(hkdf(data_key, header[56:88], b"entidb/v1/file" + header[:124]))

    def open(self, stream, number, offset, clear, previous_tag, stored):
        place = struct.pack("<IQQ", stream, number, offset)
        if self.cipher == 0:
            body, checksum = stored[:-8], stored[-8:]
            seed = xxhash.xxh3_64(place, seed=self.seed).intdigest()
            seed = xxhash.xxh3_64(clear, seed=seed).intdigest()
            expect(struct.pack("<Q", xxhash.xxh3_64(body, seed=seed).intdigest()), checksum, "checksum")
            return body, checksum + bytes(8)
        sealed, checksum = stored[:-4], stored[-4:]
        crc = zlib.crc32(struct.pack("<Q", self.seed) + place + clear + sealed)
        expect(struct.pack("<I", crc), checksum, "checksum")
        nonce = struct.pack(">IQ", stream, number)
        aad = (
            b"entidb/v1"
            + self.database_id
            + struct.pack(">BQI", self.kind, self.number, self.generation)
            + struct.pack(">QQ", number, offset)
            + clear
            + previous_tag
        )
        return self.key.decrypt(nonce, sealed, aad), sealed[-16:]


def check_file(vector):
    file = File(bytes.fromhex(vector["header"]), bytes.fromhex(vector["data_key"]))
    for unit in vector["units"]:
        place = (unit["stream"], unit["number"], unit["offset"])
        clear, previous_tag, stored = (bytes.fromhex(unit[name]) for name in ("clear", "previous_tag", "stored"))
        body, tag = file.open(*place, clear, previous_tag, stored)
        expect(body.hex(), unit["body"], "body")
        expect(tag.hex(), unit["tag"], "tag")
        damaged = bytes([stored[0] ^ 1]) + stored[1:]
        try:
            file.open(*place, clear, previous_tag, damaged)
        except Mismatch:
            continue
        raise Mismatch("a changed byte went unnoticed")
    return len(vector["units"])


def user_key(slot, raw, password):
    kind, memory, passes, lanes = struct.unpack_from("<IIII", slot)
    if kind == 1:
        return hkdf(raw, slot[16:32], b"entidb/v1/raw")
    expect(kind, 2, "kind of slot")
    return hash_secret_raw(password, slot[16:32], passes, memory, lanes, 32, Type.ID)


def check_keyring(vector):
    file = bytes.fromhex(vector["file"])
    expect(len(file), 2 * COPY, "length of the keyring")
    expect(file[:COPY], file[COPY:], "copy B")
    copy = file[:COPY]
    expect(struct.unpack_from("<I", copy, COPY - 4)[0], zlib.crc32(copy[:-4]), "checksum of the copy")
    header = copy[:128]
    database_id = header[32:48]
    (length,) = struct.unpack_from("<I", copy, 136)
    opened = 0
    for place in range(8):
        slot = copy[SLOTS_AT + place * SLOT : SLOTS_AT + (place + 1) * SLOT]
        if not any(slot):
            continue
        key = user_key(slot, bytes.fromhex(vector["raw"]), vector["password"].encode())
        expect(hkdf(key, slot[32:64], b"entidb/v1/slot/commitment"), slot[64:96], "commitment")
        wrap = AESGCM(hkdf(key, slot[32:64], b"entidb/v1/slot/wrap"))
        root_key = wrap.decrypt(bytes(12), slot[96:144], b"entidb/v1/slot" + database_id + slot[:96])
        sealed = copy[LIST_AT : LIST_AT + length]
        listed, _ = File(header, root_key).open(1, 0, 0, copy[128:LIST_AT], bytes(16), sealed)
        found = [
            {"generation": struct.unpack_from("<I", listed, at)[0], "key": listed[at + 4 : at + 36].hex()}
            for at in range(0, len(listed), 36)
        ]
        expect(found, vector["data_keys"], "data keys")
        opened += 1
    return opened


def main():
    path = pathlib.Path(__file__).with_name("crypto.json")
    vectors = json.loads(path.read_text(encoding="utf-8"))
    units = sum(check_file(vector) for vector in vectors["files"])
    slots = check_keyring(vectors["keyring"])
    print(f"{len(vectors['files'])} files, {units} units, {slots} key slots")
    print(f"{units + slots} passed, 0 failed, 0 skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
