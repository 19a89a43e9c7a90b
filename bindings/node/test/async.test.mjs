// The surface with promises where it is not like the other one: order, waiting, transactions across awaits, streams, the end.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { BusyError, ClosedError, DeadlockError, EntidbError, InUseError, f, open, openAsync, openMemoryAsync } from "entidb";

const require = createRequire(import.meta.url);
const { native } = require("../dist/node/lib/native.js");
const entidb = new URL("../dist/node/lib/index.js", import.meta.url).pathname;
const root = mkdtempSync(path.join(tmpdir(), "entidb-async-"));
after(() => rmSync(root, { recursive: true, force: true }));

const code = (name) => (error) => error instanceof EntidbError && error.code === name;
const numbers = (count) => Array.from({ length: count }, (_, n) => ({ n }));

/** Whether a promise is settled after a few turns of the loop. */
async function isSettled(promise) {
  let settled = false;
  promise.then(() => (settled = true), () => (settled = true));
  for (let turns = 0; turns < 5; turns++) await turn();
  return settled;
}

test("writes are made in the order in which they were called, and reads after an await see them", async () => {
  const db = await openMemoryAsync();
  const notes = db.collection("notes");
  const id = db.newId();
  const calls = Array.from({ length: 50 }, (_, n) => (n % 3 === 0 ? notes.put({ n }, { id }) : n % 3 === 1 ? notes.update(id, { n }) : notes.replace(id, { n })));
  await Promise.all(calls);
  assert.equal((await notes.get(id)).n, 49);
  await db.close();
});

test("puts that wait for each other share commits, and each fails alone", async () => {
  const db = await openMemoryAsync();
  const notes = db.collection("notes");
  await notes.createIndex("key", { unique: true });
  const feed = await db.changes({ since: await db.position });
  const results = await Promise.allSettled(Array.from({ length: 200 }, (_, n) => notes.put({ key: n === 100 ? 7 : n })));
  assert.deepEqual(results.map(({ status }, n) => [n, status]).filter(([, status]) => status === "rejected"), [[100, "rejected"]]);
  assert.ok(code("UNIQUE_VIOLATION")(results[100].reason));
  assert.equal(await notes.count(), 199);
  assert.equal(new Set(results.filter(({ value }) => value).map(({ value }) => value)).size, 199, "each has its own id");
  const more = await Promise.all(Array.from({ length: 200 }, (_, n) => notes.put({ key: 1000 + n })));
  let commits = 0;
  for (let batch = await feed.next(0); batch !== undefined; batch = await feed.next(0)) commits += batch.endsCommit ? 1 : 0;
  assert.ok(commits < 399, `${commits} commits`);
  for (const [n, id] of more.entries()) assert.equal((await notes.get(id)).key, 1000 + n);
  // The same id twice is two versions, in order.
  const id = db.newId();
  await Promise.all([notes.put({ key: "a" }, { id }), notes.put({ key: "b" }, { id })]);
  assert.deepEqual((await notes.history(id)).map(({ entity }) => entity.key), ["a", "b"]);
  await db.close();
});

test("a transaction across awaits lets other calls go on, and other writes wait for its end", async () => {
  const db = await openMemoryAsync();
  const notes = db.collection("notes");
  const first = await notes.put({ n: 1 });
  let write;
  const given = await db.transaction(async (tx) => {
    const own = tx.collection("notes");
    await own.update(first, { n: 2 });
    // Not of this function's own: a call of another task, which knows nothing of the transaction.
    write = outside(() => notes.put({ n: 3 }));
    await delay(5);
    assert.equal((await notes.get(first)).n, 1, "reads go on, and see nothing of it");
    assert.equal((await own.get(first)).n, 2);
    assert.equal(await isSettled(write), false, "the other write waits");
    for await (const note of own.find(f.n.gt(0))) await own.put({ ...note, n: 10 });
    return own.count();
  });
  assert.equal(given, 2);
  await write;
  assert.deepEqual((await notes.find().toArray()).map(({ n }) => n).sort((a, b) => a - b), [2, 3, 10]);
  await db.close();
});

/** Calls something from a task that began before everything else. */
const tasks = [];
const loop = setInterval(() => {
  for (const task of tasks.splice(0)) task();
}, 1);
after(() => clearInterval(loop));
const outside = (run) => new Promise((resolve, reject) => tasks.push(() => run().then(resolve, reject)));

test("a call that would wait for the transaction it is in is refused at once", async () => {
  const db = await openMemoryAsync();
  const notes = db.collection("notes");
  await db.transaction(async (tx) => {
    await tx.collection("notes").put({});
    await turn();
    const calls = [
      () => notes.put({}), () => notes.find().delete(), () => notes.createIndex("n"), () => db.transaction(() => 1), () => db.begin(),
      () => db.createCollection("c"), () => notes.deleteMany([]), () => notes.putMany([{}]),
    ];
    for (const call of calls) await assert.rejects(call(), DeadlockError, String(call));
    await assert.rejects(db.begin({ timeoutMs: 0 }), BusyError);
    await assert.rejects(db.close(), InUseError);
    assert.equal(await notes.count(), 0, "reads are no misuse");
  });
  assert.equal(await notes.count(), 1);
  await db.close();
});

test("a transaction ends as its function does", async () => {
  const db = await openMemoryAsync();
  const notes = db.collection("notes");
  await assert.rejects(db.transaction(async (tx) => {
    await tx.collection("notes").put({});
    throw new TypeError("mine");
  }), /mine/);
  assert.equal(await notes.count(), 0);
  const controller = new AbortController();
  await assert.rejects(db.transaction(async (tx) => {
    await tx.collection("notes").put({});
    controller.abort(new Error("hung up"));
  }, { signal: controller.signal }), /hung up/);
  assert.equal(await notes.count(), 0, "a signal before the commit");
  assert.equal(await db.transaction((tx) => (tx.collection("notes").put({ n: 1 }), "not awaited")), "not awaited");
  assert.equal(await notes.count(), 1, "a call nobody awaited is part of it");
  await assert.rejects(db.transaction(function* () { yield 1; }), code("INVALID_ARGUMENT"));
  await assert.rejects(db.transaction(async function* () { yield 1; }), code("INVALID_ARGUMENT"));
  const tx = await db.begin();
  const own = tx.collection("notes");
  const put = own.put({ n: 2 });
  const commit = tx.commit("none");
  await assert.rejects(own.put({ n: 3 }), code("TRANSACTION_ENDED"), "after commit was called");
  await Promise.all([put, commit]);
  await assert.rejects(tx.commit(), code("TRANSACTION_ENDED"));
  await assert.rejects(own.count(), code("TRANSACTION_ENDED"));
  assert.equal(tx.isOpen, false);
  assert.equal(tx.sequence, await commit);
  const other = await db.begin();
  const mark = await other.savepoint();
  await other.createCollection("letters");
  await other.rollbackTo(mark);
  assert.deepEqual(await other.collections(), ["notes"]);
  await other.abort();
  await other.close();
  assert.equal(await notes.count(), 2);
  await db.close();
});

test("the time a write waits behind others counts as waiting for the lock", async () => {
  const db = await openMemoryAsync({ lockTimeoutMs: 200 });
  const notes = db.collection("notes");
  const tx = await db.begin();
  const begun = performance.now();
  const results = await Promise.allSettled([...Array.from({ length: 20 }, (_, n) => notes.insert({ n })), db.begin()]);
  assert.ok(performance.now() - begun < 3000, "not one wait after the other, which would be 4 seconds");
  for (const { reason } of results) assert.ok(reason instanceof BusyError, String(reason));
  await tx.collection("notes").put({});
  await tx.commit();
  await notes.put({});
  await db.close();
});

test("a signal ends a call that waits, runs or has not begun, with its reason and without a trace", async () => {
  const db = await openMemoryAsync();
  const notes = db.collection("notes");
  await notes.putMany(numbers(3000));
  const tx = await db.begin();
  const waiting = new AbortController();
  const put = notes.put({ n: -1 }, { signal: waiting.signal });
  const behind = notes.putMany([{ n: -1 }], { signal: waiting.signal });
  const begin = db.begin({ signal: waiting.signal });
  assert.equal(await isSettled(put), false);
  waiting.abort(new Error("changed my mind"));
  for (const { reason } of await Promise.allSettled([put, behind, begin])) assert.match(String(reason), /changed my mind/);
  await tx.abort();
  const reason = new Error("before");
  const calls = (signal) => [
    notes.get(db.newId(), { signal }), notes.put({ n: -1 }, { signal }), notes.find(f.n.gt(1), { signal }).toArray(), notes.scan({ signal }).next(),
    notes.find(undefined, { signal }).delete(), notes.createIndex("n", { signal }), db.compact({ signal }), db.verify({ full: true, signal }), db.checkpoint({ signal }),
    openMemoryAsync({ signal }), db.transaction(() => 1, { signal }),
  ];
  for (const [at, result] of (await Promise.allSettled(calls(AbortSignal.abort(reason)))).entries()) assert.equal(result.reason, reason, `call ${at}`);
  // Running ones: at any moment, whichever comes first.
  let ended = 0;
  for (let round = 0; round < 30; round++) {
    const controller = new AbortController();
    const { signal } = controller;
    const running = [
      notes.find(f.n.gte(0), { signal }).orderBy("-n").toArray(), notes.createIndex("n", { name: `i${round}`, signal }),
      notes.find(f.n.lt(0), { signal }).delete(), db.verify({ full: true, signal }), db.compact({ signal }),
    ];
    for (let turns = round % 6; turns > 0; turns--) await turn();
    controller.abort();
    for (const [at, { status, reason }] of (await Promise.allSettled(running)).entries()) {
      if (status === "rejected") assert.equal(reason, signal.reason, `call ${at}: ${reason}`);
      ended += status === "rejected" ? 1 : 0;
    }
    const made = (await notes.indexes()).map(({ name }) => name);
    if (made.length > 0) await Promise.all(made.map((name) => notes.dropIndex(name)));
  }
  assert.ok(ended > 20, `${ended} were ended`);
  assert.equal(await notes.count(), 3000);
  assert.equal((await db.verify({ full: true })).ok, true);
  await assert.rejects(notes.put({}, { signal: 5 }), code("INVALID_ARGUMENT"));
  const late = AbortSignal.timeout(1);
  while (!late.aborted) await delay(1);
  await assert.rejects(notes.find(f.n.gte(0), { signal: late }).count(), { name: "TimeoutError" });
  await db.close();
});

test("a cursor gives batches in order, ends early, and takes steps that are asked for together one after the other", async () => {
  const db = await openMemoryAsync();
  const notes = db.collection("notes");
  await notes.putMany(numbers(1000));
  const held = native.handleCount();
  const seen = [];
  for await (const note of notes.find().orderBy("n")) seen.push(note.n);
  assert.deepEqual(seen, [...seen.keys()]);
  assert.equal(seen.length, 1000);
  for await (const note of notes) if (note.n >= 500) break;
  const cursor = notes.scan();
  const steps = await Promise.all(Array.from({ length: 1002 }, () => cursor.next()));
  assert.deepEqual(steps.map(({ done, value }) => (done ? "end" : value.n)).slice(998), [998, 999, "end", "end"]);
  assert.equal((await notes.scan({ limit: 0 }).next()).done, true);
  const early = notes.scan();
  const step = early.next();
  early.close();
  assert.equal((await step).done, true, "closed while its batch was read");
  assert.equal((await notes.find().orderBy("n").offset(998).first()).n, 998);
  const pages = [];
  for (let token; ; ) {
    const page = await notes.find().orderBy("n").limit(25).after(token).page(10);
    pages.push(page.entities.length);
    if ((token = page.token) === undefined) break;
  }
  assert.deepEqual(pages, [10, 10, 5]);
  assert.equal(native.handleCount(), held, "nothing is held");
  await db.close();
});

test("results and changes are web streams", async () => {
  const db = await openMemoryAsync();
  const notes = db.collection("notes");
  await notes.putMany(numbers(500));
  let sum = 0;
  for await (const note of notes.find(f.n.lt(100)).stream()) sum += note.n;
  assert.equal(sum, 4950);
  const held = native.handleCount();
  const reader = notes.find().stream().getReader();
  assert.equal((await reader.read()).value.n, 0);
  await reader.cancel();
  assert.equal(native.handleCount(), held);
  const feed = await db.changes({ since: await db.position });
  const changes = feed.stream().getReader();
  const next = changes.read();
  await notes.put({ n: 7 });
  assert.equal((await next).value.changes[0].document.n, 7);
  const none = changes.read();
  await changes.cancel();
  assert.equal((await none).done, true);
  await notes.put({ n: 8 });
  assert.equal((await feed.next()).changes[0].document.n, 8, "the feed is open");
  await db.close();
});

test("a feed waits for changes without a thread, and ends when it is left, closed or its database is", async () => {
  const db = await openMemoryAsync();
  const notes = db.collection("notes");
  const since = await db.position;
  const feeds = await Promise.all(Array.from({ length: 200 }, () => db.changes({ since })));
  // Those of this database, of the lanes for reads, and of what opened it.
  const most = 2 + 2 + 4 + 2;
  const waits = feeds.map((feed) => feed.next());
  assert.equal(await isSettled(Promise.race(waits)), false);
  assert.ok(native.asyncThreadCount() <= most, `${native.asyncThreadCount()} threads`);
  await notes.put({ n: 1 });
  for (const batch of await Promise.all(waits)) assert.equal(batch.changes.at(-1).document.n, 1);
  const [feed, other, third] = feeds;
  assert.equal(await feed.next(0), undefined);
  assert.equal(await feed.next(3), undefined);
  await feed.unread();
  assert.equal(feed.position, since);
  assert.equal((await feed.next()).changes.at(-1).document.n, 1);
  const controller = new AbortController();
  const cancelled = feed.next(undefined, { signal: controller.signal });
  await turn();
  controller.abort(new Error("enough"));
  await assert.rejects(cancelled, /enough/);
  const seen = [];
  const reading = (async () => {
    for await (const batch of feed) {
      seen.push(batch.changes[0].document.n);
      if (seen.length === 2) break;
    }
  })();
  await notes.put({ n: 2 });
  await turn();
  await notes.put({ n: 3 });
  await reading;
  assert.deepEqual(seen, [2, 3]);
  const closing = (async () => {
    for await (const _ of other) void _;
    return "ended";
  })();
  await turn();
  await other.close();
  assert.equal(await closing, "ended");
  await assert.rejects(other.next(), ClosedError);
  for (const one of feeds.slice(3)) await one.close();
  assert.equal((await third.next()).changes[0].document.n, 2);
  assert.equal((await third.next()).changes[0].document.n, 3);
  const last = assert.rejects(third.next(), ClosedError);
  await turn();
  await db.close();
  await last;
});

test("a database closes behind the writes that were asked for, and says so to later calls", async () => {
  const place = path.join(root, "closing");
  const held = native.handleCount();
  const db = await openAsync(place);
  const notes = db.collection("notes");
  const calls = [...Array.from({ length: 300 }, (_, n) => notes.put({ n })), db.close()];
  await Promise.all(calls);
  assert.ok(db.isClosed);
  await assert.rejects(notes.put({}), ClosedError);
  await assert.rejects(db.checkpoint(), ClosedError);
  assert.throws(() => db.collection("x"), ClosedError);
  await db.close();
  assert.equal(native.handleCount(), held);
  const again = await openAsync(place);
  assert.equal(await again.collection("notes").count(), 300);
  const tx = await again.begin();
  await tx.collection("notes").put({});
  await assert.rejects(again.close({ abort: false }), InUseError);
  const warned = new Promise((resolve) => process.once("warning", resolve));
  await again.close();
  assert.equal((await warned).code, "ENTIDB_TRANSACTION_ABANDONED");
  await assert.rejects(tx.commit(), ClosedError);
  const other = open(place);
  assert.equal(other.collection("notes").count(), 300);
  other.close();
  await assert.rejects(openAsync(path.join(root, "closing"), { durabillity: "none" }), code("UNKNOWN_OPTION"));
});

test("what asks for much stays usable: requests and replies of any size", async () => {
  const db = await openMemoryAsync();
  const notes = db.collection("notes");
  const large = "x".repeat(3_000_000);
  const id = await notes.put({ large });
  const found = await Promise.all([notes.get(id), notes.get(db.newId()), notes.exists(id), notes.get(id)]);
  assert.equal(found[0].large.length, 3_000_000);
  assert.deepEqual([found[1], found[2], found[3].large === large], [undefined, true, true]);
  const ids = await notes.putMany(numbers(5000));
  const all = await Promise.all(ids.map((one) => notes.get(one)));
  assert.deepEqual(all.map(({ n }) => n), [...ids.keys()]);
  assert.equal((await notes.getMany(ids)).length, 5000);
  await db.close();
});

test("the loop turns while long work is done", async () => {
  const db = await openAsync(path.join(root, "turning"), { durability: "none" });
  const notes = db.collection("notes");
  for (let part = 0; part < 4; part++) await notes.putMany(Array.from({ length: 2500 }, (_, n) => ({ n: part * 2500 + n, text: "some text ".repeat(10) })));
  for (const work of [() => db.checkpoint(), () => notes.createIndex("n"), () => db.verify({ full: true }), () => db.compact(), () => notes.find(f.text.contains("no")).count()]) {
    let turns = 0;
    let isDone = false;
    const counting = (async () => {
      while (!isDone) {
        turns += 1;
        await turn();
      }
    })();
    await work();
    isDone = true;
    await counting;
    assert.ok(turns > 0, `${work}: ${turns} turns`);
  }
  await db.close();
});

const child = (program, ...flags) => spawnSync(process.execPath, [...flags, "-e", program], { encoding: "utf8", timeout: 60_000 });

test("a process waits for its promises and for nothing else", () => {
  const start = `const { openMemoryAsync } = require(${JSON.stringify(entidb)});`;
  const done = child(`${start} openMemoryAsync().then((db) => db.collection("n").put({ a: 1 })).then((id) => console.log(id.length));`);
  assert.deepEqual([done.stdout, done.status], ["36\n", 0], done.stderr);
  const waiting = child(`${start} (async () => {
    const db = await openMemoryAsync();
    const feed = await db.changes();
    setTimeout(() => db.createCollection("late"), 100);
    console.log((await feed.next()).changes[0].kind);
    await db.close();
  })();`);
  assert.deepEqual([waiting.stdout, waiting.status], ["collection_created\n", 0], waiting.stderr);
  const exit = child(`${start} (async () => {
    const db = await openMemoryAsync();
    await db.collection("n").putMany(Array.from({ length: 20000 }, (_, n) => ({ n })));
    db.verify({ full: true }); db.compact(); db.collection("n").find().orderBy("n").toArray();
    (await db.changes()).next(); setTimeout(() => process.exit(7), 5);
  })();`);
  assert.equal(exit.status, 7, exit.stderr);
});

test("a worker ends in the middle of its requests", async () => {
  const place = path.join(root, "worker");
  for (let round = 0; round < 4; round++) {
    const worker = new Worker(
      `const { workerData, parentPort } = require("node:worker_threads");
       const { openAsync } = require(workerData.entidb);
       (async () => {
         const db = await openAsync(workerData.place, { durability: "none" });
         const notes = db.collection("notes");
         const feed = await db.changes({ since: await db.position });
         feed.next(0).then(() => feed.next());
         const tx = await db.begin();
         parentPort.postMessage("ready");
         for (;;) {
           await Promise.all([tx.collection("notes").putMany(Array.from({ length: 100 }, (_, n) => ({ n }))), notes.find().orderBy("-n").toArray(), notes.count()]);
         }
       })();
       notes = undefined;`.replace("notes = undefined;", ""),
      { eval: true, workerData: { entidb, place } },
    );
    await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    await delay(round * 7);
    await worker.terminate();
    const db = open(place);
    assert.equal(db.verify({ full: true }).ok, true, "closed, and whole");
    assert.equal(db.collection("notes").count(), 0);
    db.close();
  }
});
