// Errors: every code this package can give is given, as its class, with number, family, hint and what it knows.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { Condition, EntidbError, cbor, errorFrom, f, open, openMemory, patch } from "entidb";

const require = createRequire(import.meta.url);
const { native } = require("../dist/node/lib/native.js");
const { numbers, thrown } = require("../dist/js/lib/raw.js");
const { Encoder } = require("../dist/js/lib/encode.js");
const root = mkdtempSync(path.join(tmpdir(), "entidb-codes-"));
after(() => rmSync(root, { recursive: true, force: true }));
let places = 0;
const place = () => path.join(root, `d${places++}`);
const linux = { skip: process.platform === "linux" ? false : "faults are provoked through /proc and prlimit of Linux" };

const table = new Map(
  [...readFileSync(new URL("../../../docs/spec/errors.toml", import.meta.url), "utf8").matchAll(/\[\[code\]\]\n((?:(?!\[\[).*\n?)*)/g)].map(([, row]) => [
    /^name = "(\w+)"/m.exec(row)[1],
    { number: Number(/^(?:number|code) = (\d+)/m.exec(row)[1]), isDue: !/^(planned|retired) =/m.test(row) },
  ]),
);

/** A database that was filled, checkpointed and closed. */
function filled(count = 100, options) {
  const where = place();
  const db = open(where, options);
  if (count > 0) db.collection("c").putMany(Array.from({ length: count }, (_, n) => ({ n, pad: "x".repeat(1000) })));
  db.checkpoint();
  db.close();
  return where;
}

function using(where, options, run) {
  const db = open(where, options);
  try {
    return run(db);
  } finally {
    db.close();
  }
}

function crc32(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

/** Writes over bytes of the headers of ROOT and makes their checksums right again. */
function header(at, bytes) {
  const where = filled(0);
  const file = path.join(where, "ROOT");
  const data = readFileSync(file);
  for (const slot of [0, 4096]) {
    if (data.subarray(slot, slot + 128).every((byte) => byte === 0)) continue;
    data.set(bytes, slot + at);
    data.writeUInt32LE(crc32(data.subarray(slot, slot + 124)), slot + 124);
  }
  writeFileSync(file, data);
  open(where);
}

const ID = "0".repeat(32);
const key = (first) => Uint8Array.from({ length: 32 }, (_, n) => first + n);
const c = (options) => openMemory(options).collection("c");
const decoded = (hex) => cbor.decode(Buffer.from(hex, "hex"));
const twice = (run) => { run(); run(); };
const deep = () => { let value = []; for (let n = 0; n < 70; n++) value = [value]; return value; };

/** A page token of a scan. The package asks only walks that have tokens, so this goes below it. */
function unsupported() {
  const database = native.openNative(undefined, cbor.encode({}));
  const encoder = new Encoder(9);
  try {
    const collection = native.databaseCollection(database, "c");
    encoder.bytes.set([0xa0], 16);
    numbers.set([collection, 9, 1, 0]);
    native.collectionPutNew();
    // With one entity a batch it cannot know that this was the last.
    numbers.set([collection, 9, 0, 0, -1, 1, 1024]);
    native.collectionScan();
    native.cursorToken(encoder.decoder.double(0), 0);
  } catch (error) {
    throw thrown(error);
  } finally {
    native.databaseClose(database);
    native.lend(9, undefined);
  }
}

const GIVEN = {
  INVALID_ARGUMENT: () => c().get("nonsense"),
  INVALID_HANDLE: () => { try { native.collectionCount(7); } catch (error) { throw thrown(error); } },
  UNKNOWN_OPTION: () => openMemory({ durabilty: "none" }),
  TOO_LARGE: () => c({ entityBytesMax: 1024 }).put({ x: "y".repeat(5000) }),
  UNSUPPORTED: unsupported,
  COLLECTION_NOT_FOUND: () => openMemory().dropCollection("none"),
  COLLECTION_EXISTS: () => { const db = openMemory(); twice(() => db.createCollection("c")); },
  INDEX_NOT_FOUND: () => { const items = c(); items.put({}); items.dropIndex("none"); },
  INDEX_EXISTS: () => { const items = c(); for (const field of ["a", "b"]) items.createIndex(field, { name: "i" }); },
  DATABASE_LOCKED: () => { const where = place(); using(where, {}, () => open(where, { lockTimeoutMs: 0 })); },
  BUSY: () => { const db = openMemory(); db.transaction(() => db.begin({ timeoutMs: 0 })); },
  DEADLOCK: () => { const db = openMemory(); db.transaction(() => db.collection("c").put({})); },
  CLOSED: () => { const db = openMemory(); const items = db.collection("c"); db.close(); items.count(); },
  READ_ONLY: () => using(filled(1), { readOnly: true }, (db) => db.collection("c").put({})),
  GAP: () => { const db = openMemory(); const since = db.position; twice(() => db.collection("c").put({})); db.trimChanges(db.lastSequence); db.changes({ since }); },
  SNAPSHOT_EXPIRED: () => { const db = openMemory(); twice(() => db.collection("c").put({})); db.trimChanges(db.lastSequence); db.snapshot({ at: 1 }); },
  TIMEOUT: () => { const db = openMemory(); db.waitDurable(db.lastSequence + 1000, 20); },
  IN_USE: () => { const db = openMemory(); db.transaction(() => db.close()); },
  LIBRARY_MISMATCH: () => { throw errorFrom(211, "given in error.test.mjs, by a package without its module"); },
  NOT_A_DIRECTORY: () => { const where = place(); writeFileSync(where, ""); open(where); },
  DATABASE_NOT_FOUND: () => open(place(), { create: false }),
  TARGET_NOT_EMPTY: () => using(place(), {}, (db) => { const to = place(); mkdirSync(to); writeFileSync(path.join(to, "x"), ""); db.backup(to); }),
  NOT_A_DATABASE: () => { const where = place(); mkdirSync(where); writeFileSync(path.join(where, "letter.txt"), "dear"); open(where); },
  WRONG_KEY: () => open(filled(0, { key: key(0) }), { key: key(1) }),
  ENCRYPTION_REQUIRED: () => open(filled(0, { key: key(0) })),
  NOT_ENCRYPTED: () => open(filled(0), { key: key(0) }),
  FORMAT_TOO_NEW: () => header(8, [2, 0]),
  TAMPERED: () => header(52, [1]),
  CORRUPT: () => {
    const where = filled();
    for (const name of readdirSync(path.join(where, "seg"))) {
      const file = path.join(where, "seg", name);
      const data = readFileSync(file);
      data[200] ^= 1;
      writeFileSync(file, data);
    }
    using(where, {}, (db) => db.collection("c").scan().toArray());
  },
  NOT_A_REGULAR_FILE: () => {
    const where = filled(0);
    const moved = place();
    renameSync(path.join(where, "ROOT"), moved);
    symlinkSync(moved, path.join(where, "ROOT"));
    open(where);
  },
  TRUNCATED: () => decoded("82"),
  NOT_CANONICAL: () => decoded("1801"),
  TOO_DEEP: () => c().put({ deep: deep() }),
  DUPLICATE_KEY: () => decoded("a2616101616102"),
  INVALID_UTF8: () => c().put({ s: "\udfff" }),
  TRAILING_BYTES: () => decoded("0000"),
  UNSUPPORTED_ITEM: () => decoded("f7"),
  INVALID_TAG_CONTENT: () => decoded("d8254100"),
  INVALID_KEY: () => c().put(new Map([[1.5, 1]])),
  NUMBER_OUT_OF_RANGE: () => c().put({ n: 2n ** 70n }),
  WRONG_TYPE: () => { const items = c(); items.update(items.put({ t: "x" }), patch().append("t", 1)); },
  MALFORMED: () => decoded("1c"),
  DOCUMENT_TOO_LARGE: () => { const bytes = new Uint8Array(5 + (5 << 24)); bytes.set([0x5a, 5]); cbor.decode(bytes); },
  UNREPRESENTABLE: () => c().put({ x() {} }),
  PATCH_MISMATCH: () => { const items = c(); items.update(items.put({ l: [1] }), patch().set("l.9", 1)); },
  QUERY_INVALID: () => { const items = c(); items.put({}); items.find(new Condition(["like"])).toArray(); },
  SCAN_FORBIDDEN: () => { const items = c({ scanPolicy: "forbid" }); items.put({}); items.find(f.a.eq(1)).toArray(); },
  PAGE_TOKEN_INVALID: () => { const items = c(); items.put({}); items.find().after("eA").toArray(); },
  QUERY_TOO_LARGE: () => {
    const items = c({ sortBytesMax: 65536 });
    items.putMany(Array.from({ length: 2000 }, (_, a) => ({ a, pad: "x".repeat(200) })));
    items.find().orderBy("a").toArray();
  },
  TRANSACTION_ENDED: () => { const tx = openMemory().begin(); tx.abort(); tx.commit(); },
  ALREADY_EXISTS: () => { const items = c(); twice(() => items.insert({}, { id: ID })); },
  ENTITY_NOT_FOUND: () => c().replace(ID, {}),
  VERSION_MISMATCH: () => { const items = c(); items.replace(items.put({}), {}, { version: 1e9 }); },
  UNIQUE_VIOLATION: () => { const items = c(); items.createIndex("a", { unique: true }); items.putMany([{ a: 1 }, { a: 1 }]); },
  LIMIT_REACHED: () => { for (const items = c({ databaseBytesMax: 1 << 20, compression: "none" }); ; ) items.put({ pad: "x".repeat(100_000) }); },
  SAVEPOINT_NOT_FOUND: () => openMemory().transaction((tx) => { const outer = tx.savepoint(); const inner = tx.savepoint(); tx.rollbackTo(outer); tx.rollbackTo(inner); }),
};
/** Codes that the table above does not give, and why. */
const NOT_GIVEN = {
  CONCURRENT_USE: "a handle belongs to one thread here, and calls are synchronous",
  FOREIGN_HANDLE: "a savepoint is a number here; one of another transaction is SAVEPOINT_NOT_FOUND",
  FORKED: "Node has no fork; a child process begins anew",
  CANCELLED: "only a worker that is being ended gets it, and runs no code any more; handles.test.mjs ends some",
  IO: "below, by a fault",
  NO_SPACE: "below, in a process of its own",
  OUT_OF_MEMORY: "below, in a process of its own",
  WRITES_STOPPED: "below, by a fault",
  DATABASE_REPLACED: "below, by a folder that is moved",
  PERMISSION_DENIED: "below, in a process of its own",
  TOO_MANY_OPEN_FILES: "below, in a process of its own",
  READ_ONLY_STORAGE: "it takes a file system mounted for reading only; the tests of the storage have one",
  FORMAT_TOO_OLD: "there is one format",
  CONFLICT: "there are no optimistic transactions yet",
  COMMIT_UNKNOWN: "below, by a fault",
  INTERNAL: "it would be a defect",
  PANIC: "it would be a defect; the tests of the C functions cause one",
};

test("every code is given, or listed with a reason", () => {
  const due = [...table].filter(([, { isDue }]) => isDue).map(([name]) => name);
  assert.ok(due.length > 50);
  assert.deepEqual([...Object.keys(GIVEN), ...Object.keys(NOT_GIVEN)].sort(), due.sort());
});

function judge(error, name) {
  const model = errorFrom(table.get(name).number, "model");
  assert.ok(error instanceof EntidbError, String(error));
  assert.equal(error.code, name, error.message);
  for (const part of ["constructor", "name", "number", "family", "group", "hint", "retry"]) assert.equal(error[part], model[part], part);
  assert.ok(error.hint.length > 0 && error.message.length > 0 && !error.message.endsWith("."), error.message);
}

for (const [name, run] of Object.entries(GIVEN)) {
  test(`${name} comes as its class, with its hint`, () => {
    assert.throws(run, (error) => { judge(error, name); return true; });
  });
}

/** Puts another file in the place of every open file of a folder, as a failing disk would. */
function swapped(folder, flags) {
  for (const number of readdirSync("/proc/self/fd").map(Number).sort((a, b) => a - b)) {
    let file;
    try {
      file = readlinkSync(`/proc/self/fd/${number}`);
    } catch {
      continue;
    }
    if (path.dirname(file) !== folder) continue;
    closeSync(number);
    // The lowest free number is given first.
    const extra = [];
    for (let opened = openSync("/dev/null", flags); opened !== number; opened = openSync("/dev/null", flags)) extra.push(opened);
    extra.forEach((one) => closeSync(one));
  }
}

test("a flush that fails leaves the commit unknown and stops writing", linux, () => {
  const where = place();
  const db = open(where);
  const items = db.collection("c");
  const id = items.put({ n: 1 });
  // It takes every byte and cannot flush.
  swapped(path.join(where, "wal"), "r+");
  assert.throws(() => items.put({ n: 2 }), (error) => { judge(error, "COMMIT_UNKNOWN"); return true; });
  assert.throws(() => items.put({ n: 3 }), (error) => { judge(error, "WRITES_STOPPED"); return error.retry === "after_reopen"; });
  assert.equal(items.get(id).n, 1);
  assert.throws(() => db.close(), EntidbError);
  assert.equal(db.isClosed, true);
});

test("a database whose folder was moved takes no more writes", linux, () => {
  const where = place();
  const db = open(where);
  const id = db.collection("c").put({ n: 1 });
  renameSync(where, `${where}-moved`);
  const replaced = (error) => { judge(error, "DATABASE_REPLACED"); return error.path === where; };
  assert.throws(() => db.checkpoint(), replaced);
  assert.throws(() => db.collection("c").put({ n: 2 }), replaced);
  assert.equal(db.collection("c").get(id).n, 1);
  assert.throws(() => db.close(), replaced);
  assert.equal(db.isClosed, true);
});

test("a read that fails is told with its file", linux, () => {
  const where = filled(5000);
  const db = open(where);
  // The file is open once something was read from it, and the rest is in no cache yet.
  db.collection("c").scan({ limit: 1 }).toArray();
  swapped(path.join(where, "seg"), "w");
  assert.throws(() => db.collection("c").scan().toArray(), (error) => { judge(error, "IO"); return typeof error.path === "string" && error.osCode > 0; });
  db.close();
});

/** The code of the error that a program of its own meets. */
function alone(code, ...args) {
  const program = `
    const { open } = require("entidb");
    const { execFileSync } = require("node:child_process");
    const fs = require("node:fs");
    const limit = (what) => execFileSync("prlimit", ["--pid", String(process.pid), what]);
    process.on("SIGXFSZ", () => {});
    const where = process.argv[1];
    try { ${code} } catch (error) { console.log(error.code, error.constructor.name, error.hint.length > 0); }`;
  return execFileSync(process.execPath, ["--no-warnings", "-e", program, ...args], { cwd: new URL("..", import.meta.url), encoding: "utf8", timeout: 120_000 }).trim();
}

const told = (name) => `${name} ${errorFrom(table.get(name).number, "").constructor.name} true`;

test("memory that cannot be had is told", linux, () => {
  const code = `
    const pages = Number(fs.readFileSync("/proc/self/statm", "utf8").split(" ")[0]);
    limit("--as=" + (pages * 4096 + (200 << 20)));
    open(where, { password: "x", passwordMemoryKib: 256 << 10 });`;
  assert.equal(alone(code, place()), told("OUT_OF_MEMORY"));
});

test("a full disk is told, and reading goes on", linux, () => {
  const code = `
    const db = open(where);
    db.collection("c").put({ x: "y".repeat(5000) });
    // A file that may not grow and a disk that has no space fail in the same way.
    limit("--fsize=1024");
    if (db.collection("c").count() !== 1) throw new Error("not read");
    db.backup(where + " copy");`;
  assert.equal(alone(code, place()), told("NO_SPACE"));
});

test("too many open files are told", linux, () => {
  const code = `
    limit("--nofile=" + (fs.readdirSync("/proc/self/fd").length + 1));
    open(where);`;
  assert.equal(alone(code, place()), told("TOO_MANY_OPEN_FILES"));
});

test("a folder that may not be written is told", linux, () => {
  const folder = place();
  mkdirSync(folder);
  chmodSync(root, 0o755);
  chmodSync(folder, 0o555);
  // Root may write everywhere, so it becomes nobody first.
  assert.equal(alone("if (process.geteuid() === 0) process.seteuid(65534); open(where)", path.join(folder, "d")), told("PERMISSION_DENIED"));
});
