// The thirty-second start, claim by claim.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRequire } from "node:module";
import * as entidb from "entidb";
import { EntityNotFoundError, UsageError, f, openMemory, patch } from "entidb";

test("what was put is got, changed, found, walked over and deleted", () => {
  const db = openMemory();
  const notes = db.collection("notes");
  notes.createIndex("tags", { multi: true });
  const id = notes.put({ title: "Hello", tags: ["first"], at: new Date(5) });
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  const note = notes.get(id);
  assert.equal(note.title, "Hello");
  assert.equal(note.id, id);
  assert.deepEqual({ ...note }, { title: "Hello", tags: ["first"], at: new Date(5) });
  notes.update(id, { title: "Hi" });
  notes.update(id, patch().append("tags", "second"));
  assert.deepEqual([...notes.find(f.tags.contains("second"))].map((found) => found.title), ["Hi"]);
  assert.deepEqual([...notes].map((found) => found.id), [id]);
  assert.equal(notes.delete(id), true);
  assert.equal(notes.get(id), undefined);
  assert.throws(() => notes.update(id, { a: 1 }), EntityNotFoundError);
  db.close();
});

test("a transaction commits on return, aborts on throw, and refuses a promise", () => {
  const db = openMemory();
  const notes = db.collection("notes");
  assert.equal(db.transaction((tx) => tx.collection("notes").put({ n: 1 }) && 7), 7);
  assert.throws(() => db.transaction((tx) => { tx.collection("notes").put({ n: 2 }); throw new RangeError("mine"); }), RangeError);
  assert.throws(() => db.transaction(async (tx) => tx.collection("notes").put({ n: 3 })), UsageError);
  assert.equal(notes.count(), 1);
  db.close();
});

test("import and require give the same classes", () => {
  const required = createRequire(import.meta.url)("entidb");
  assert.equal(required.EntidbError, entidb.EntidbError);
  assert.deepEqual(Object.keys(required).filter((name) => !(name in entidb)), []);
});

test("a transaction takes no generator, and calls no then that is not a promise's", () => {
  const db = openMemory();
  const notes = db.collection("notes");
  for (const run of [function* (tx) { yield tx.collection("notes").put({}); }, async function* (tx) { yield tx.collection("notes").put({}); }]) {
    assert.throws(() => db.transaction(run), (error) => error.code === "INVALID_ARGUMENT" && /generator/.test(error.message));
  }
  let called = 0;
  assert.throws(
    () => db.transaction((tx) => { tx.collection("notes").put({}); return { then() { called += 1; } }; }),
    (error) => error.code === "INVALID_ARGUMENT" && /promise/.test(error.message),
  );
  assert.equal(called, 0);
  assert.equal(notes.count(), 0);
  notes.put({});
  db.close();
});
