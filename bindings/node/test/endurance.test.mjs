// Killed writers and memory over many operations. ENTIDB_TIER=full: 100 rounds, a million operations; each says how far it
// is, and takes a few minutes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { f, open, patch } from "entidb";

const { native } = createRequire(import.meta.url)("../dist/node/lib/native.js");

const full = ["full", "release"].includes(process.env.ENTIDB_TIER);
const WRITER = `
  const { open } = require("entidb");
  const fs = require("node:fs");
  const db = open(process.argv[1]);
  const items = db.collection("items");
  const write = (text) => { for (let at = 0; at < text.length; ) { try { at += fs.writeSync(1, text.slice(at)); } catch (error) { if (error.code !== "EAGAIN") throw error; } } };
  for (let n = Number(process.argv[2]); ; n++) {
    if (n % 5 === 0) db.transaction((tx) => { tx.collection("items").put({ n, half: 1 }); tx.collection("items").put({ n, half: 2 }); });
    else items.put({ n });
    write(n + "\\n");
  }`;

/** Says on the error output how far a long test is, ten times; the output of the runner comes at its end. */
function progress(name, of) {
  const began = Date.now();
  return (done, more = "") => {
    if (full && done % Math.ceil(of / 10) === 0) console.error(`# ${name}: ${done} of ${of}, ${((Date.now() - began) / 1000).toFixed(0)} s${more}`);
  };
}

const MIB = 1024 * 1024;

function killedWriter(where, from, delayMs) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["-e", WRITER, where, String(from)], { cwd: new URL("..", import.meta.url), stdio: ["ignore", "pipe", "inherit"] });
    let printed = "";
    child.stdout.setEncoding("utf8");
    child.stdout.once("data", () => setTimeout(() => child.kill("SIGKILL"), delayMs));
    child.stdout.on("data", (part) => { printed += part; });
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (signal !== "SIGKILL") return reject(new Error(`the writer ended by itself with ${code}`));
      // The last line may be cut; a whole one was acknowledged.
      resolve(printed.split("\n").slice(0, -1).map(Number));
    });
  });
}

test("nothing a killed writer acknowledged is lost", { timeout: 1_200_000 }, async () => {
  const where = mkdtempSync(path.join(tmpdir(), "entidb-kill-"));
  const acknowledged = new Set();
  let next = 1;
  const rounds = full ? 100 : 5;
  const tell = progress("killed writers", rounds);
  for (let round = 0; round < rounds; round++) {
    for (const n of await killedWriter(where, next, Math.floor(Math.random() * 60))) acknowledged.add(n);
    const db = open(where);
    const found = new Map();
    for (const item of db.collection("items")) found.set(item.n, (found.get(item.n) ?? 0) + 1);
    for (const n of acknowledged) assert.ok(found.has(n), `round ${round}: ${n} was acknowledged and is lost`);
    for (const [n, count] of found) assert.equal(count, n % 5 === 0 ? 2 : 1, `round ${round}: the transaction of ${n} is in part`);
    assert.equal(db.verify({ full: true }).ok, true);
    for (const n of found.keys()) next = Math.max(next, n + 1);
    db.close();
    tell(round + 1, `, ${acknowledged.size} acknowledged, ${found.size} found`);
  }
  assert.ok(acknowledged.size > 0);
  rmSync(where, { recursive: true });
});

test("memory does not grow with the number of operations", { timeout: 3_600_000 }, (t) => {
  const rounds = full ? 1_000_000 : 30_000;
  const held = native.handleCount();
  // On disk and with a small cache: the files of a database in memory grow to 160 MiB before they are used again, which
  // is no leak and hides one.
  const where = mkdtempSync(path.join(tmpdir(), "entidb-memory-"));
  const db = open(where, { feedCommitsMax: 10, durability: "none", memtableBytes: 2 * MIB, memoryBytes: 32 * MIB });
  const items = db.collection("items");
  items.createIndex("k");
  const ids = items.putMany(Array.from({ length: 100 }, (_, n) => ({ n, k: n % 10, text: "x".repeat(100) })));
  const step = (n) => {
    const id = ids[n % 100];
    switch (n % 10) {
      case 0: items.put({ n, k: n % 10, text: "y".repeat(100) }, { id }); break;
      case 1: items.update(id, patch().set("n", n)); break;
      case 2: for (const item of items.scan()) if (item.n === -1) break; break;
      case 3: items.find(f.k.eq(n % 10)).toArray(); break;
      case 4: db.transaction((tx) => tx.collection("items").get(id)); break;
      case 5: { const snapshot = db.snapshot(); snapshot.collection("items").count(); snapshot.close(); break; }
      case 6: try { items.insert({}, { id }); } catch { /* it is there */ } break;
      case 7: for (const item of items.find(f.n.gte(0))) if (item) break; break;
      case 8: items.getMany(ids.slice(0, 10)); break;
      default: items.get(id);
    }
  };
  const settle = () => { db.checkpoint(); db.compact(); gc(); gc(); return process.memoryUsage(); };
  const tell = progress("operations", rounds);
  const warm = rounds / 5;
  for (let n = 0; n < warm; n++) step(n);
  const before = settle();
  const grown = (name, now) => (now[name] - before[name]) / MIB;
  const shown = (now) => ["heapUsed", "external", "rss"].map((name) => `${name} ${grown(name, now) < 0 ? "" : "+"}${grown(name, now).toFixed(2)} MiB`).join(", ");
  for (let n = 1; n <= rounds; n++) {
    step(n);
    if (n % (rounds / 10) === 0) tell(n, `, ${native.handleCount() - held} handles, ${shown(settle())}`);
  }
  const after = settle();
  assert.ok(grown("heapUsed", after) < 5, `the heap grew by ${grown("heapUsed", after)} MiB`);
  assert.ok(grown("external", after) < 5, `external memory grew by ${grown("external", after)} MiB`);
  // 27 MiB in a million operations on 2026-11-27: 8 in the first 100,000, and 18 in one step that never came again.
  assert.ok(grown("rss", after) < 45, `the process grew by ${grown("rss", after)} MiB`);
  db.close();
  assert.equal(native.handleCount(), held, "the native half holds nothing any more");
  rmSync(where, { recursive: true });
  t.diagnostic(`${rounds} operations after ${warm}: ${shown(after)}; process ${(after.rss / MIB).toFixed(0)} MiB`);
});
