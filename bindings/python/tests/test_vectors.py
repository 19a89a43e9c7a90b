"""The shared vectors of the encoding: the same bytes in every language."""

from __future__ import annotations

import json
import sys

import entidb
import pytest

sys.path.insert(0, __file__.rpartition("/")[0])
from shared import value_from

#: The code that each kind of refusal has outside of the codec.
CODES = {
    "truncated": "TRUNCATED",
    "malformed": "MALFORMED",
    "not_shortest": "NOT_CANONICAL",
    "not_shortest_float": "NOT_CANONICAL",
    "indefinite_length": "NOT_CANONICAL",
    "key_order": "NOT_CANONICAL",
    "tag_form": "NOT_CANONICAL",
    "tag_content": "INVALID_TAG_CONTENT",
    "trailing_bytes": "TRAILING_BYTES",
    "invalid_utf8": "INVALID_UTF8",
    "too_deep": "TOO_DEEP",
    "unsupported_simple": "UNSUPPORTED_ITEM",
    "key_type": "INVALID_KEY",
    "duplicate_key": "DUPLICATE_KEY",
}


def vectors(root, name):
    found = json.loads((root / "tests" / "vectors" / f"{name}.json").read_text(encoding="utf-8"))
    assert found["format"] == 1
    return found["vectors"]


def test_every_value_has_its_bytes_and_comes_back(root):
    checked = 0
    for vector in vectors(root, "values"):
        data = bytes.fromhex(vector["cbor"])
        value = value_from(vector["value"])
        assert entidb.cbor.dumps(value) == data, vector
        back = entidb.cbor.loads(data)
        assert entidb.cbor.dumps(back) == data, vector
        assert type(back) is type(value), vector
        if back == back:
            assert back == value, vector
        checked += 1
    assert checked >= 300


def test_every_refused_encoding_is_refused_with_code_and_offset(root):
    checked = 0
    for vector in vectors(root, "must_refuse"):
        with pytest.raises(entidb.EncodingError) as caught:
            entidb.cbor.loads(bytes.fromhex(vector["cbor"]))
        assert caught.value.name == CODES[vector["error"]], vector
        assert caught.value.offset == vector["offset"], vector
        checked += 1
    assert checked >= 300


def test_the_examples_of_rfc_8949_are_read_or_refused_as_agreed(root):
    for vector in vectors(root, "rfc8949_appendix_a"):
        data = bytes.fromhex(vector["cbor"])
        if "error" not in vector:
            assert entidb.cbor.dumps(value_from(vector["value"])) == data, vector
            assert entidb.cbor.dumps(entidb.cbor.loads(data)) == data, vector
            continue
        with pytest.raises(entidb.EncodingError) as caught:
            entidb.cbor.loads(data)
        assert caught.value.name == CODES[vector["error"]], vector
        if "canonical" in vector:
            assert entidb.cbor.canonicalise(data) == bytes.fromhex(vector["canonical"]), vector
        else:
            with pytest.raises(entidb.EncodingError) as caught:
                entidb.cbor.canonicalise(data)
            assert caught.value.name == CODES[vector["not_canonicalised"]], vector
