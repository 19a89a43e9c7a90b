// The vectors of the encoding, tests/vectors, as every language runs them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { EncodingError, cbor } from "entidb";

import { fromJson, hex, unhex } from "./diagnostic.mjs";

const read = (name) => JSON.parse(readFileSync(new URL(`../../../tests/vectors/${name}`, import.meta.url), "utf8"));

const CODES = {
  truncated: "TRUNCATED",
  trailing_bytes: "TRAILING_BYTES",
  malformed: "MALFORMED",
  not_shortest: "NOT_CANONICAL",
  not_shortest_float: "NOT_CANONICAL",
  indefinite_length: "NOT_CANONICAL",
  key_order: "NOT_CANONICAL",
  tag_form: "NOT_CANONICAL",
  invalid_utf8: "INVALID_UTF8",
  duplicate_key: "DUPLICATE_KEY",
  key_type: "INVALID_KEY",
  unsupported_simple: "UNSUPPORTED_ITEM",
  tag_content: "INVALID_TAG_CONTENT",
  too_deep: "TOO_DEEP",
  too_large: "DOCUMENT_TOO_LARGE",
  too_many_items: "DOCUMENT_TOO_LARGE",
};

test("every value of the vectors has the bytes they say", () => {
  const { vectors } = read("values.json");
  for (const { value, cbor: bytes } of vectors) assert.equal(hex(cbor.encode(fromJson(value))), bytes, JSON.stringify(value));
  assert.ok(vectors.length > 100);
});

test("every value of the vectors is read and written again without loss", () => {
  for (const { cbor: bytes } of read("values.json").vectors) {
    assert.equal(hex(cbor.encode(cbor.decode(unhex(bytes), { exact: true }))), bytes);
  }
});

test("everything the vectors refuse is refused with the same code and offset", () => {
  const { vectors } = read("must_refuse.json");
  for (const { name, cbor: bytes, error, offset } of vectors) {
    assert.throws(
      () => cbor.decode(unhex(bytes)),
      (thrown) => {
        assert.ok(thrown instanceof EncodingError, name);
        assert.deepEqual([thrown.code, thrown.offset], [CODES[error], offset], name);
        return true;
      },
    );
  }
  assert.ok(vectors.length > 100);
});

test("the examples of RFC 8949 are read, refused and made canonical as the vectors say", () => {
  for (const { cbor: bytes, value, error, canonical } of read("rfc8949_appendix_a.json").vectors) {
    if (error === undefined) {
      assert.equal(hex(cbor.encode(fromJson(value))), bytes);
      assert.equal(hex(cbor.encode(cbor.decode(unhex(bytes), { exact: true }))), bytes);
    } else {
      assert.throws(() => cbor.decode(unhex(bytes)), { code: CODES[error] }, bytes);
      if (canonical !== undefined) assert.equal(hex(cbor.canonicalise(unhex(bytes))), canonical);
      else assert.throws(() => cbor.canonicalise(unhex(bytes)), EncodingError);
    }
  }
});
