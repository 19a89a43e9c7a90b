// Measures the package, beside better-sqlite3 where it is installed (`npm i --no-save better-sqlite3`).
// node bench.mjs [entities]
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { cbor, f, open } from "entidb";

const count = Number(process.argv[2] ?? 100_000);
const root = mkdtempSync(path.join(tmpdir(), "entidb-bench-"));
const document = (n) => ({ name: `user ${n}`, email: `user${n}@example.org`, age: n % 100, score: n / 7, active: n % 2 === 0, city: `city ${n % 1000}` });
const rows = [];

/** The best of three, in nanoseconds for one of `times`. */
function measure(name, times, run, rounds = 3) {
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const began = process.hrtime.bigint();
    run(round);
    best = Math.min(best, Number(process.hrtime.bigint() - began) / times);
  }
  return { name, ns: best };
}

function entidb() {
  const db = open(path.join(root, "entidb"));
  const users = db.collection("users");
  users.createIndex("city");
  const ids = [];
  const out = [];
  out.push(measure("put, 1,000 a transaction", count, () => {
    for (let n = 0; n < count; n += 1000) {
      db.transaction((tx) => {
        const inside = tx.collection("users");
        for (let i = n; i < n + 1000; i++) ids.push(inside.put(document(i)));
      });
    }
  }, 1));
  db.checkpoint();
  out.push(measure("put, durable, one by one", 200, () => { for (let n = 0; n < 200; n++) users.put(document(n), { id: ids[n] }); }));
  out.push(measure("get by id", count, () => { for (let n = 0; n < count; n++) users.get(ids[(n * 7919) % count]); }));
  out.push(measure("exists by id", count, () => { for (let n = 0; n < count; n++) users.exists(ids[(n * 7919) % count]); }));
  out.push(measure("find 100 by an index", 200, () => { for (let n = 0; n < 200; n++) users.find(f.city.eq(`city ${n}`)).toArray(); }));
  out.push(measure("scan, each entity", count, () => { let sum = 0; for (const user of users) sum += user.age; }));
  db.close();
  return out;
}

function sqlite(Database) {
  const db = new Database(path.join(root, "sqlite.db"));
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec("CREATE TABLE users (id BLOB PRIMARY KEY, name TEXT, email TEXT, age INTEGER, score REAL, active INTEGER, city TEXT) WITHOUT ROWID; CREATE INDEX city ON users (city)");
  const insert = db.prepare("INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?, ?, ?, ?)");
  const put = (id, d) => insert.run(id, d.name, d.email, d.age, d.score, d.active ? 1 : 0, d.city);
  const ids = Array.from({ length: count }, (_, n) => { const id = Buffer.alloc(16); id.writeBigUInt64BE(BigInt(n)); return id; });
  const out = [];
  const thousand = db.transaction((from) => { for (let i = from; i < from + 1000; i++) put(ids[i], document(i)); });
  out.push(measure("put, 1,000 a transaction", count, () => { for (let n = 0; n < count; n += 1000) thousand(n); }, 1));
  out.push(measure("put, durable, one by one", 200, () => { for (let n = 0; n < 200; n++) put(ids[n], document(n)); }));
  const get = db.prepare("SELECT * FROM users WHERE id = ?");
  out.push(measure("get by id", count, () => { for (let n = 0; n < count; n++) get.get(ids[(n * 7919) % count]); }));
  const exists = db.prepare("SELECT 1 FROM users WHERE id = ?").pluck();
  out.push(measure("exists by id", count, () => { for (let n = 0; n < count; n++) exists.get(ids[(n * 7919) % count]); }));
  const find = db.prepare("SELECT * FROM users WHERE city = ?");
  out.push(measure("find 100 by an index", 200, () => { for (let n = 0; n < 200; n++) find.all(`city ${n}`); }));
  const scan = db.prepare("SELECT * FROM users");
  out.push(measure("scan, each entity", count, () => { let sum = 0; for (const user of scan.iterate()) sum += user.age; }));
  db.close();
  return out;
}

const bytes = cbor.encode(document(12345));
rows.push(["encode a document", measure("", count, () => { for (let n = 0; n < count; n++) cbor.encode(document(n)); }).ns]);
rows.push(["decode a document, judged", measure("", count, () => { for (let n = 0; n < count; n++) cbor.decode(bytes); }).ns]);
rows.push(["make the same object", measure("", count, () => { let kept; for (let n = 0; n < count; n++) kept = document(n); return kept; }).ns]);

const ours = entidb();
let theirs;
try {
  theirs = sqlite(createRequire(import.meta.url)("better-sqlite3"));
} catch (error) {
  console.log(`without better-sqlite3: ${error.message.split("\n")[0]}`);
}
rmSync(root, { recursive: true });
console.log(`node ${process.version}, ${count} entities, nanoseconds for one; less is better`);
for (const [name, ns] of rows) console.log(`${name.padEnd(28)} ${ns.toFixed(0).padStart(10)}`);
console.log(`${"".padEnd(28)} ${"entidb".padStart(10)} ${"sqlite".padStart(10)}`);
ours.forEach(({ name, ns }, at) => {
  console.log(`${name.padEnd(28)} ${ns.toFixed(0).padStart(10)} ${theirs === undefined ? "" : theirs[at].ns.toFixed(0).padStart(10)}`);
});
