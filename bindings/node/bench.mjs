// Measures the package, beside better-sqlite3 where it is installed: node bench.mjs [entities]. README.md says how.
// Both run every line in turn, three times, and the best time counts: of the clock, and of the processor.
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { cbor, f, open, openMemory } from "entidb";

const require = createRequire(import.meta.url);
const count = Math.max(1000, Math.floor(Number(process.argv[2] ?? 100_000) / 1000) * 1000);
const SINGLE = 200;
const ROUNDS = 3;
const root = mkdtempSync(path.join(tmpdir(), "entidb-bench-"));

const document = (n) => ({ name: `user ${n}`, email: `user${n}@example.org`, age: n % 100, score: n / 7, active: n % 2 === 0, city: `city ${Math.floor(n / 100)}` });
const chosen = (n) => (n * 7919) % count;

/** Six fields of a document, an index on one of them, commits flushed before they return. */
function entidb() {
  let db;
  let users;
  let ids = [];
  let opened = 0;
  const fresh = (options) => {
    db?.close();
    db = open(path.join(root, `entidb${opened++}`), options);
    users = db.collection("users");
    users.createIndex("city");
  };
  const single = () => {
    ids = [];
    for (let n = 0; n < count; n += 1000) {
      db.transaction((tx) => {
        const inside = tx.collection("users");
        for (let i = n; i < n + 1000; i++) ids.push(inside.put(document(i)));
      });
    }
  };
  return {
    "put, 1,000 a transaction, no feed": [() => fresh({ feedCommitsMax: 0 }), count, single],
    "put, 1,000 a transaction": [fresh, count, single],
    "putMany of 1,000": [fresh, count, () => {
      ids = [];
      for (let n = 0; n < count; n += 1000) ids.push(...users.putMany(Array.from({ length: 1000 }, (_, i) => document(n + i))));
    }],
    "put, durable, one by one": [() => db.checkpoint(), SINGLE, () => { for (let n = 0; n < SINGLE; n++) users.put(document(n), { id: ids[n] }); }],
    "get by id": [undefined, count, () => { for (let n = 0; n < count; n++) users.get(ids[chosen(n)]); }],
    "exists by id": [undefined, count, () => { for (let n = 0; n < count; n++) users.exists(ids[chosen(n)]); }],
    "find by an index, 100 rows": [undefined, SINGLE, () => { for (let n = 0; n < SINGLE; n++) users.find(f.city.eq(`city ${(n * 7) % (count / 100)}`)).toArray(); }],
    "find by an index, the first": [undefined, SINGLE * 10, () => { for (let n = 0; n < SINGLE * 10; n++) users.find(f.city.eq(`city ${(n * 7) % (count / 100)}`)).first(); }],
    [`scan of ${count}, each`]: [undefined, count, () => { let sum = 0; for (const user of users) sum += user.age; return sum; }],
    end: () => db.close(),
  };
}

/** The same with real columns and the same index. */
function sqlite(Database) {
  let db;
  let opened = 0;
  let run = {};
  const ids = Array.from({ length: count }, (_, n) => { const id = Buffer.alloc(16); id.writeBigUInt64BE(BigInt(n)); return id; });
  const fresh = () => {
    db?.close();
    db = new Database(path.join(root, `sqlite${opened++}.db`));
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = FULL");
    db.exec("CREATE TABLE users (id BLOB PRIMARY KEY, name TEXT, email TEXT, age INTEGER, score REAL, active INTEGER, city TEXT) WITHOUT ROWID; CREATE INDEX city ON users (city)");
    const insert = db.prepare("INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?, ?, ?, ?)");
    const put = (id, d) => insert.run(id, d.name, d.email, d.age, d.score, d.active ? 1 : 0, d.city);
    run = {
      put,
      thousand: db.transaction((from) => { for (let i = from; i < from + 1000; i++) put(ids[i], document(i)); }),
      get: db.prepare("SELECT * FROM users WHERE id = ?"),
      exists: db.prepare("SELECT 1 FROM users WHERE id = ?").pluck(),
      find: db.prepare("SELECT * FROM users WHERE city = ?"),
      scan: db.prepare("SELECT * FROM users"),
    };
  };
  const thousands = [fresh, count, () => { for (let n = 0; n < count; n += 1000) run.thousand(n); }];
  return {
    "put, 1,000 a transaction, no feed": thousands,
    "put, 1,000 a transaction": thousands,
    "putMany of 1,000": thousands,
    "put, durable, one by one": [() => db.pragma("wal_checkpoint(TRUNCATE)"), SINGLE, () => { for (let n = 0; n < SINGLE; n++) run.put(ids[n], document(n)); }],
    "get by id": [undefined, count, () => { for (let n = 0; n < count; n++) run.get.get(ids[chosen(n)]); }],
    "exists by id": [undefined, count, () => { for (let n = 0; n < count; n++) run.exists.get(ids[chosen(n)]); }],
    "find by an index, 100 rows": [undefined, SINGLE, () => { for (let n = 0; n < SINGLE; n++) run.find.all(`city ${(n * 7) % (count / 100)}`); }],
    "find by an index, the first": [undefined, SINGLE * 10, () => { for (let n = 0; n < SINGLE * 10; n++) run.find.get(`city ${(n * 7) % (count / 100)}`); }],
    [`scan of ${count}, each`]: [undefined, count, () => { let sum = 0; for (const user of run.scan.iterate()) sum += user.age; return sum; }],
    end: () => db.close(),
  };
}

/** Nanoseconds for one: of the clock, and of the processor with what works behind. */
function timed(times, run) {
  const processor = process.cpuUsage();
  const began = process.hrtime.bigint();
  run();
  const clock = Number(process.hrtime.bigint() - began) / times;
  const used = process.cpuUsage(processor);
  return { clock, processor: ((used.user + used.system) * 1000) / times };
}

const less = (one, two) => ({ clock: Math.min(one.clock, two.clock), processor: Math.min(one.processor, two.processor) });
const NEVER = { clock: Infinity, processor: Infinity };

/** What a get costs beyond the engine and building the object; nothing that is not the package's own. */
function boundary() {
  const { native } = require("./dist/node/lib/native.js");
  const { numbers } = require("./dist/js/lib/raw.js");
  const { Decoder } = require("./dist/js/lib/decode.js");
  const { lent, returned } = require("./dist/js/lib/encode.js");
  const { readEntity } = require("./dist/js/lib/entity.js");
  const { idToBytes } = require("./dist/node/lib/index.js");
  // Short turns, of which many are not disturbed even on a busy machine; of long ones none is.
  const times = 500;
  const db = openMemory();
  const users = db.collection("users");
  const id = users.put(document(12345));
  const database = native.openNative(undefined, cbor.encode({}));
  const handle = native.databaseCollection(database, "users");
  const encoder = lent();
  const cases = {
    get: () => users.get(id),
    empty: () => native.handleCount(),
    // The raw call reads the id in the buffer and overwrites it with the result.
    raw: () => { encoder.bytes.set(bytes, 0); numbers[0] = handle; numbers[1] = encoder.bufferIndex; return native.collectionGet(); },
    copy: () => { encoder.bytes.set(bytes, 0); },
    build: () => readEntity(decoder, 0, stored.length, false, id, 1),
    encode: () => cbor.encode(document(12345)),
    decode: () => cbor.decode(stored),
    make: () => document(12345),
  };
  const bytes = idToBytes(id);
  const stored = cbor.encode(document(12345));
  numbers[0] = handle;
  encoder.bytes.set(bytes, 0);
  encoder.bytes.set(stored, 16);
  numbers[1] = encoder.bufferIndex;
  numbers[2] = stored.length;
  numbers[3] = 0;
  native.collectionPut();
  const decoder = new Decoder(Buffer.from(stored));
  const best = {};
  for (let round = 0; round < 1500; round++) {
    for (const [name, run] of Object.entries(cases)) {
      best[name] = Math.min(best[name] ?? Infinity, timed(times, () => { for (let n = 0; n < times; n++) run(); }).clock);
    }
  }
  returned(encoder);
  native.databaseClose(database);
  db.close();
  const rows = [
    ["a call that does nothing", best.empty],
    ["building the entity of six fields", best.build],
    ["making the same object in JavaScript", best.make],
    ["encoding it, judging and decoding it", best.encode + best.decode],
    ["what the boundary adds to a get", best.get - best.build - (best.raw - best.copy - best.empty)],
  ];
  return rows;
}

let theirs;
try {
  theirs = sqlite(require("better-sqlite3"));
} catch (error) {
  console.log(`without better-sqlite3: ${error.message.split("\n")[0]}`);
}
const cell = (number) => (number === undefined ? "" : number.toFixed(0)).padStart(11);
const head = (text) => text.padStart(11);
const ours = entidb();
console.log(`node ${process.version}, ${process.platform}-${process.arch}, ${count} entities; nanoseconds for one, less is better`);
console.log(`${"".padEnd(38)}${head("entidb")}${head("processor")}${head("sqlite")}${head("processor")}${"theirs/ours".padStart(13)}`);
for (const name of Object.keys(ours)) {
  if (name === "end") continue;
  let [us, them] = [NEVER, NEVER];
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of theirs === undefined ? [ours] : [ours, theirs]) {
      const [prepare, times, run] = side[name];
      prepare?.();
      const taken = timed(times, run);
      if (side === ours) us = less(us, taken);
      else them = less(them, taken);
    }
  }
  const beside = theirs === undefined ? "" : `${cell(them.clock)}${cell(them.processor)}${(them.clock / us.clock).toFixed(2).padStart(13)}`;
  console.log(`${name.padEnd(38)}${cell(us.clock)}${cell(us.processor)}${beside}`);
}
ours.end();
theirs?.end();
for (const [name, taken] of boundary()) console.log(`${name.padEnd(38)}${cell(taken)}`);
rmSync(root, { recursive: true });
