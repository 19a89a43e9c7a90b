// Entities, ids, collections and walks.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { Cursor, EntityId, Float, idFromBytes, idOf, idToBytes, openMemory, patch, versionOf } from "entidb";

const ID = "00000000-0000-0000-0000-00000000002a";
const numbered = (number) => number.toString(16).padStart(32, "0");

function filled(count) {
  const db = openMemory();
  const items = db.collection("items");
  items.putMany(Array.from({ length: count }, (_, n) => ({ n })), { ids: Array.from({ length: count }, (_, n) => numbered(n + 1)) });
  return { db, items };
}

test("an entity shows its document, and id and version beside it", () => {
  const notes = openMemory().collection("notes");
  notes.put({ title: "Hello" }, { id: ID });
  const note = notes.get(ID);
  assert.equal(note.id, ID);
  assert.ok(Number.isSafeInteger(note.version) && note.version > 0);
  assert.deepEqual(Object.keys(note), ["title"]);
  assert.deepStrictEqual({ ...note }, { title: "Hello" });
});

test("what is shown of an entity has id and version", () => {
  const notes = openMemory().collection("notes");
  notes.put({ title: "Hello", deep: { a: { b: { c: 1 } } } }, { id: ID });
  const note = notes.get(ID);
  const { version } = note;
  assert.equal(JSON.stringify(note), `{"id":"${ID}","version":${version},"deep":{"a":{"b":{"c":1}}},"title":"Hello"}`);
  assert.deepStrictEqual(JSON.parse(JSON.stringify([note])), [note.toJSON()]);
  assert.equal(inspect(note, { breakLength: 200 }), `Entity { id: '${ID}', version: ${version}, deep: { a: { b: [Object] } }, title: 'Hello' }`);
  assert.equal(inspect([[[[note]]]]), "[ [ [ [Array] ] ] ]");
  assert.equal(inspect([[[note]]]), "[ [ [ [Entity] ] ] ]");
  assert.equal(inspect({ note: [notes.scan().next().value] }, { depth: 2, breakLength: 200 }), `{ note: [ Entity { id: '${ID}', version: ${version}, deep: [Object], title: 'Hello' } ] }`);
  assert.deepStrictEqual(structuredClone(note.toJSON()), { id: ID, version, deep: { a: { b: { c: 1 } } }, title: "Hello" });
  notes.put({ id: 7, toJSON: "own", ["__proto__"]: 1 }, { id: ID });
  assert.equal(inspect(notes.get(ID)), `Entity { id: 7, version: ${notes.get(ID).version}, toJSON: 'own', ['__proto__']: 1 }`);
});

test("an entity that is put back is the same entity", () => {
  const notes = openMemory().collection("notes");
  const id = notes.put({ a: 1 });
  const note = notes.get(id);
  note.a = 2;
  assert.equal(notes.put(note), id);
  assert.deepStrictEqual({ ...notes.get(id) }, { a: 2 });
  assert.equal(notes.count(), 1);
  // From every way to read one.
  const read = [notes.get(id), notes.getMany([id])[0], [...notes][0], notes.find().first(), notes.find().toArray()[0], notes.find().page(1).entities[0]];
  for (const [n, entity] of read.entries()) {
    entity.n = n;
    assert.equal(notes.put(entity), id);
    assert.deepStrictEqual({ ...notes.get(id) }, { a: 2, n });
  }
  assert.deepEqual(notes.putMany([notes.get(id), { b: 1 }])[0], id);
  assert.equal(notes.count(), 2);
  assert.throws(() => notes.insert(note), { code: "ALREADY_EXISTS", id });
  assert.equal(notes.put(note, { id: ID }), ID);
  assert.notEqual(notes.put({ ...note }), id);
  assert.equal(notes.count(), 4);
});

test("an entity keeps its id in another collection, also one that is a map of integers", () => {
  const db = openMemory();
  db.collection("notes").put(new Map([[1, 2]]), { id: ID });
  const note = db.collection("notes").get(ID);
  note.set(1, 3);
  assert.equal(db.collection("notes").put(note), ID);
  assert.equal(db.collection("archive").insert(note), ID);
  assert.equal(db.collection("archive").get(ID).get(1), 3);
  assert.equal(db.collection("notes").count(), 1);
  const { version } = db.collection("notes").get(ID);
  assert.equal(JSON.stringify(db.collection("notes").get(ID)), `{"1":3,"id":"${ID}","version":${version}}`);
  assert.equal(inspect(db.collection("notes").get(ID)), `Entity(${ID}, version ${version}) Map(1) { 1 => 3 }`);
});

test("an entity inside a document says whether a copy or a reference is meant", () => {
  const db = openMemory();
  const users = db.collection("users");
  const ada = users.get(users.put({ name: "Ada" }));
  assert.throws(() => db.collection("notes").put({ author: ada }), { code: "UNREPRESENTABLE", message: /^author is an Entity, .*its id for a reference/ });
  assert.throws(() => users.update(ada.id, ada), { code: "INVALID_ARGUMENT", message: /an Entity/ });
  db.collection("notes").put({ author: { ...ada }, by: new EntityId(ada.id) });
  assert.equal(db.collection("notes").count(), 1);
});

test("a document with id and version of its own keeps them, and idOf tells", () => {
  const notes = openMemory().collection("notes");
  notes.put({ id: 7, version: "v" }, { id: ID });
  const note = notes.get(ID);
  assert.deepStrictEqual({ ...note }, { id: 7, version: "v" });
  assert.equal(note.id, 7);
  assert.equal(idOf(note), ID);
  assert.ok(versionOf(note) > 0);
});

test("idOf refuses what was not read", () => {
  assert.throws(() => idOf({}), { code: "INVALID_ARGUMENT" });
  assert.throws(() => versionOf({}), { code: "INVALID_ARGUMENT" });
});

test("a document is a map: everything else is refused and leaves nothing", () => {
  const notes = openMemory().collection("notes");
  for (const other of [[1, 2], 5, -5, "text", true, new Uint8Array(3)]) {
    assert.throws(() => notes.put(other, { id: ID }), { code: "WRONG_TYPE", name: "WrongTypeError" });
  }
  assert.equal(notes.get(ID), undefined);
});

test("documents that are maps of integers carry their id too", () => {
  const notes = openMemory().collection("notes");
  notes.put(new Map([[1, 2]]), { id: ID });
  assert.equal(idOf(notes.get(ID)), ID);
  assert.equal(notes.get(ID).get(1), 2);
});

test("ids are accepted as text with and without hyphens, in both cases, and as bytes", () => {
  const notes = openMemory().collection("notes");
  const id = "0190F3C2-7A51-7C3E-8F60-2B8D1C9E4A77";
  assert.equal(notes.put({}, { id }), id.toLowerCase());
  for (const other of [id.toLowerCase(), id.replaceAll("-", ""), idToBytes(id)]) {
    assert.equal(notes.exists(other), true);
    assert.equal(notes.get(other).id, id.toLowerCase());
  }
  assert.equal(idFromBytes(idToBytes(id)), id.toLowerCase());
});

for (const bad of ["", "x", "0190f3c2-7a51-7c3e-8f60-2b8d1c9e4a7", "0190f3c2x7a51-7c3e-8f60-2b8d1c9e4a77", `${"0".repeat(31)}é`, 7, null, new Uint8Array(15)]) {
  test(`${JSON.stringify(bad)} is no id`, () => {
    const notes = openMemory().collection("notes");
    for (const use of [() => notes.get(bad), () => notes.delete(bad), () => notes.put({}, { id: bad }), () => notes.getMany([bad])]) {
      assert.throws(use, { code: "INVALID_ARGUMENT", name: "UsageError" });
    }
  });
}

test("ids that are made are in the order of time", () => {
  const notes = openMemory().collection("notes");
  const ids = Array.from({ length: 100 }, (_, n) => notes.put({ n }));
  assert.deepEqual(ids, [...ids].sort());
  assert.deepEqual([...notes].map((note) => note.n), Array.from({ length: 100 }, (_, n) => n));
});

test("insert fails where something is, replace where nothing is", () => {
  const notes = openMemory().collection("notes");
  assert.throws(() => notes.replace(ID, {}), { code: "ENTITY_NOT_FOUND" });
  notes.insert({ n: 1 }, { id: ID });
  assert.throws(() => notes.insert({ n: 2 }, { id: ID }), { code: "ALREADY_EXISTS", id: ID });
  notes.replace(ID, { n: 3 });
  assert.equal(notes.get(ID).n, 3);
});

test("replace and delete ask for a version", () => {
  const notes = openMemory().collection("notes");
  notes.put({ n: 1 }, { id: ID });
  const { version } = notes.get(ID);
  notes.replace(ID, { n: 2 }, { version });
  assert.throws(() => notes.replace(ID, { n: 3 }, { version }), { code: "VERSION_MISMATCH" });
  assert.throws(() => notes.delete(ID, { version }), { code: "VERSION_MISMATCH" });
  assert.equal(notes.delete(ID, { version: notes.get(ID).version }), true);
  assert.equal(notes.delete(ID), false);
  assert.throws(() => notes.replace(ID, {}, { version: 0 }), { code: "INVALID_ARGUMENT" });
});

test("getMany keeps the order, and gives undefined for what is not there", () => {
  const { items } = filled(5);
  const found = items.getMany([numbered(3), numbered(99), numbered(1)]);
  assert.deepEqual(found.map((item) => item?.n), [2, undefined, 0]);
});

test("putMany stores all or nothing", () => {
  const { items } = filled(3);
  items.createIndex("u", { unique: true });
  assert.throws(() => items.putMany([{ u: 1 }, { u: 1 }]), { code: "UNIQUE_VIOLATION" });
  assert.throws(() => items.putMany([{ u: 1 }, { u() {} }]), { code: "UNREPRESENTABLE" });
  assert.throws(() => items.putMany([{}, {}], { ids: [ID] }), { code: "INVALID_ARGUMENT" });
  assert.equal(items.count(), 3);
  assert.equal(items.putMany((function* documents() { yield { a: 1 }; yield { a: 2 }; })()).length, 2);
  assert.deepEqual(items.putMany([]), []);
});

test("deleteMany tells how many were there", () => {
  const { items } = filled(4);
  assert.equal(items.deleteMany([numbered(1), numbered(1), numbered(9), numbered(2)]), 2);
  assert.equal(items.count(), 2);
});

test("a document of a megabyte is stored and read", () => {
  const notes = openMemory().collection("notes");
  const text = "x".repeat(1 << 20);
  assert.equal(notes.get(notes.put({ text })).text, text);
});

test("bytes go in and out as they are, and are judged", () => {
  const notes = openMemory().collection("notes");
  const bytes = new Uint8Array([0xa1, 0x61, 0x61, 0x01]);
  const id = notes.putBytes(bytes, { id: ID });
  assert.deepStrictEqual(notes.getBytes(id), bytes);
  assert.equal(notes.getBytes(numbered(1)), undefined);
  assert.throws(() => notes.putBytes(new Uint8Array([0xa1, 0x61])), { code: "TRUNCATED" });
  assert.throws(() => notes.putBytes("text"), { code: "INVALID_ARGUMENT" });
});

test("update sets by paths, and a patch does more", () => {
  const notes = openMemory().collection("notes");
  const id = notes.put({ a: { b: 1 }, list: [1], n: 1, gone: true });
  notes.update(id, { "a.b": 2, "a.c": 3, "list.0": 9 });
  notes.update(id, patch().increment("n").increment("n", 2.5).append("list", 2).append("new", 1).remove("gone").set(["we.ird"], 1));
  assert.deepStrictEqual({ ...notes.get(id) }, { a: { b: 2, c: 3 }, list: [9, 2], n: 4.5, new: [1], "we.ird": 1 });
});

test("an update that does not fit changes nothing", () => {
  const notes = openMemory().collection("notes");
  const id = notes.put({ text: "x", list: [] });
  assert.throws(() => notes.update(id, patch().set("a", 1).increment("text")), { code: "WRONG_TYPE" });
  assert.throws(() => notes.update(id, patch().set("list.5", 1)), { code: "PATCH_MISMATCH" });
  assert.throws(() => notes.update(id, { a: undefined }), { code: "INVALID_ARGUMENT" });
  assert.throws(() => notes.update(id, [1]), { code: "INVALID_ARGUMENT" });
  assert.throws(() => notes.update(id, { "a..b": 1 }), { code: "INVALID_ARGUMENT" });
  assert.deepStrictEqual({ ...notes.get(id) }, { text: "x", list: [] });
});

test("a walk goes both ways, from a place, to a limit", () => {
  const { items } = filled(1000);
  const numbers = (options) => items.scan(options).toArray().map((item) => item.n);
  assert.deepEqual(numbers(), Array.from({ length: 1000 }, (_, n) => n));
  assert.deepEqual(numbers({ reverse: true, limit: 3 }), [999, 998, 997]);
  assert.deepEqual(numbers({ after: numbered(998) }), [998, 999]);
  assert.deepEqual(numbers({ after: numbered(3), reverse: true }), [1, 0]);
  assert.deepEqual(numbers({ limit: 0 }), []);
});

test("a walk sees the commit it began with", () => {
  const { items } = filled(600);
  const cursor = items.scan();
  cursor.next();
  items.deleteMany(Array.from({ length: 600 }, (_, n) => numbered(n + 1)));
  assert.equal(cursor.toArray().length, 599);
  assert.equal(items.count(), 0);
});

test("leaving a loop early frees the walk", () => {
  const { db, items } = filled(600);
  const none = db.stats().snapshots;
  const cursor = items.scan();
  assert.ok(cursor instanceof Cursor);
  for (const item of cursor) if (item.n === 3) break;
  assert.equal(db.stats().snapshots, none);
  assert.deepEqual(cursor.next(), { done: true, value: undefined });
  const other = items.scan();
  other.next();
  assert.equal(db.stats().snapshots, none + 1);
  other[Symbol.dispose]();
  assert.equal(db.stats().snapshots, none);
});

test("a collection that is not there reads as empty, and comes with the first write", () => {
  const db = openMemory();
  const notes = db.collection("notes");
  assert.deepEqual([notes.count(), [...notes], notes.get(ID), notes.exists(ID), db.collections()], [0, [], undefined, false, []]);
  notes.put({});
  assert.deepEqual(db.collections(), ["notes"]);
});

test("collections are created, renamed and dropped", () => {
  const db = openMemory();
  db.createCollection("a");
  assert.throws(() => db.createCollection("a"), { code: "COLLECTION_EXISTS", collection: "a" });
  db.collection("a").put({ n: 1 });
  db.renameCollection("a", "b");
  assert.equal(db.collection("b").count(), 1);
  assert.throws(() => db.renameCollection("a", "c"), { code: "COLLECTION_NOT_FOUND" });
  db.dropCollection("b");
  assert.throws(() => db.dropCollection("b"), { code: "COLLECTION_NOT_FOUND" });
  assert.deepEqual(db.collections(), []);
});

test("exact collections keep floats without fraction", () => {
  const db = openMemory();
  const id = db.collection("n").put({ x: new Float(1), y: 1 });
  assert.deepStrictEqual({ ...db.collection("n").get(id) }, { x: 1, y: 1 });
  assert.deepStrictEqual({ ...db.collection("n", { exact: true }).get(id) }, { x: new Float(1), y: 1 });
});

for (const [name, use] of [
  ["the name of a collection", (db) => db.collection(7)],
  ["an empty name", (db) => db.collection("").put({})],
  ["an option of put", (db) => db.collection("c").put({}, { ids: 1 })],
  ["an option of scan", (db) => db.collection("c").scan({ reversed: true })],
  ["an option of an index", (db) => db.collection("c").createIndex("a", { uniqe: true })],
  ["an option of verify", (db) => db.verify({ fully: true })],
  ["a limit below zero", (db) => db.collection("c").scan({ limit: -1 })],
  ["ids that are a text", (db) => db.collection("c").getMany(ID)],
]) {
  test(`a mistake in ${name} is told`, () => {
    assert.throws(() => use(openMemory()), (error) => ["INVALID_ARGUMENT", "UNKNOWN_OPTION"].includes(error.code));
  });
}
