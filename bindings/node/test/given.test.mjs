// What is given is read one way, and a refusal names what it is about.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { EncodingError, cbor, f, fields, open, openMemory, openMemoryAsync, patch, restore } from "entidb";

const root = mkdtempSync(path.join(tmpdir(), "entidb-given-"));
after(() => rmSync(root, { recursive: true, force: true }));
const items = (options) => openMemory(options).collection("items");

test("a change that cannot be stored is named by its path in the document", () => {
  const c = items();
  const id = c.put({ x: 1, list: [1] });
  const refused = (change, field, what) =>
    assert.throws(() => c.update(id, change), (error) => error instanceof EncodingError && error.field === field && what.test(error.message));
  // It was "0.2".
  refused({ x: new Set() }, "x", /^x is a Set, which has no form in a document; store \[\.\.\.set\]/);
  refused({ y: 1, "a.b": { c: [1, () => 1] } }, "a.b.c.1", /^a\.b\.c\.1 is a function/);
  refused(patch().set(["m", [5], 0], Symbol("s")), "m.[5].0", /is a symbol/);
  refused(patch().append("list", { at: new Date(NaN) }), "list.at", /is an invalid date/);
  refused({ x: c.get(id) }, "x", /is an Entity.*for a copy of its document/);
  let deep = {};
  for (let n = 0; n < 70; n++) deep = { d: deep };
  assert.throws(() => c.update(id, { x: deep }), { code: "TOO_DEEP", message: /nests more than 64 deep, at x\.d\.d/ });
  assert.deepEqual({ ...c.get(id) }, { x: 1, list: [1] });
});

test("a document of many that is refused is named by its position", () => {
  const c = items();
  for (const [documents, field, what] of [
    [[{}, { n: 2n ** 70n }], "[1].n", /^\[1\]\.n is an integer of more than 64 bits/],
    [[{}, {}, new Set()], "[2]", /^the document at \[2\] is a Set/],
  ]) {
    assert.throws(() => c.putMany(documents), (error) => error instanceof EncodingError && error.field === field && what.test(error.message));
  }
  c.createIndex("a", { unique: true });
  assert.throws(() => c.putMany([{ a: 1 }, { a: 2 }, { a: 1 }]), { code: "UNIQUE_VIOLATION", message: /^the document at \[2\]: / });
  assert.equal(c.count(), 0);
});

test("a number below a field finds a position of an array and a key of a map", () => {
  const c = items();
  const ids = c.putMany([{ n: 1, years: { 2024: 5, 2025: 1 } }, { n: 2, years: [7, 8] }, { n: 3, years: { 2024: 1 } }]);
  const found = (condition) => c.find(condition).orderBy("n").toArray().map((one) => one.n);
  for (const indexed of [false, true]) {
    if (indexed) c.createIndex("years.2024");
    assert.deepEqual(found(f.years["2024"].eq(5)), [1]);
    assert.deepEqual(found(fields().years[2024].exists()), [1, 3]);
    assert.deepEqual(found((item) => item.years["2024"].ne(5)), [2, 3]);
    assert.deepEqual(found(f(["years", "2024"]).eq(1)), [3]);
    assert.deepEqual(c.find(f.years["2024"].exists()).orderBy("years.2024").toArray().map((one) => one.n), [3, 1]);
  }
  assert.equal(c.find(f.years["2024"].eq(5)).explain().index, "years.2024");
  assert.deepEqual(found(f.years[1].eq(8)), [2]);
  c.update(ids[0], { "years.2024": 6, "years.2026": 2 });
  c.update(ids[0], patch().remove("years.2025"));
  assert.deepEqual(c.get(ids[0]).years, { 2024: 6, 2026: 2 });
});

test("a direction behind a field is refused", () => {
  const c = items();
  for (const wrong of ["n desc", "n ASC", "-n desc"]) {
    assert.throws(() => c.find().orderBy(wrong), { code: "INVALID_ARGUMENT", message: /stands before the field: "n" is ascending, "-n" descending/ });
    assert.throws(() => c.createIndex(wrong), { code: "INVALID_ARGUMENT", message: /a direction stands before the field/ });
  }
  c.putMany([2, 1, 3].map((n) => ({ "n desc": n })));
  assert.deepEqual(c.find().orderBy("-n\\ desc").toArray().map((one) => one["n desc"]), [3, 2, 1]);
  c.createIndex("n\\ desc");
  assert.deepEqual(c.indexes()[0].columns, ["n\\ desc"]);
});

test("messages and hints spell options as JavaScript does", () => {
  assert.throws(() => openMemory({ feedCommitsMax: 0 }).changes(), { message: /open it with feedCommitsMax above 0/ });
  assert.throws(() => openMemory({ memoryBytes: 1 }), { message: /^memoryBytes is 1; give a value from / });
  assert.throws(() => items({ entityBytesMax: 100 }).put({ text: "x".repeat(200) }), (error) => error.code === "TOO_LARGE" && !/\w_\w/.test(error.message));
  const forbids = items({ scanPolicy: "forbid" });
  forbids.put({ a: 1 });
  assert.throws(() => forbids.find(f.a.eq(1)).toArray(), { message: /scanPolicy forbids/ });
  const db = openMemory({ feedCommitsMax: 1 });
  const c = db.collection("c");
  for (let n = 0; n < 3; n++) c.put({ n });
  assert.throws(() => db.snapshot({ at: 1 }), (error) => error.hint.includes("feedCommitsMax, feedAgeMsMax and feedBytesMax keep more"));
  // A name that a user gave stays as it is.
  assert.throws(() => db.dropCollection("lock_timeout_ms"), { message: /lock_timeout_ms/ });
  assert.throws(() => openMemory({ lock_timeout_ms: 1 }), { message: /no option "lock_timeout_ms"; did you mean lockTimeoutMs/ });
});

test("what belongs to a database is not cloned, and says so", () => {
  const db = openMemory();
  const c = db.collection("items");
  const id = c.put({ a: 1 });
  c.createIndex({ kind: "manual", name: "m" });
  const tx = db.begin();
  const { port1, port2 } = new MessageChannel();
  for (const [name, thing] of Object.entries({
    Database: db, Collection: c, "snapshot or transaction": tx, Cursor: c.scan(), ChangeFeed: db.changes(), ManualIndex: c.manualIndex("m"),
    Query: c.find(), Condition: f.a.eq(1), Patch: patch().set("a", 1),
  })) {
    const refused = { name: "DataCloneError", message: new RegExp(`a ${name} of entidb is not cloned: .*\\. It\\) could not be cloned`) };
    assert.throws(() => structuredClone(thing), refused, name);
    assert.throws(() => port1.postMessage({ inside: [thing] }), refused, name);
  }
  port1.close();
  port2.close();
  tx.abort();
  // Nothing else about them changes.
  assert.deepEqual(cbor.decode(cbor.encode({ ...c.get(id) })), { a: 1 });
  assert.equal(c.find(f.a.eq(1)).count(), 1);
});

test("the same holds with promises", async () => {
  const db = await openMemoryAsync();
  const c = db.collection("items");
  const id = await c.put({ x: 1 });
  await assert.rejects(c.update(id, { x: new Set() }), { code: "UNREPRESENTABLE", field: "x" });
  await assert.rejects(c.putMany([{}, { n: 2n ** 70n }]), { field: "[1].n" });
  await assert.rejects(openMemoryAsync({ memoryBytes: 1 }), { message: /^memoryBytes is 1; give a value from / });
  await c.update(id, patch().set("a.b", 2));
  assert.deepEqual({ ...(await c.get(id)) }, { x: 1, a: { b: 2 } });
  for (const thing of [db, c, c.find(), c.scan(), await db.begin(), await db.changes()]) {
    assert.throws(() => structuredClone(thing), { name: "DataCloneError", message: /of entidb is not cloned: / });
  }
  await db.close();
});

test("restoring into a folder that is used speaks of that folder", () => {
  const db = open(path.join(root, "db"));
  db.collection("c").put({});
  db.backup(path.join(root, "backup"));
  const used = path.join(root, "used");
  mkdirSync(used);
  writeFileSync(path.join(used, "letter"), "");
  assert.throws(() => restore(path.join(root, "backup"), used), { code: "TARGET_NOT_EMPTY", message: "the target folder holds something already; give a new or an empty folder" });
  rmSync(path.join(used, "letter"));
  writeFileSync(path.join(used, "UNFINISHED"), "");
  assert.throws(() => restore(path.join(root, "backup"), used), { code: "TARGET_NOT_EMPTY", message: /was cut short; delete the folder/ });
  for (const options of [undefined, { create: false }, { readOnly: true }]) {
    assert.throws(() => open(used, options), { code: "NOT_A_DATABASE", message: /UNFINISHED.*delete the folder and make the copy again/ });
  }
  assert.equal(restore(path.join(root, "backup"), path.join(root, "again")).sparesRepaired, 0);
  db.close();
});
