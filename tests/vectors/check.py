#!/usr/bin/env python3
"""Checks every codec vector of this folder with an implementation of its own.

Shares no code with entidb_codec and needs nothing but the standard library. It reads
docs/spec/encoding.md the way any other language would: a strict decoder that says what is wrong and
at which byte, an encoder, and the ordered key layout in both directions of sorting.

    python3 tests/vectors/check.py
"""

import json
import math
import struct
import sys
from fractions import Fraction
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
DEPTH_MAX = 64
TAG_UUID, TAG_ID, TAG_TIMESTAMP, TAG_DECIMAL = 37, 59165, 59166, 4
VECTORS = {72: "i8", 84: "f16", 85: "f32", 86: "f64"}
BIG_ENDIAN = {80: "f16", 81: "f32", 82: "f64"}
SIZES = {"i8": 1, "f16": 2, "f32": 4, "f64": 8}
EXPONENT_MAX = 10**18


class Refused(Exception):
    """Bytes that are no canonical document: the kind of mistake, and where it stands."""

    def __init__(self, kind, offset):
        super().__init__(f"{kind} at {offset}")
        self.kind, self.offset = kind, offset


# Values are tuples of a kind and its content, so that 1, 1.0 and True stay apart:
# ("null",) ("bool", b) ("int", n) ("float", bits) ("text", s) ("bytes", b) ("array", [v])
# ("map", [(k, v)]) ("timestamp", n) ("uuid", b) ("id", b) ("decimal", m, e) ("vector", kind, b)
# ("tag", n, v)


def float_bits(number):
    return 0x7FF8 << 48 if math.isnan(number) else struct.unpack(">Q", struct.pack(">d", number))[0]


def bits_float(bits):
    return struct.unpack(">d", struct.pack(">Q", bits))[0]


# ---- encoding -------------------------------------------------------------------------------


def head(major, argument):
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * size):
            return bytes([major << 5 | info]) + argument.to_bytes(size, "big")
    raise ValueError(argument)


def encode_int(number):
    return head(0, number) if number >= 0 else head(1, -1 - number)


def encode_float(bits):
    number = bits_float(bits)
    if math.isnan(number):
        return bytes.fromhex("f97e00")
    for initial, form in ((0xF9, ">e"), (0xFA, ">f")):
        try:
            packed = struct.pack(form, number)
        except OverflowError:
            continue
        back = struct.unpack(form, packed)[0]
        if float_bits(back) == bits:
            return bytes([initial]) + packed
    return b"\xfb" + struct.pack(">d", number)


def encode_bignum(number):
    if -(1 << 64) <= number < 1 << 64:
        return encode_int(number)
    tag, magnitude = (2, number) if number >= 0 else (3, -1 - number)
    raw = magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "big")
    return head(6, tag) + head(2, len(raw)) + raw


def encode(value):
    kind = value[0]
    if kind == "null":
        return b"\xf6"
    if kind == "bool":
        return b"\xf5" if value[1] else b"\xf4"
    if kind == "int":
        return encode_int(value[1])
    if kind == "float":
        return encode_float(value[1])
    if kind == "text":
        raw = value[1].encode()
        return head(3, len(raw)) + raw
    if kind == "bytes":
        return head(2, len(value[1])) + value[1]
    if kind == "array":
        return head(4, len(value[1])) + b"".join(map(encode, value[1]))
    if kind == "map":
        entries = sorted((encode(k), encode(v)) for k, v in value[1])
        return head(5, len(entries)) + b"".join(k + v for k, v in entries)
    if kind == "timestamp":
        return head(6, TAG_TIMESTAMP) + encode_int(value[1])
    if kind in ("uuid", "id"):
        return head(6, TAG_UUID if kind == "uuid" else TAG_ID) + head(2, 16) + value[1]
    if kind == "decimal":
        return head(6, 4) + head(4, 2) + encode_int(value[2]) + encode_bignum(value[1])
    if kind == "vector":
        tag = next(tag for tag, name in VECTORS.items() if name == value[1])
        return head(6, tag) + head(2, len(value[2])) + value[2]
    if kind == "tag":
        return head(6, value[1]) + encode(value[2])
    raise ValueError(kind)


# ---- strict decoding ------------------------------------------------------------------------


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def head(self):
        start = self.at
        if self.left() == 0:
            raise Refused("truncated", start)
        major, info = self.data[start] >> 5, self.data[start] & 31
        self.at += 1
        if info < 24:
            return major, info, info, start
        if info > 27:
            if info == 31 and 2 <= major <= 5:
                raise Refused("indefinite_length", start)
            raise Refused("malformed", start)
        size = 1 << (info - 24)
        if self.left() < size:
            raise Refused("truncated", start)
        argument = int.from_bytes(self.data[self.at : self.at + size], "big")
        if major == 7:
            if info == 24:
                if argument < 32:
                    raise Refused("malformed", start)
            else:
                raw = self.data[start : self.at + size]
                form = {25: ">e", 26: ">f", 27: ">d"}[info]
                if encode_float(float_bits(struct.unpack(form, raw[1:])[0])) != raw:
                    raise Refused("not_shortest_float", start)
        elif argument < (24, 1 << 8, 1 << 16, 1 << 32)[info - 24]:
            raise Refused("not_shortest", start)
        self.at += size
        return major, info, argument, start

    def string(self, major, argument, start):
        if argument > self.left():
            raise Refused("truncated", start)
        raw = self.data[self.at : self.at + argument]
        self.at += argument
        if major == 2:
            return raw
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused("invalid_utf8", self.at - argument + error.start) from None

    def count(self, argument, start, least):
        if argument > self.left() // least:
            raise Refused("truncated", start)
        return argument

    def item(self, depth):
        major, info, argument, start = self.head()
        if major <= 1:
            return ("int", argument if major == 0 else -1 - argument)
        if major in (2, 3):
            return ("bytes" if major == 2 else "text", self.string(major, argument, start))
        if major == 4:
            deeper(depth, start)
            return ("array", [self.item(depth + 1) for _ in range(self.count(argument, start, 1))])
        if major == 5:
            deeper(depth, start)
            entries, last = [], b""
            for _ in range(self.count(argument, start, 2)):
                at = self.at
                key = self.key()
                raw = self.data[at : self.at]
                if raw == last:
                    raise Refused("duplicate_key", at)
                if raw < last:
                    raise Refused("key_order", at)
                last = raw
                entries.append((key, self.item(depth + 1)))
            return ("map", entries)
        if major == 6:
            known = self.known(argument, start)
            if known is None or known[0] == "bignum":
                deeper(depth, start)
            if known is None:
                return ("tag", argument, self.item(depth + 1))
            return ("tag", argument, ("bytes", known[2])) if known[0] == "bignum" else known
        if info in (20, 21):
            return ("bool", info == 21)
        if info == 22:
            return ("null",)
        if 25 <= info <= 27:
            form = {25: ">e", 26: ">f", 27: ">d"}[info]
            return ("float", float_bits(struct.unpack(form, self.data[start + 1 : self.at])[0]))
        raise Refused("unsupported_simple", start)

    def key(self):
        major, _, argument, start = self.head()
        if major <= 1:
            return ("int", argument if major == 0 else -1 - argument)
        if major == 3:
            return ("text", self.string(major, argument, start))
        raise Refused("key_type", start)

    def number(self, tag_start):
        major, _, argument, _ = self.head()
        if major > 1:
            raise Refused("tag_content", tag_start)
        return argument if major == 0 else -1 - argument

    def raw(self, tag_start):
        major, _, argument, start = self.head()
        if major != 2:
            raise Refused("tag_content", tag_start)
        return self.string(major, argument, start)

    def known(self, tag, start):
        wrong = Refused("tag_content", start)
        if tag == TAG_TIMESTAMP:
            micros = self.number(start)
            if not -(1 << 63) <= micros < 1 << 63:
                raise wrong
            return ("timestamp", micros)
        if tag in (TAG_UUID, TAG_ID):
            raw = self.raw(start)
            if len(raw) != 16:
                raise wrong
            return ("uuid" if tag == TAG_UUID else "id", raw)
        if tag in (2, 3):
            raw = self.raw(start)
            if len(raw) <= 8 or raw[0] == 0:
                raise Refused("tag_form", start)
            number = int.from_bytes(raw, "big")
            return ("bignum", number if tag == 2 else -1 - number, raw)
        if tag == TAG_DECIMAL:
            major, _, argument, _ = self.head()
            if (major, argument) != (4, 2):
                raise wrong
            exponent = self.number(start)
            if not -(1 << 63) <= exponent < 1 << 63:
                raise wrong
            major, _, argument, inner = self.head()
            if major <= 1:
                mantissa = argument if major == 0 else -1 - argument
            elif major == 6:
                part = self.known(argument, inner)
                if part is None or part[0] != "bignum":
                    raise wrong
                mantissa = part[1]
            else:
                raise wrong
            if abs(exponent) > EXPONENT_MAX or not -(1 << 127) <= mantissa < 1 << 127:
                raise wrong
            return ("decimal", mantissa, exponent)
        kind = VECTORS.get(tag) or BIG_ENDIAN.get(tag)
        if kind is None:
            return None
        raw = self.raw(start)
        if len(raw) % SIZES[kind]:
            raise wrong
        if tag in BIG_ENDIAN:
            raise Refused("tag_form", start)
        return ("vector", kind, raw)


def deeper(depth, start):
    if depth >= DEPTH_MAX:
        raise Refused("too_deep", start)


def decode(data):
    reader = Reader(data)
    value = reader.item(0)
    if reader.left():
        raise Refused("trailing_bytes", reader.at)
    return value


# ---- canonicalising: a lenient reader -------------------------------------------------------


def lenient(data, at=0):
    """The value of any well-formed item, and where it ends; ValueError where it is none."""
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    argument = info
    if 24 <= info <= 27:
        size = 1 << (info - 24)
        raw = data[at : at + size]
        argument, at = int.from_bytes(raw, "big"), at + size
    indefinite = info == 31

    def items():
        nonlocal at
        found = []
        while (data[at] != 0xFF) if indefinite else (len(found) < argument * (2 if major == 5 else 1)):
            value, at = lenient(data, at)
            found.append(value)
        at += indefinite
        return found

    if major <= 1:
        return ("int", argument if major == 0 else -1 - argument), at
    if major in (2, 3):
        if indefinite:
            pieces = [piece[1] for piece in items()]
            whole = (b"" if major == 2 else "").join(pieces)
        else:
            whole, at = data[at : at + argument], at + argument
            whole = whole if major == 2 else whole.decode()
        return ("bytes" if major == 2 else "text", whole), at
    if major == 4:
        return ("array", items()), at
    if major == 5:
        flat = items()
        return ("map", list(zip(flat[::2], flat[1::2]))), at
    if major == 6:
        content, at = lenient(data, at)
        if argument in (2, 3) and content[0] == "bytes":
            number = int.from_bytes(content[1], "big")
            number = number if argument == 2 else -1 - number
            if -(1 << 64) <= number < 1 << 64:
                return ("int", number), at
            return ("tag", argument, ("bytes", content[1].lstrip(b"\0"))), at
        return ("tag", argument, content), at
    if info in (20, 21):
        return ("bool", info == 21), at
    if info == 22:
        return ("null",), at
    if 25 <= info <= 27:
        return ("float", float_bits(struct.unpack({25: ">e", 26: ">f", 27: ">d"}[info], raw)[0])), at
    raise ValueError("no such value")


# ---- ordered keys ---------------------------------------------------------------------------


def sortable_double(number):
    bits = float_bits(number)
    return (bits ^ ((1 << 64) - 1) if bits >> 63 else bits | 1 << 63).to_bytes(8, "big")


def floor_double(number):
    if abs(number) > Fraction(sys.float_info.max):
        return sys.float_info.max if number > 0 else -math.inf
    near = float(number)
    if math.isinf(near):
        near = math.nextafter(near, 0)
    return math.nextafter(near, -math.inf) if Fraction(near) > number else near


def ordered_number(value):
    residual, beyond = 0, b"\0"
    if value[0] == "float":
        floor = bits_float(value[1]) + 0.0
        if math.isnan(floor):
            return bytes(8) + beyond
    else:
        mantissa, exponent = value[1], value[2] if value[0] == "decimal" else 0
        first = exponent + len(str(abs(mantissa))) - 1
        if mantissa and abs(first) > 400:
            # Far beyond all doubles, or nearer to zero than any.
            floor = (sys.float_info.max, -math.inf) if first > 0 else (0.0, -5e-324)
            floor, is_exact = floor[mantissa < 0], False
        else:
            number = mantissa * Fraction(10) ** exponent
            floor = floor_double(number)
            is_whole = number.denominator == 1 and -(2**64) <= number < 2**64
            is_exact = is_whole or not math.isinf(floor) and Fraction(floor) == number
            if not math.isinf(floor):
                residual = math.floor(number - Fraction(floor))
        if not is_exact:
            beyond = b"\1" + ordered_decimal(mantissa, exponent)
    key = sortable_double(floor)
    return (key + residual.to_bytes(2, "big") if 2.0**53 <= abs(floor) <= 2.0**64 else key) + beyond


def ordered_string(raw):
    return raw.replace(b"\0", b"\0\xff") + b"\0\x01"


def ordered_decimal(mantissa, exponent):
    digits = str(abs(mantissa))
    first = exponent + len(digits) - 1
    digits = digits.rstrip("0")
    digits += "0" * (len(digits) % 2)
    body = (first + (1 << 63)).to_bytes(8, "big")
    body += bytes(int(digits[i : i + 2]) + 1 for i in range(0, len(digits), 2)) + b"\0"
    return b"\xc0" + body if mantissa > 0 else b"\x40" + invert(body)


def invert(raw):
    return bytes(byte ^ 0xFF for byte in raw)


def ordered_vector(kind, raw):
    size = SIZES[kind]
    out = bytes([["f16", "f32", "f64", "i8"].index(kind) + 1]) + (len(raw) // size).to_bytes(8, "big")
    for at in range(0, len(raw), size):
        element = raw[at : at + size][::-1]
        if kind != "i8" and element[0] & 0x80:
            element = invert(element)
        else:
            element = bytes([element[0] ^ 0x80]) + element[1:]
        out += element
    return out


def ordered(value):
    if value is None:
        return b"\x05"
    kind = value[0]
    if kind == "null":
        return b"\x06"
    if kind == "bool":
        return b"\x09" if value[1] else b"\x08"
    if kind in ("int", "float", "decimal"):
        return b"\x20" + ordered_number(value)
    if kind == "text":
        return b"\x30" + ordered_string(value[1].encode())
    if kind == "bytes":
        return b"\x38" + ordered_string(value[1])
    if kind == "timestamp":
        return b"\x40" + (value[1] + (1 << 63)).to_bytes(8, "big")
    if kind == "uuid":
        return b"\x44" + value[1]
    if kind == "id":
        return b"\x48" + value[1]
    if kind == "array":
        return b"\x50" + b"".join(map(ordered, value[1])) + b"\0"
    if kind == "map":
        entries = sorted(value[1], key=lambda entry: encode(entry[0]))
        return b"\x58" + b"".join(ordered(k) + ordered(v) for k, v in entries) + b"\0"
    if kind == "vector":
        return b"\x60" + ordered_vector(value[1], value[2])
    if kind == "tag":
        return b"\x68" + value[1].to_bytes(8, "big") + ordered(value[2])
    raise ValueError(kind)


# ---- values as JSON -------------------------------------------------------------------------


def from_json(shown):
    if shown is None:
        return ("null",)
    if isinstance(shown, bool):
        return ("bool", shown)
    if isinstance(shown, int):
        return ("int", shown)
    if isinstance(shown, str):
        return ("text", shown)
    if isinstance(shown, list):
        return ("array", [from_json(element) for element in shown])
    special = next(iter(shown), "")
    if not special.startswith("$"):
        return ("map", [(("text", key), from_json(value)) for key, value in shown.items()])
    content = shown[special]
    if special == "$int":
        return ("int", int(content))
    if special == "$float":
        return ("float", float_bits(float(content)))
    if special == "$bytes":
        return ("bytes", bytes.fromhex(content))
    if special == "$timestamp":
        return ("timestamp", int(content))
    if special in ("$uuid", "$id"):
        return (special[1:], bytes.fromhex(content))
    if special == "$decimal":
        return ("decimal", int(content[0]), int(content[1]))
    if special == "$vector":
        return ("vector", content[0], bytes.fromhex(content[1]))
    if special == "$tag":
        return ("tag", int(content[0]), from_json(content[1]))
    if special == "$map":
        return ("map", [(from_json(key), from_json(value)) for key, value in content])
    raise ValueError(special)


def sorted_maps(value):
    """The value with its maps in canonical order, to compare values by."""
    if value[0] == "array":
        return ("array", [sorted_maps(element) for element in value[1]])
    if value[0] == "map":
        entries = [(key, sorted_maps(content)) for key, content in value[1]]
        return ("map", sorted(entries, key=lambda entry: encode(entry[0])))
    if value[0] == "tag":
        return ("tag", value[1], sorted_maps(value[2]))
    return value


# ---- the checks -----------------------------------------------------------------------------

checked = 0


def same(found, expected, what):
    global checked
    checked += 1
    if found != expected:
        sys.exit(f"{what}\n  found    {found}\n  expected {expected}")


def load(name):
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def element(shown):
    return None if isinstance(shown, dict) and "$missing" in shown else from_json(shown)


def check_values():
    for vector in load("values")["vectors"]:
        value = sorted_maps(from_json(vector["value"]))
        same(encode(value).hex(), vector["cbor"], f"encoding {vector['value']}")
        same(decode(bytes.fromhex(vector["cbor"])), value, f"decoding {vector['cbor']}")
        same(ordered(value).hex(), vector["ordered"], f"key of {vector['value']}")
        if "from_ordered" in vector:
            back = from_json(vector["from_ordered"])
            same(ordered(back).hex(), vector["ordered"], f"key of {vector['from_ordered']}")


def check_ordered():
    file = load("ordered")
    previous = None
    for vector in file["elements"]:
        key = ordered(element(vector["value"]))
        same(key.hex(), vector["ascending"], f"key of {vector['value']}")
        same(invert(key).hex(), vector["descending"], f"descending key of {vector['value']}")
        if previous is not None:
            same(previous == key, vector["equal_to_previous"], f"equality of {vector['value']}")
            same(previous <= key, True, f"order of {vector['value']}")
        previous = key
    for vector in file["tuples"]:
        key = b""
        for shown, direction in vector["elements"]:
            part = ordered(element(shown))
            key += invert(part) if direction == "descending" else part
        same(key.hex(), vector["key"], f"tuple {vector['elements']}")


def refusal(data):
    try:
        return decode(data)
    except Refused as refused:
        return (refused.kind, refused.offset)


def check_must_refuse():
    for vector in load("must_refuse")["vectors"]:
        expected = (vector["error"], vector["offset"])
        same(refusal(bytes.fromhex(vector["cbor"])), expected, vector["name"])


def check_appendix_a():
    for vector in load("rfc8949_appendix_a")["vectors"]:
        data = bytes.fromhex(vector["cbor"])
        if "value" in vector:
            value = sorted_maps(from_json(vector["value"]))
            same(decode(data), value, f"decoding {vector['cbor']}")
            same(encode(value), data, f"encoding {vector['value']}")
            continue
        same(refusal(data), (vector["error"], vector["offset"]), vector["cbor"])
        try:
            value, end = lenient(data)
            same(end, len(data), f"end of {vector['cbor']}")
            canonical = encode(sorted_maps(value)).hex()
        except ValueError:
            canonical = None
        same(canonical, vector.get("canonical"), f"canonical form of {vector['cbor']}")


def main():
    for check in (check_values, check_ordered, check_must_refuse, check_appendix_a):
        check()
    print(f"{checked} checks passed")


if __name__ == "__main__":
    main()
