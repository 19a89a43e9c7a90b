// Codes that the other files do not meet on their way.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { EncodingError, EntidbError, QueryError, cbor, errorFrom, f, open, openMemory } from "entidb";

const root = mkdtempSync(path.join(tmpdir(), "entidb-error-"));
after(() => rmSync(root, { recursive: true, force: true }));

test("a query that nests too deep is QUERY_INVALID", () => {
  let condition = f.a.eq(1);
  for (let n = 0; n < 60; n++) condition = n % 2 === 0 ? condition.or(f.b.eq(n)) : condition.and(f.b.eq(n));
  assert.throws(() => openMemory().collection("c").find(condition).toArray(), (error) => error instanceof EntidbError && ["QUERY_INVALID", "TOO_DEEP"].includes(error.code));
});

test("sorting more than the memory for it is QUERY_TOO_LARGE", () => {
  const db = openMemory({ sortBytesMax: 65536 });
  const c = db.collection("c");
  c.putMany(Array.from({ length: 5000 }, (_, n) => ({ n, text: "x".repeat(100) })));
  assert.throws(() => c.find().orderBy("text", "n").toArray(), (error) => error instanceof QueryError && error.code === "QUERY_TOO_LARGE");
});

test("a database opened for reading is READ_ONLY", () => {
  const where = path.join(root, "read");
  const db = open(where);
  db.collection("c").put({ n: 1 });
  db.close();
  const reader = open(where, { readOnly: true });
  assert.equal(reader.collection("c").count(), 1);
  assert.throws(() => reader.collection("c").put({}), { code: "READ_ONLY", name: "ReadOnlyError" });
  reader.close();
});

test("a folder with other things in it is NOT_A_DATABASE", () => {
  const where = path.join(root, "other");
  mkdirSync(where);
  writeFileSync(path.join(where, "letter.txt"), "dear");
  assert.throws(() => open(where), (error) => error instanceof EntidbError && error.code === "NOT_A_DATABASE");
  assert.deepEqual(readdirSync(where), ["letter.txt"]);
});

for (const [name, bytes, code] of [
  ["nothing", [], "TRUNCATED"],
  ["two documents", [1, 1], "TRAILING_BYTES"],
  ["a reserved head", [0x1c], "MALFORMED"],
  ["undefined", [0xf7], "UNSUPPORTED_ITEM"],
  ["a uuid of one byte", [0xd8, 37, 0x41, 0], "INVALID_TAG_CONTENT"],
  ["a key twice", [0xa2, 1, 1, 1, 1], "DUPLICATE_KEY"],
  ["a key that is an array", [0xa1, 0x80, 1], "INVALID_KEY"],
  ["a long form", [0x18, 1], "NOT_CANONICAL"],
  ["text that is none", [0x61, 0xff], "INVALID_UTF8"],
]) {
  test(`bytes that are ${name} are ${code}`, () => {
    assert.throws(() => cbor.decode(new Uint8Array(bytes)), (error) => error instanceof EncodingError && error.code === code && typeof error.offset === "number");
    assert.throws(() => openMemory().collection("c").putBytes(new Uint8Array(bytes)), { code });
  });
}

test("increments past the range are NUMBER_OUT_OF_RANGE", async () => {
  const { patch } = await import("entidb");
  const c = openMemory().collection("c");
  const id = c.put({ n: 2n ** 64n - 1n });
  assert.throws(() => c.update(id, patch().increment("n")), { code: "NUMBER_OUT_OF_RANGE" });
});

test("a package without its native module says which one is missing", () => {
  const copy = path.join(root, "copy");
  cpSync(new URL("../dist/", import.meta.url), copy, { recursive: true, filter: (from) => !from.endsWith(".node") });
  assert.throws(() => createRequire(import.meta.url)(path.join(copy, "node/lib/index.js")), (error) => error.code === "LIBRARY_MISMATCH" && /entidb\..*\.node cannot be loaded/.test(error.message));
});

test("a code of a newer library gets the class of its family", () => {
  const error = errorFrom(299, "new");
  assert.deepEqual([error.name, error.code, error.family], ["StateError", "UNKNOWN_299", "state"]);
});
