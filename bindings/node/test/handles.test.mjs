// What stands behind an object of JavaScript: a number, let go of in time, and believed by nobody after that.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { cbor, f, open, openMemory } from "entidb";

const require = createRequire(import.meta.url);
const { native } = require("../dist/node/lib/native.js");
const { numbers, thrown } = require("../dist/js/lib/raw.js");
const entidb = new URL("../dist/node/lib/index.js", import.meta.url).pathname;
const root = mkdtempSync(path.join(tmpdir(), "entidb-handles-"));
after(() => rmSync(root, { recursive: true, force: true }));

const code = (run) => {
  try {
    run();
  } catch (error) {
    return thrown(error).code;
  }
  return "none";
};

test("a number that stands for nothing, for something else or for something let go of is INVALID_HANDLE", () => {
  const database = native.openNative(undefined, cbor.encode({}));
  const collection = native.databaseCollection(database, "c");
  assert.equal(native.collectionCount(collection), 0);
  for (const number of [0, 1, -1, NaN, Infinity, -Infinity, 2 ** 53, 0.5, collection + 1, database + 2 ** 20, database]) {
    assert.equal(code(() => native.collectionCount(number)), "INVALID_HANDLE", String(number));
    numbers.fill(0);
    numbers[0] = number;
    assert.equal(code(native.collectionExists), "INVALID_HANDLE", String(number));
  }
  assert.equal(code(() => native.databaseStats(collection)), "INVALID_HANDLE");
  native.release(collection);
  native.release(collection);
  assert.equal(code(() => native.collectionCount(collection)), "INVALID_HANDLE");
  const next = native.databaseCollection(database, "c");
  assert.notEqual(next, collection);
  assert.equal(code(() => native.collectionCount(collection)), "INVALID_HANDLE", "the place is used again, the number is not");
  native.databaseClose(database);
  assert.equal(code(() => native.collectionCount(next)), "INVALID_HANDLE");
  assert.equal(code(() => native.databaseStats(database)), "INVALID_HANDLE");
});

test("a number of another worker is INVALID_HANDLE, also when both hold as much", async () => {
  const worker = new Worker(
    `const { parentPort, workerData } = require("node:worker_threads");
     require(workerData);
     const { native } = require(workerData.replace("index.js", "native.js"));
     const database = native.openNative(undefined, new Uint8Array([0xa0]));
     parentPort.on("message", () => process.exit());
     parentPort.postMessage([database, native.databaseCollection(database, "c"), native.handleCount()]);`,
    { eval: true, workerData: entidb },
  );
  const [database, collection, held] = await new Promise((resolve) => worker.once("message", resolve));
  assert.equal(held, 2);
  assert.equal(code(() => native.databaseStats(database)), "INVALID_HANDLE");
  assert.equal(code(() => native.collectionCount(collection)), "INVALID_HANDLE");
  worker.postMessage("end");
  await new Promise((resolve) => worker.once("exit", resolve));
});

test("a buffer that was not lent, or is too short for its content, is refused", () => {
  const database = native.openNative(undefined, cbor.encode({}));
  numbers.fill(0);
  numbers[0] = native.databaseCollection(database, "c");
  numbers[1] = 999;
  assert.equal(code(native.collectionExists), "INVALID_ARGUMENT");
  numbers[1] = 0;
  numbers[2] = 2 ** 31;
  assert.equal(code(native.collectionPut), "INVALID_ARGUMENT");
  assert.equal(code(() => native.takeWaiting(0)), "INVALID_ARGUMENT");
  assert.equal(code(() => native.lend(1 << 20, undefined)), "INVALID_ARGUMENT");
  native.databaseClose(database);
});

test("a program that never rests holds no more for each transaction, snapshot and walk", () => {
  const before = native.handleCount();
  const db = openMemory({ durability: "none", feedCommitsMax: 10 });
  const items = db.collection("items");
  items.putMany(Array.from({ length: 600 }, (_, n) => ({ n })));
  const work = (n) => {
    db.transaction((tx) => { tx.collection("items").put({ n }); tx.collection("others").count(); });
    assert.throws(() => db.transaction((tx) => { tx.collection("items").put({ n }); throw new RangeError(); }), RangeError);
    const begun = db.begin();
    begun.collection("items").put({ n });
    begun.abort();
    db.snapshot().close();
    for (const item of items) if (item.n >= 0) break;
    for (const item of items.find(f.n.gte(0))) if (item.n >= 0) break;
    items.find(f.n.eq(1)).first();
    items.find(f.n.lt(3)).toArray();
    items.find().page(2);
    db.collection("items").exists("0".repeat(32));
    db.changes().close();
  };
  work(0);
  const held = native.handleCount();
  for (let n = 1; n < 50; n++) work(n);
  assert.equal(native.handleCount(), held);
  db.close();
  assert.equal(native.handleCount(), before, "closing lets go of everything that came from it");
});

test("what is dropped is let go of when the garbage collector finds it", async () => {
  const db = openMemory();
  const items = db.collection("items");
  items.putMany(Array.from({ length: 100 }, (_, n) => ({ n })));
  const before = native.handleCount();
  (() => { for (let n = 0; n < 20; n++) { items.scan().next(); items.find().cursor().next(); db.changes().next(); db.snapshot(); } })();
  assert.equal(native.handleCount(), before + 80);
  for (let turn = 0; turn < 400 && native.handleCount() > before; turn++) {
    gc();
    await delay(5);
  }
  assert.equal(native.handleCount(), before);
  db.close();
});

test("names without end do not stay with the database", async () => {
  const db = openMemory();
  const before = native.handleCount();
  (() => { for (let n = 0; n < 3000; n++) db.collection(`c${n}`).count(); })();
  for (let turn = 0; turn < 400 && native.handleCount() > before + 1000; turn++) {
    gc();
    await delay(5);
  }
  assert.ok(native.handleCount() <= before + 1000);
  assert.equal(db.collection("c2999").count(), 0);
  db.close();
});

for (const [how, end] of [["ends by itself", "process.exit()"], ["is terminated", ""]]) {
  test(`a worker that ${how} with everything open leaves nothing behind`, async () => {
    const where = path.join(root, how.replaceAll(" ", ""));
    const worker = new Worker(
      `const { parentPort, workerData } = require("node:worker_threads");
       const { open } = require(workerData.entidb);
       const db = open(workerData.where);
       const items = db.collection("items");
       items.putMany(Array.from({ length: 300 }, (_, n) => ({ n })));
       globalThis.kept = [db, db.begin(), db.snapshot(), items.scan(), db.changes()];
       kept[1].collection("items").put({ n: "never" });
       kept[3].next();
       parentPort.once("message", () => { ${end} });
       parentPort.postMessage("open");`,
      { eval: true, workerData: { entidb, where } },
    );
    await new Promise((resolve, reject) => { worker.once("message", resolve); worker.once("error", reject); });
    assert.throws(() => open(where), { code: "DATABASE_LOCKED" });
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    if (end === "") await worker.terminate();
    else worker.postMessage("end");
    await ended;
    const db = open(where);
    assert.equal(db.collection("items").count(), 300);
    assert.equal(db.verify({ full: true }).ok, true);
    db.close();
  });
}

const HOUR = 3_600_000;
const WAITS = [
  ["for a change", `db.changes({ since: db.position }).next(${HOUR})`],
  ["for a change of a database it reads", `(db.close(), db = open(workerData.where, { readOnly: true }), db.changes({ since: db.position }).next(${HOUR}))`],
  ["for a durable commit", `db.waitDurable(db.lastSequence + 1000, ${HOUR})`],
  ["in a transaction for a change", `db.transaction((tx) => { tx.collection("items").put({ n: "never" }); db.changes({ since: db.position }).next(${HOUR}); })`],
];
const waiting = (wait) => `
  const { parentPort, workerData } = require("node:worker_threads");
  const { open } = require(workerData.entidb);
  let db = open(workerData.where);
  db.collection("items").put({ n: 1 });
  parentPort.postMessage("waits");
  ${wait};
  parentPort.postMessage("over");`;
for (const [what, wait] of WAITS) {
  test(`a worker that waits ${what} for an hour is terminated at once`, { timeout: 60_000 }, async () => {
    const where = path.join(root, `wait${what.replaceAll(" ", "")}`);
    const worker = new Worker(waiting(wait), { eval: true, workerData: { entidb, where } });
    const heard = [];
    worker.on("message", (message) => heard.push(message));
    await new Promise((resolve, reject) => { worker.once("message", resolve); worker.once("error", reject); });
    await delay(30);
    await worker.terminate();
    assert.deepEqual(heard, ["waits"]);
    const db = open(where);
    assert.deepEqual([...db.collection("items")].map((item) => item.n), [1]);
    assert.equal(db.verify({ full: true }).ok, true);
    db.close();
  });
}

test("a process exits while a worker waits for an hour", { timeout: 60_000 }, () => {
  const where = path.join(root, "exit");
  const program = `
    const { Worker } = require("node:worker_threads");
    const worker = new Worker(${JSON.stringify(waiting(WAITS[0][1]))}, { eval: true, workerData: ${JSON.stringify({ entidb, where })} });
    worker.once("message", () => setTimeout(() => process.exit(7), 30));`;
  assert.equal(spawnSync(process.execPath, ["-e", program]).status, 7);
  const db = open(where);
  assert.equal(db.collection("items").count(), 1);
  db.close();
});

test("a worker is terminated in the middle of work, and what it had not committed is not there", { timeout: 60_000 }, async () => {
  const where = path.join(root, "work");
  const program = `
    const { parentPort, workerData } = require("node:worker_threads");
    const { f, open } = require(workerData.entidb);
    const db = open(workerData.where, { durability: "none" });
    const items = db.collection("items");
    items.putMany(Array.from({ length: 3000 }, (_, n) => ({ n })));
    parentPort.postMessage("works");
    for (;;) { items.createIndex("n"); items.find(f.n.lt(5000)).count(); items.dropIndex("n"); db.verify({ full: true }); }`;
  const worker = new Worker(program, { eval: true, workerData: { entidb, where } });
  await new Promise((resolve, reject) => { worker.once("message", resolve); worker.once("error", reject); });
  await delay(50);
  await worker.terminate();
  const db = open(where);
  assert.equal(db.collection("items").find(f.n.lt(5000)).count(), 3000);
  assert.equal(db.verify({ full: true }).ok, true);
  db.close();
});

test("copies of the code in one thread, as test runners make them, do not disturb each other", () => {
  const first = require("../dist/node/lib/index.js");
  const cached = Object.entries(require.cache).filter(([file]) => file.includes(`${path.sep}dist${path.sep}`));
  for (const [file] of cached) delete require.cache[file];
  const second = require("../dist/node/lib/index.js");
  for (const file of Object.keys(require.cache)) if (file.includes(`${path.sep}dist${path.sep}`)) delete require.cache[file];
  for (const [file, module] of cached) require.cache[file] = module;
  assert.notEqual(first.Database, second.Database);
  const databases = [first.openMemory(), second.openMemory()];
  const [one, two] = databases.map((db) => db.collection("items"));
  const ids = [];
  for (let n = 0; n < 50; n++) ids.push(one.put({ from: "first", n, get other() { return two.put({ from: "second", n }); } }), one.get(ids[0] ?? "0".repeat(32))?.other);
  assert.equal(one.count(), 50);
  assert.equal(two.count(), 50);
  assert.ok([...one].every((item) => item.from === "first" && two.get(item.other).n === item.n));
  assert.ok([...two].every((item) => item.from === "second"));
  databases.forEach((db) => db.close());
  assert.equal(first.openMemory().collection("c").count(), 0);
});

test("a getter of a document may call back in, as deep as it likes", () => {
  const items = openMemory().collection("items");
  const nested = (depth) => ({ depth, get below() { return depth === 0 ? "end" : items.put(nested(depth - 1)); }, tail: "x".repeat(depth * 4000) });
  const id = items.put(nested(12));
  let at = id;
  for (let depth = 12; depth >= 0; depth--) {
    const item = items.get(at);
    assert.deepEqual([item.depth, item.tail.length], [depth, depth * 4000]);
    at = item.below;
  }
  assert.equal(at, "end");
});

test("a result that does not fit into the buffer is read in full", () => {
  const db = openMemory({ entityBytesMax: 64 << 20, transactionBytesMax: 128 << 20 });
  const items = db.collection("items");
  const text = (n) => String(n).repeat(3_000_000).slice(0, 3_000_000);
  const ids = items.putMany([0, 1, 2].map((n) => ({ n, text: text(n) })));
  for (const [n, id] of ids.entries()) assert.equal(items.get(id).text, text(n));
  assert.deepEqual(items.getMany(ids).map((item) => item.text), [0, 1, 2].map(text));
  assert.deepEqual([...items].map((item) => item.text.length), [3e6, 3e6, 3e6]);
  assert.deepEqual(items.find().toArray().map((item) => item.text === text(item.n)), [true, true, true]);
  assert.deepEqual([...items.find().orderBy("-n")].map((item) => item.n), [2, 1, 0]);
  const many = items.putMany(Array.from({ length: 5000 }, () => ({})));
  assert.equal(new Set(many).size, 5000);
  assert.ok(many.every((id) => items.exists(id)));
  db.close();
});

test("nothing is open after close though objects are left", { skip: process.platform === "linux" ? false : "files of a process are counted through /proc of Linux" }, () => {
  const where = path.join(root, "let-go");
  const opened = () => readdirSync("/proc/self/fd").flatMap((number) => {
    try {
      return [readlinkSync(`/proc/self/fd/${number}`)];
    } catch {
      return [];
    }
  }).filter((place) => place.startsWith(where));
  const db = open(where);
  const items = db.collection("items");
  items.putMany(Array.from({ length: 2000 }, (_, n) => ({ n, pad: "x".repeat(500) })));
  db.checkpoint();
  const walk = items.scan();
  walk.next();
  const reader = db.snapshot();
  assert.ok(opened().length > 0);
  db.close();
  assert.deepEqual(opened(), []);
  for (const use of [() => walk.next(), () => items.count(), () => reader.sequence]) assert.throws(use, { code: "CLOSED" });
});

test("an error of a call that is over names what is over", () => {
  const db = open(path.join(root, "over"));
  const items = db.collection("items");
  let kept;
  db.transaction((tx) => { kept = [tx, tx.collection("items")]; });
  for (const use of [() => kept[1].put({}), () => kept[1].find().toArray(), () => kept[0].savepoint(), () => kept[0].commit(), () => kept[0].abort(), () => kept[0].collection("x")]) {
    assert.throws(use, (error) => error.code === "TRANSACTION_ENDED" && error.name === "TransactionEndedError" && /transaction has ended/.test(error.message) && error.hint.length > 0, String(use));
  }
  assert.equal(kept[0].isOpen, false);
  const snapshot = db.snapshot();
  const seen = snapshot.collection("items");
  const walk = seen.scan();
  snapshot.close();
  snapshot.close();
  assert.throws(() => seen.count(), { code: "TRANSACTION_ENDED" });
  assert.equal(walk.next().done, true, "a walk that was begun goes on");
  const feed = db.changes();
  feed.close();
  feed.close();
  assert.throws(() => feed.next(), { code: "CLOSED" });
  assert.throws(() => db.transaction(() => db.close()), { code: "IN_USE", name: "InUseError" });
  assert.equal(db.isClosed, false);
  const reader = db.snapshot();
  db.close();
  for (const use of [() => items.get("0".repeat(32)), () => reader.sequence, () => reader.collection("items"), () => walk.next()]) {
    assert.throws(use, (error) => error.code === "CLOSED" && error.path === db.path, String(use));
  }
  assert.equal(reader.isOpen, false);
  reader.close();
});
