// Arguments and values that make no sense are refused where they are given.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { Cursor, EncodingError, idOf, open, openMemory, versionOf } from "entidb";

const root = mkdtempSync(path.join(tmpdir(), "entidb-arguments-"));
after(() => rmSync(root, { recursive: true, force: true }));
const items = () => openMemory().collection("items");

test("fields beside the value of a date, a buffer or a view are refused with their place", () => {
  const c = items();
  const symbol = Symbol("s");
  for (const value of [new Date(5), new Uint8Array(3), Buffer.from("abc"), new Uint8Array(200), new Float32Array(768), new ArrayBuffer(2), new Int8Array(0)]) {
    assert.equal(typeof c.put({ a: [value] }), "string");
    value.extra = 1;
    assert.throws(() => c.put({ a: [value] }), (error) =>
      error instanceof EncodingError && error.code === "UNREPRESENTABLE" && error.field === "a.0" && /with the field "extra" beside its value/.test(error.message));
    delete value.extra;
    value[symbol] = 1;
    assert.throws(() => c.put({ a: [value] }), { code: "UNREPRESENTABLE", field: "a.0" });
  }
  assert.equal(c.count(), 7);
});

test("an error about a value has its field, and no path of a file", () => {
  const c = items();
  const field = (document) => {
    try {
      c.put(document);
    } catch (error) {
      assert.equal(error.path, undefined);
      return error.field;
    }
  };
  assert.equal(field({ a: { b: [1, () => 1] } }), "a.b.1");
  assert.equal(field({ n: 2n ** 70n }), "n");
  assert.equal(field({ t: "\ud800" }), "t");
  assert.equal(field({ m: new Map([[1.5, 1]]) }), "m");
  assert.equal(field({ ok: 1 }), undefined);
});

test("an order by no field is refused", () => {
  const c = items();
  for (const none of ["", "-"]) assert.throws(() => c.find().orderBy("n", none), { code: "INVALID_ARGUMENT", message: /names no field/ });
  assert.deepEqual(c.find().orderBy("-n").toArray(), []);
});

test("an entity that another copy of the package read is an entity", () => {
  const require = createRequire(import.meta.url);
  const inDist = ([file]) => file.includes(`${path.sep}dist${path.sep}`);
  const cached = Object.entries(require.cache).filter(inDist);
  for (const [file] of cached) delete require.cache[file];
  const other = require("../dist/node/lib/index.js");
  for (const [file] of Object.entries(require.cache).filter(inDist)) delete require.cache[file];
  for (const [file, module] of cached) require.cache[file] = module;
  assert.notEqual(other.Cursor, Cursor);
  const theirs = other.openMemory().collection("items");
  const ours = items();
  for (const document of [{ n: 1 }, new Map([[1, 2]])]) {
    const read = theirs.get(theirs.put(document));
    assert.equal(idOf(read), other.idOf(read));
    assert.equal(versionOf(read), other.versionOf(read));
    assert.equal(ours.put(read), idOf(read));
    assert.deepEqual([...ours.putMany([read])], [idOf(read)]);
    if (!(read instanceof Map)) assert.throws(() => ours.put({ inside: read }), { code: "UNREPRESENTABLE", field: "inside" });
  }
  assert.equal(ours.count(), 2);
  // What only has an entity as its prototype, or says so by chance, is none.
  const read = theirs.get(theirs.put({ n: 1 }));
  assert.throws(() => idOf(Object.create(read)), { code: "INVALID_ARGUMENT" });
  const everything = new Proxy({}, { get: () => () => ({ id: "x", version: 1 }) });
  assert.notEqual(ours.put(everything), "x");
});

test("a collection has a number, its name now and the rows of its indexes", () => {
  const db = openMemory();
  const notes = db.collection("notes");
  assert.deepEqual(notes.stats(), { name: "notes", entities: 0, indexes: [] });
  notes.createIndex("n");
  notes.put({ n: 1 });
  const { id, indexes } = notes.stats();
  assert.ok(Number.isSafeInteger(id) && indexes.length === 1 && indexes[0].rows === 1 && indexes[0].kind === "ordered");
  db.renameCollection("notes", "letters");
  assert.deepEqual(db.collection("letters").stats(), { id, name: "letters", entities: 1, indexes });
});

test("an id is made before its entity", () => {
  const db = openMemory();
  const [first, second] = [db.newId(), db.newId()];
  assert.ok(first < second);
  const notes = db.collection("notes");
  assert.equal(notes.put({ self: first }, { id: first }), first);
  assert.equal(notes.get(first).self, first);
  db.close();
  assert.throws(() => db.newId(), { code: "CLOSED" });
});

test("a backup into the folder of the database is refused", () => {
  const place = path.join(root, "db");
  const db = open(place);
  db.collection("notes").put({});
  for (const target of [place, path.join(place, "copy")]) assert.throws(() => db.backup(target), { code: "INVALID_ARGUMENT", message: /lies in the folder of the database itself/ });
  assert.ok(!existsSync(path.join(place, "copy")));
  db.close();
});
