// The surface with promises has what the other one has, method by method.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as entidb from "entidb";

/** The methods of a class and of those it extends, symbols by their names. */
function methods(class_) {
  const found = new Set();
  for (let at = class_.prototype; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Reflect.ownKeys(at)) if (name !== "constructor") found.add(String(name));
  }
  return found;
}

/** What is @internal: methods that are not in the types. */
const INTERNAL = {
  Collection: ["ask", "gather", "countOf", "deleteOf", "explanationOf", "owner"],
  Cursor: ["owner"],
  ChangeFeed: ["owner"],
  Query: ["encoded"],
  Snapshot: ["watched", "ended", "owner"],
  Transaction: ["watched", "ended", "owner", "commitAs", "isEndedByCall"],
};
const ASYNC_INTERNAL = {
  Collection: ["handle", "ask", "entities", "cursorOf", "countOf", "deleteOf", "explanationOf", "exact"],
  ManualIndex: ["count"],
  Snapshot: ["ended"],
  Transaction: ["ended", "commitAs", "isEndedByCall", "begun", "of"],
};
/** Fields of an object there, getters here. */
const FIELDS = { Snapshot: ["sequence"], Transaction: ["sequence"] };
/** What only promises have. */
const MORE = { Query: ["stream"], Cursor: ["stream"], ChangeFeed: ["stream"] };

const twins = new Map([[Symbol.iterator, Symbol.asyncIterator], [Symbol.dispose, Symbol.asyncDispose]].map((pair) => pair.map(String)));
const twin = (name) => twins.get(name) ?? name;

for (const name of ["Database", "Collection", "Query", "Cursor", "Snapshot", "Transaction", "ManualIndex", "ChangeFeed"]) {
  test(`Async${name} has the methods of ${name}`, () => {
    const hidden = new Set([...(INTERNAL[name] ?? []), ...(FIELDS[name] ?? [])]);
    const sync = [...methods(entidb[name])].filter((method) => !hidden.has(method)).map(twin);
    const asyncHidden = new Set([...(ASYNC_INTERNAL[name] ?? []), ...(MORE[name] ?? [])]);
    const async_ = [...methods(entidb[`Async${name}`])].filter((method) => !asyncHidden.has(method));
    assert.ok(sync.length >= 6, "the methods were found");
    assert.deepEqual(async_.sort(), sync.sort());
    for (const method of MORE[name] ?? []) assert.ok(methods(entidb[`Async${name}`]).has(method), method);
  });
}

test("every function that opens or reads a database has a twin", () => {
  const functions = Object.keys(entidb).filter((name) => typeof entidb[name] === "function" && /^[a-z]/.test(name));
  // What works on values, and `deadline`, whose twin is a signal: `AbortSignal.timeout(ms)`.
  const plain = ["all", "any", "f", "fields", "not", "patch", "idOf", "versionOf", "idFromBytes", "idToBytes", "hasFeature", "deadline", "errorFrom"];
  const asked = functions.filter((name) => !name.endsWith("Async") && !plain.includes(name));
  assert.deepEqual(asked.map((name) => `${name}Async`).sort(), functions.filter((name) => name.endsWith("Async")).sort());
  assert.ok(asked.includes("open") && asked.includes("restoreMemory"));
});

test("what is wrong with an argument rejects the promise, as it throws on the other surface", async () => {
  const [db, other] = [await entidb.openMemoryAsync(), entidb.openMemory()];
  const [notes, same] = [db.collection("notes"), other.collection("notes")];
  const calls = [
    (to) => to.put(() => 1), (to) => to.put({ a: Symbol("a") }), (to) => to.put({}, { at: 1 }), (to) => to.get("x"), (to) => to.get(null),
    (to) => to.getMany("x"), (to) => to.update("x", {}), (to) => to.delete("x"), (to) => to.replace("x", {}), (to) => to.putMany([1]),
    (to) => to.putBytes(new Uint8Array([0xff])), (to) => to.dropIndex("none"), (to) => to.manualIndex("none"), (to) => to.createIndex(5),
    (to) => to.history(5), (to) => to.exists("1"), (to) => to.deleteMany([0]), (to) => to.createIndex("a", { uniqe: true }),
  ];
  for (const call of calls) {
    let expected;
    try {
      call(same);
    } catch (error) {
      expected = error;
    }
    assert.ok(expected instanceof entidb.EntidbError, String(call));
    const promise = call(notes);
    assert.ok(promise instanceof Promise, String(call));
    await assert.rejects(promise, (error) => error instanceof entidb.EntidbError && error.code === expected.code && error.message === expected.message);
  }
  await db.close();
  other.close();
});
