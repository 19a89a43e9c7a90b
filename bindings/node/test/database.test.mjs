// Opening, closing, transactions, snapshots, the feed and upkeep.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { Worker } from "node:worker_threads";
import {
  ClosedError, DatabaseLockedError, EntidbError, Snapshot, Transaction, UsageError,
  abiVersion, f, formatVersion, hasFeature, open, openMemory, restore, restoreMemory, validateBackup, version,
} from "entidb";

const root = mkdtempSync(path.join(tmpdir(), "entidb-node-"));
after(() => rmSync(root, { recursive: true, force: true }));
let places = 0;
const place = () => path.join(root, `db${places++}`);

test("what was committed is there after closing and opening again", () => {
  const where = place();
  let db = open(where);
  assert.equal(db.path, where);
  const id = db.collection("notes").put({ n: 1 });
  db.close();
  db = open(where);
  assert.equal(db.collection("notes").get(id).n, 1);
  assert.equal(db.verify({ full: true }).ok, true);
  assert.equal(typeof db.openReport(), "object");
  db.close();
});

test("everything on a closed database says that it is closed", () => {
  const db = openMemory();
  const notes = db.collection("notes");
  notes.put({});
  const feed = db.changes();
  const cursor = notes.scan();
  const snapshot = db.snapshot();
  assert.equal(db.isClosed, false);
  db.close();
  db.close();
  assert.equal(db.isClosed, true);
  for (const use of [
    () => notes.put({}), () => notes.count(), () => notes.find().toArray(), () => db.collections(), () => db.begin(),
    () => db.snapshot(), () => db.checkpoint(), () => db.stats(), () => feed.next(), () => db.transaction(() => 1),
    () => snapshot.collections(),
  ]) {
    assert.throws(use, (error) => error instanceof ClosedError && error.code === "CLOSED", String(use));
  }
  cursor.close();
});

test("a database is closed at the end of its block", () => {
  const db = openMemory();
  db[Symbol.dispose]();
  assert.equal(db.isClosed, true);
});

test("a program that ends in order without close leaves all its commits, at any level", () => {
  for (const end of ["", "process.exit(0)", "throw new Error('the end')"]) {
    const where = place();
    try {
      execFileSync(process.execPath, ["-e", `
        const { open } = require(${JSON.stringify(createRequire(import.meta.url).resolve("entidb"))});
        const notes = open(${JSON.stringify(where)}, { durability: "none" }).collection("notes");
        for (let n = 0; n < 100; n++) notes.put({ n });
        ${end}
      `], { stdio: "ignore" });
    } catch (error) {
      assert.equal(error.status, 1);
    }
    const db = open(where);
    assert.equal(db.collection("notes").count(), 100, end);
    db.close();
  }
});

test("opening says what it found, in words of what was asked", () => {
  const where = place();
  open(where, { createNew: true }).close();
  assert.throws(() => open(where, { createNew: true }), { name: "AlreadyExistsError", code: "ALREADY_EXISTS", path: where });
  const missing = place();
  for (const path of ["", "a\0b"]) assert.throws(() => open(path), { code: "INVALID_ARGUMENT" });
  assert.throws(() => open(missing, { readOnly: true }), (error) => error.code === "DATABASE_NOT_FOUND" && !/create/.test(error.message));
  const { code, message } = JSON.parse(execFileSync(process.execPath, ["-e", `
    const { mkdtempSync, rmdirSync } = require("node:fs");
    const gone = mkdtempSync(${JSON.stringify(path.join(root, "gone"))});
    process.chdir(gone);
    rmdirSync(gone);
    try { require(${JSON.stringify(createRequire(import.meta.url).resolve("entidb"))}).open("x"); } catch (error) { console.log(JSON.stringify({ code: error.code, message: error.message })); }
  `], { encoding: "utf8" }));
  assert.equal(code, "DATABASE_NOT_FOUND");
  assert.match(message, /whole path/);
});

test("two at once in one process are refused with a clear error", () => {
  const where = place();
  const db = open(where);
  assert.throws(() => open(where), (error) => error instanceof DatabaseLockedError && error.path !== undefined);
  db.close();
  open(where).close();
});

test("a worker that opens what this thread has open is told so, and can open it after", async () => {
  const where = place();
  const db = open(where);
  db.collection("notes").put({ from: "main" });
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    const { open } = require(workerData.entidb);
    try { const db = open(workerData.where); const n = db.collection("notes").count(); db.collection("notes").put({}); db.close(); parentPort.postMessage(n); }
    catch (error) { parentPort.postMessage(error.code); }`;
  const work = () => new Promise((resolve, reject) => {
    const entidb = new URL("../dist/node/lib/index.js", import.meta.url).pathname;
    const worker = new Worker(code, { eval: true, workerData: { where, entidb } });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  assert.equal(await work(), "DATABASE_LOCKED");
  db.close();
  assert.equal(await work(), 1);
  const again = open(where);
  assert.equal(again.collection("notes").count(), 2);
  again.close();
});

test("workers have databases of their own", async () => {
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    const { open, f } = require(workerData.entidb);
    const db = open(workerData.where);
    const items = db.collection("items");
    for (let n = 0; n < 200; n++) items.put({ n });
    parentPort.postMessage(items.find(f.n.lt(100)).count());
    db.close();`;
  const entidb = new URL("../dist/node/lib/index.js", import.meta.url).pathname;
  const counts = await Promise.all([place(), place()].map((where) => new Promise((resolve, reject) => {
    const worker = new Worker(code, { eval: true, workerData: { where, entidb } });
    worker.once("message", resolve);
    worker.once("error", reject);
  })));
  assert.deepEqual(counts, [100, 100]);
});

test("options are given and read back in the spelling of JavaScript", () => {
  const db = openMemory({ durability: "none", lockTimeoutMs: 10, feedCommitsMax: 5, scanPolicy: "forbid" });
  const config = db.config();
  assert.deepEqual([config.durability, config.lockTimeoutMs, config.feedCommitsMax, config.scanPolicy, config.encrypted], ["none", 10, 5, "forbid", false]);
  assert.throws(() => db.collection("c").put({}) && db.collection("c").find(f.a.eq(1)).toArray(), { code: "SCAN_FORBIDDEN" });
});

for (const [wrong, right] of [["readonly", "readOnly"], ["read_only", "readOnly"], ["lockTimeout", "lockTimeoutMs"], ["pasword", "password"]]) {
  test(`the option ${wrong} is refused, and ${right} named`, () => {
    assert.throws(() => openMemory({ [wrong]: 1 }), (error) => error.code === "UNKNOWN_OPTION" && error.message.includes(right));
  });
}

test("options of the wrong type are refused", () => {
  assert.throws(() => openMemory({ memoryBytes: -1 }), { code: "INVALID_ARGUMENT", message: /memoryBytes is -1/ });
  assert.throws(() => openMemory({ lockTimeoutMs: "soon" }), { code: "INVALID_ARGUMENT" });
  assert.throws(() => openMemory({ key: new Uint8Array(3) }), { code: "INVALID_ARGUMENT" });
  assert.throws(() => openMemory(7), { code: "INVALID_ARGUMENT" });
  assert.throws(() => open(7), { code: "INVALID_ARGUMENT" });
  assert.throws(() => open("a\ud800"), { code: "INVALID_UTF8" });
});

test("a transaction gives what its function gives, and others see nothing before its end", () => {
  const db = openMemory();
  const notes = db.collection("notes");
  const given = db.transaction((tx) => {
    assert.ok(tx instanceof Transaction);
    const inside = tx.collection("notes");
    inside.put({ n: 1 });
    assert.equal(inside.count(), 1);
    assert.equal(notes.count(), 0);
    return "given";
  });
  assert.equal(given, "given");
  assert.equal(notes.count(), 1);
});

test("a transaction can be ended inside its function", () => {
  const db = openMemory();
  db.transaction((tx) => { tx.collection("a").put({}); tx.abort(); });
  db.transaction((tx) => { tx.collection("b").put({}); assert.ok(tx.commit("none") > 0); });
  assert.deepEqual(db.collections(), ["b"]);
});

test("an async function in a transaction is refused, and commits nothing", async () => {
  const db = openMemory();
  assert.throws(() => db.transaction(async (tx) => { tx.collection("a").put({}); await null; tx.collection("a").put({}); }), (error) => error instanceof UsageError && /promise/.test(error.message));
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(db.collections(), []);
  db.collection("a").put({});
});

test("begin, savepoints, commit and abort", () => {
  const db = openMemory();
  const tx = db.begin();
  const notes = tx.collection("notes");
  notes.put({ n: 1 });
  const savepoint = tx.savepoint();
  notes.put({ n: 2 });
  tx.rollbackTo(savepoint);
  assert.throws(() => tx.rollbackTo(99), { code: "SAVEPOINT_NOT_FOUND" });
  assert.equal(notes.count(), 1);
  assert.ok(tx.isOpen);
  const sequence = tx.commit();
  assert.equal(sequence, db.lastSequence);
  db.waitDurable(sequence);
  assert.equal(tx.isOpen, false);
  assert.throws(() => notes.put({}), { code: "TRANSACTION_ENDED" });
  assert.throws(() => tx.commit(), { code: "TRANSACTION_ENDED" });
  const other = db.begin();
  other.collection("notes").put({});
  other.createCollection("x");
  other.renameCollection("x", "y");
  other.dropCollection("y");
  assert.deepEqual(other.collections(), ["notes"]);
  other.abort();
  assert.equal(db.collection("notes").count(), 1);
});

test("a second writer waits, and then says that another is busy", () => {
  const db = openMemory({ lockTimeoutMs: 20 });
  const tx = db.begin();
  assert.throws(() => db.begin({ timeoutMs: 0 }), { code: "BUSY" });
  assert.throws(() => db.collection("a").put({}), { code: "DEADLOCK", retry: "never" });
  tx.abort();
  db.collection("a").put({});
  assert.throws(() => db.transaction(() => 1, { timeout: 1 }), { code: "UNKNOWN_OPTION" });
  assert.throws(() => db.begin().commit("maybe"), { code: "INVALID_ARGUMENT" });
});

test("a wait for a transaction of one's own is refused at once, and says what to use", async () => {
  const db = openMemory({ lockTimeoutMs: 60_000 });
  const outer = db.collection("c");
  const own = (run) => assert.throws(run, (error) => error.name === "DeadlockError" && error.code === "DEADLOCK" && /collection of that transaction/.test(error.message), String(run));
  db.transaction((tx) => {
    for (const run of [
      () => outer.put({}), () => outer.insert({}), () => outer.putMany([{}]), () => outer.deleteMany(["0".repeat(32)]), () => outer.delete("0".repeat(32)),
      () => outer.update("0".repeat(32), { a: 1 }), () => outer.find().delete(), () => outer.createIndex("a"), () => outer.dropIndex("a"),
      () => db.begin(), () => db.begin({ timeoutMs: 1000 }), () => db.transaction(() => 1), () => db.createCollection("d"), () => db.dropCollection("d"),
      () => db.renameCollection("d", "e"), () => db.trimChanges(1),
    ]) own(run);
    tx.collection("c").put({ n: 1 });
    assert.equal(outer.count(), 0);
  });
  assert.equal(outer.count(), 1);
  // Two handlers of requests that take turns in one thread.
  const events = [];
  const handler = async (name) => {
    const tx = db.begin();
    try {
      tx.collection("c").put({ name });
      await new Promise((resolve) => setTimeout(resolve, 5));
      tx.commit();
      events.push(`${name} committed`);
    } catch (error) {
      tx.abort();
      throw error;
    }
  };
  const first = handler("first");
  await assert.rejects(handler("second"), { code: "DEADLOCK" });
  await first;
  await handler("third");
  assert.deepEqual(events, ["first committed", "third committed"]);
  db.close();
});

test("closing aborts a transaction that was begun, warns, and hides no error", async () => {
  const where = place();
  const warnings = [];
  const listen = (warning) => warnings.push(warning.code);
  process.on("warning", listen);
  const run = () => {
    const db = open(where);
    try {
      db.collection("c").put({ n: 1 });
      const tx = db.begin();
      tx.collection("c").put({ n: 2 });
      throw new RangeError("what really happened");
    } finally {
      db.close();
    }
  };
  assert.throws(run, RangeError);
  const db = open(where);
  assert.deepEqual([...db.collection("c")].map((entity) => entity.n), [1]);
  const tx = db.begin();
  assert.throws(() => db.close({ abort: false }), { code: "IN_USE", name: "InUseError" });
  assert.equal(tx.isOpen, true);
  db.close();
  assert.equal(tx.isOpen, false);
  assert.throws(() => tx.commit(), { code: "CLOSED" });
  tx.close();
  const again = open(where);
  again.begin().commit();
  again.close();
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listen);
  assert.deepEqual(warnings, ["ENTIDB_TRANSACTION_ABANDONED", "ENTIDB_TRANSACTION_ABANDONED"]);
});

test("a snapshot stays as it was", () => {
  const db = openMemory();
  const notes = db.collection("notes");
  const id = notes.put({ n: 1 });
  const snapshot = db.snapshot();
  assert.ok(snapshot instanceof Snapshot && !(snapshot instanceof Transaction));
  notes.update(id, { n: 2 });
  notes.put({});
  const then = snapshot.collection("notes");
  assert.deepEqual([then.get(id).n, then.count(), notes.get(id).n], [1, 1, 2]);
  assert.throws(() => then.put({}), { code: "READ_ONLY" });
  assert.deepEqual(snapshot.collections(), ["notes"]);
  assert.ok(snapshot.sequence < db.lastSequence);
  snapshot.close();
  snapshot.close();
  assert.throws(() => then.get(id), { code: "TRANSACTION_ENDED" });
});

test("the past is read while it is kept", () => {
  const db = openMemory();
  const notes = db.collection("notes");
  const id = notes.put({ n: 1 });
  const then = db.lastSequence;
  const since = db.position;
  notes.put({ n: 2 }, { id });
  notes.delete(id);
  assert.equal(notes.get(id, { at: then }).n, 1);
  assert.equal(notes.get(id), undefined);
  const past = db.snapshot({ at: then });
  assert.deepEqual([...past.collection("notes").scan()].map((note) => note.n), [1]);
  past.close();
  const versions = notes.history(id);
  assert.deepEqual(versions.map((version) => [version.entity.n, version.until]), [[1, then + 1], [2, then + 2]]);
  const [update, deleted] = [...db.changes({ since, before: true })].map((commit) => commit.changes[0]);
  assert.deepEqual([update.before, update.document, deleted.before], [{ n: 1 }, { n: 2 }, { n: 2 }]);
  assert.ok([...db.changes()][0].time.getFullYear() >= 2024);
  db.trimChanges(then + 1);
  assert.throws(() => notes.get(id, { at: then }), { code: "SNAPSHOT_EXPIRED", name: "SnapshotExpiredError" });
});

test("the feed tells of commits, from a place, without waiting and with", () => {
  const db = openMemory();
  const feed = db.changes();
  const notes = db.collection("notes");
  const id = notes.put({ n: 1 });
  db.transaction((tx) => { tx.collection("notes").update(id, { n: 2 }); tx.collection("notes").delete(id); });
  notes.createIndex("n");
  const commits = [...feed];
  assert.deepEqual(commits.map((commit) => commit.changes.map((change) => change.kind)), [["collection_created", "insert"], ["delete"], ["index_created"]]);
  assert.equal(commits[0].changes[1].id, id);
  assert.deepEqual(commits[0].changes[1].document, { n: 1 });
  assert.equal(commits[2].changes[0].index.name, "n");
  assert.equal(feed.position, db.position);
  assert.equal(feed.position, commits[2].position);
  assert.ok(commits.every((commit) => commit.endsCommit));
  feed.unread();
  assert.deepEqual(feed.next(), commits[2]);
  assert.equal(feed.next(), undefined);
  const began = Date.now();
  assert.equal(feed.next(30), undefined);
  assert.ok(Date.now() - began >= 25);
  assert.equal([...db.changes({ since: commits[0].position })].length, 2);
  for (const since of [0, "", "7", null]) assert.throws(() => db.changes({ since }), { code: "INVALID_ARGUMENT", message: /position/ });
  const snapshot = db.snapshot();
  notes.put({});
  assert.equal([...db.changes({ since: snapshot.position })].length, 1);
  snapshot.close();
  assert.throws(() => feed.next(-1), { code: "INVALID_ARGUMENT" });
});

test("the feed tells of keys of manual indexes", () => {
  const db = openMemory();
  const notes = db.collection("notes");
  notes.createIndex({ kind: "manual", name: "by" });
  const [kept, gone] = [notes.put({}), notes.put({})];
  const since = db.position;
  db.transaction((tx) => {
    const index = tx.collection("notes").manualIndex("by");
    index.insert("k", kept);
    index.insert(null, gone);
    index.insert("came and went", kept);
    index.remove("came and went", kept);
  });
  notes.manualIndex("by").remove("k", kept);
  notes.delete(gone);
  assert.deepEqual([...db.changes({ since })].map((commit) => commit.changes), [
    [
      { kind: "key_inserted", collection: "notes", id: kept, name: "by", key: "k" },
      { kind: "key_inserted", collection: "notes", id: gone, name: "by", key: null },
    ],
    [{ kind: "key_removed", collection: "notes", id: kept, name: "by", key: "k" }],
    [{ kind: "delete", collection: "notes", id: gone }],
  ]);
});

test("a gap in the feed is an error", () => {
  const db = openMemory();
  const before = db.position;
  for (let n = 0; n < 5; n++) db.collection("c").put({ n });
  db.trimChanges(db.lastSequence - 1);
  assert.throws(() => db.changes({ since: before }), { code: "GAP", name: "GapError" });
  assert.deepEqual([...db.changes()].map((batch) => batch.changes[0].document), [{ n: 4 }]);
  assert.throws(() => openMemory({ feedCommitsMax: 0 }).changes(), { code: "UNSUPPORTED" });
  const few = openMemory({ feedCommitsMax: 3 });
  for (let n = 0; n < 10; n++) few.collection("c").put({ n });
  assert.deepEqual([...few.changes()].map((batch) => batch.changes.at(-1).document.n), [7, 8, 9]);
});

test("a restored backup does not take positions beyond it", () => {
  const db = open(place());
  db.collection("c").put({ n: 1 });
  const copy = `${place()}-copy`;
  db.backup(copy);
  db.collection("c").put({ n: 2 });
  const restored = open(copy);
  for (let n = 0; n < 3; n++) {
    assert.throws(() => restored.changes({ since: db.position }), { code: "GAP", message: /history/ });
    restored.collection("c").put({ n });
  }
  restored.close();
  db.close();
});

test("a deep document and a large commit are read from the feed in batches", () => {
  const db = openMemory();
  let deep = { leaf: 1 };
  for (let n = 0; n < 63; n++) deep = { in: deep };
  db.collection("c").put(deep);
  assert.deepEqual([...db.changes()][0].changes[1].document, deep);
  const before = db.position;
  const blob = new Uint8Array(3 << 20);
  db.transaction((tx) => { for (let n = 0; n < 22; n++) tx.collection("c").put({ n, blob }); });
  const batches = [...db.changes({ since: before })];
  assert.deepEqual(batches.map((batch) => batch.changes[0].document.n), [...Array(22).keys()]);
  assert.deepEqual(batches.map((batch) => batch.endsCommit), Array.from({ length: 22 }, (_, n) => n === 21));
  assert.equal([...db.changes({ since: batches[10].position })].length, 11);
});

test("checkpoint, compact, backup and verify", () => {
  const where = place();
  const db = open(where);
  const notes = db.collection("notes");
  const ids = notes.putMany(Array.from({ length: 1000 }, (_, n) => ({ n, text: "x".repeat(100) })));
  db.checkpoint();
  notes.deleteMany(ids.slice(0, 500));
  db.checkpoint();
  db.compact();
  const copy = place();
  db.backup(copy);
  assert.throws(() => db.backup(copy), { code: "TARGET_NOT_EMPTY" });
  const stats = db.stats();
  assert.equal(stats.entities, 500);
  assert.ok(stats.segments >= 1 && stats.transactionsCommitted >= 2);
  const report = db.verify({ full: true });
  assert.deepEqual([report.ok, report.problems, report.entities], [true, [], 500]);
  db.close();
  const restored = open(copy);
  assert.equal(restored.collection("notes").count(), 500);
  restored.close();
});

test("an encrypted database opens with its key and with no other", () => {
  const where = place();
  const key = new Uint8Array(32).fill(7);
  const db = open(where, { key });
  db.collection("notes").put({ secret: true });
  assert.equal(db.config().encrypted, true);
  db.close();
  assert.throws(() => open(where, { key: new Uint8Array(32).fill(8) }), { code: "WRONG_KEY" });
  assert.throws(() => open(where), { code: "ENCRYPTION_REQUIRED" });
  const again = open(where, { key });
  assert.equal(again.collection("notes").count(), 1);
  again.close();
  const plain = place();
  open(plain).close();
  assert.throws(() => open(plain, { key }), { code: "NOT_ENCRYPTED" });
});

test("a database with a password opens with it", () => {
  const where = place();
  open(where, { password: "correct horse", passwordMemoryKib: 19456 }).close();
  assert.throws(() => open(where, { password: "battery staple" }), { code: "WRONG_KEY" });
  open(where, { password: "correct horse" }).close();
});

test("what cannot be opened says why", () => {
  const file = path.join(root, "file");
  writeFileSync(file, "text");
  assert.throws(() => open(file), { code: "NOT_A_DIRECTORY" });
  assert.throws(() => open(path.join(root, "none"), { create: false }), { code: "DATABASE_NOT_FOUND" });
  const there = place();
  open(there).close();
  assert.throws(() => open(there, { createNew: true }), (error) => error instanceof EntidbError);
});

test("documents and transactions over their limit are refused", () => {
  const db = openMemory({ entityBytesMax: 4096, transactionBytesMax: 65536 });
  assert.throws(() => db.collection("c").put({ text: "x".repeat(5000) }), { name: "TooLargeError", code: "TOO_LARGE" });
  assert.throws(() => db.transaction((tx) => { for (let n = 0; n < 100; n++) tx.collection("c").put({ text: "x".repeat(4000) }); }), { code: "TOO_LARGE" });
  assert.equal(db.collection("c").count(), 0);
});

test("damage is an error with file and offset, and not missing data", () => {
  const where = place();
  const db = open(where);
  db.collection("notes").putMany(Array.from({ length: 2000 }, (_, n) => ({ n, text: "x".repeat(50) })));
  db.checkpoint();
  db.close();
  const files = readdirSync(where, { recursive: true }).map((name) => path.join(where, String(name))).filter((name) => statSync(name).isFile());
  const largest = files.sort((a, b) => statSync(b).size - statSync(a).size)[0];
  truncateSync(largest, Math.floor(statSync(largest).size / 2));
  assert.throws(() => { const again = open(where); try { again.collection("notes").scan().toArray(); } finally { again.close(); } }, (error) => error.family === "data" && error.code === "CORRUPT");
});

test("an error tells code, number, family, hint and retry", () => {
  try {
    openMemory().dropCollection("none");
    assert.fail();
  } catch (error) {
    assert.ok(error instanceof EntidbError && error instanceof UsageError && error instanceof Error);
    assert.deepEqual([error.name, error.code, error.number, error.family, error.group, error.retry, error.collection], ["CollectionNotFoundError", "COLLECTION_NOT_FOUND", 107, "usage", "VALIDATION", "never", "none"]);
    assert.ok(error.hint.length > 5 && error.stack.includes("database.test.mjs"));
  }
});

test("versions are told", () => {
  assert.match(version, /^\d+\.\d+\.\d+/);
  assert.ok(abiVersion >= 1 && formatVersion >= 1);
  assert.equal(hasFeature("no such feature"), false);
});

test("what is dropped while open is closed, with a warning", () => {
  const code = `
    const { open, openMemory } = require("entidb");
    const codes = [];
    process.on("warning", (warning) => codes.push(warning.code));
    (() => { openMemory().collection("a").put({}); })();
    const kept = openMemory();
    (() => { kept.begin().collection("a").put({}); })();
    let turns = 0;
    const wait = () => {
      gc();
      if (codes.length < 2 && turns++ < 200) return setTimeout(wait, 5);
      kept.collection("a").put({});
      console.log(codes.sort().join());
    };
    setTimeout(wait, 5);`;
  const printed = execFileSync(process.execPath, ["--expose-gc", "-e", code], { cwd: new URL("..", import.meta.url), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  assert.equal(printed.trim(), "ENTIDB_NOT_CLOSED,ENTIDB_TRANSACTION_ABANDONED");
});

test("a key that is taken is shown where that was asked for, and folders are made where that was", () => {
  const above = place();
  for (const showUniqueKeys of [false, true]) {
    const where = path.join(above, String(showUniqueKeys), "db");
    assert.throws(() => open(where), { code: "DATABASE_NOT_FOUND", message: /createParents/ });
    const db = open(where, { createParents: true, showUniqueKeys });
    const users = db.collection("users");
    users.createIndex("email", { unique: true });
    users.put({ email: "ada@example.org" });
    assert.throws(() => users.put({ email: "ada@example.org" }), (error) => {
      return error.code === "UNIQUE_VIOLATION" && error.message.includes("email") && error.message.includes("ada@") === showUniqueKeys;
    });
    db.close();
  }
});

test("reports have the fields of their types", () => {
  const types = readFileSync(new URL("../../js/lib/interface.g.ts", import.meta.url), "utf8");
  const fields = (name) => {
    const [, body] = types.match(new RegExp(`export interface ${name} \\{\n([\\s\\S]*?)\n\\}`));
    return [...body.matchAll(/^ {2}(\w+)\??:/gm)].map((match) => match[1]).sort();
  };
  const db = openMemory();
  for (const [name, report] of [["Stats", db.stats()], ["Config", db.config()], ["OpenReport", db.openReport()], ["VerifyReport", db.verify()], ["CheckpointReport", db.checkpoint()], ["CompactReport", db.compact()]]) {
    assert.deepEqual(Object.keys(report).sort(), fields(name), name);
  }
  db.close();
});

test("a value out of bounds is refused with the bounds", () => {
  assert.throws(() => openMemory({ memoryBytes: 1 }), { code: "INVALID_ARGUMENT", message: /is 1; give a value from 1048576 to 17592186044416/ });
});

test("a backup is checked and restored into a folder and into memory", () => {
  const [backup, restored, key] = [place(), place(), new Uint8Array(32).fill(7)];
  const db = open(place(), { key });
  const id = db.collection("notes").put({ n: 1 });
  const report = db.backup(backup);
  assert.equal(report.sequence, db.lastSequence);
  assert.deepEqual(db.keys(), [{ slot: 0, kind: "key" }]);
  db.close();
  assert.equal(validateBackup(backup, { key }).entities, 1);
  assert.throws(() => validateBackup(backup), { code: "ENCRYPTION_REQUIRED" });
  assert.deepEqual(restore(backup, restored, { key }).sequence, report.sequence);
  assert.throws(() => restore(backup, restored, { key }), { code: "TARGET_NOT_EMPTY" });
  for (const copy of [open(restored, { key }), restoreMemory(backup, { key })]) {
    assert.equal(copy.collection("notes").get(id).n, 1);
    copy.close();
  }
});
