// Deadlines: calls that are not done in time end, and change nothing.
import assert from "node:assert/strict";
import { test } from "node:test";

import { DeadlineExceededError, UsageError, deadline, f, openMemory } from "entidb";

const HOUR = 3_600_000;

function filled() {
  const db = openMemory();
  const items = db.collection("items");
  items.putMany(Array.from({ length: 300 }, (_, n) => ({ n })));
  return { db, items };
}

test("a deadline ends every call that may take long", () => {
  const { db, items } = filled();
  const feed = db.changes({ since: db.position });
  const all = () => items.find(f.n.gte(0));
  const calls = {
    count: () => all().count(),
    find: () => all().toArray(),
    delete: () => all().delete(),
    put: () => items.put({}),
    index: () => items.createIndex("n"),
    verify: () => db.verify({ full: true }),
    transaction: () => db.transaction((tx) => tx.collection("items").put({})),
    feed: () => feed.next(HOUR),
    durable: () => db.waitDurable(db.lastSequence + 1000, HOUR),
  };
  for (const [name, run] of Object.entries(calls)) {
    assert.throws(() => deadline(0, run), (error) => error instanceof DeadlineExceededError && error.code === "TIMEOUT", name);
  }
  assert.equal(all().count(), 300);
  assert.equal(items.indexes().length, 0);
  assert.equal(feed.next(), undefined);
  db.close();
});

test("a deadline gives what its function gives, and is over with it", () => {
  const { db, items } = filled();
  assert.equal(deadline(HOUR, () => items.find(f.n.gte(0)).count()), 300);
  assert.throws(() => deadline(0, () => { throw new RangeError("mine"); }), RangeError);
  assert.equal(items.find(f.n.gte(0)).count(), 300);
  deadline(HOUR, () => {
    assert.throws(() => deadline(5, () => { for (;;) items.put({}); }), DeadlineExceededError);
    assert.ok(items.find(f.n.gte(0)).count() === 300);
  });
  db.close();
});

test("what is no function, no time or a promise is refused", () => {
  const { db, items } = filled();
  assert.throws(() => deadline(10), UsageError);
  assert.throws(() => deadline(-1, () => 1), UsageError);
  assert.throws(() => deadline(HOUR, async () => 1), /promise/);
  let called = 0;
  assert.throws(() => deadline(HOUR, () => ({ then() { called += 1; } })), /promise/);
  assert.equal(called, 0, "nothing is known of what is no promise of the system");
  assert.throws(() => deadline(HOUR, function* () { called += yield 1; }), /generator/);
  assert.equal(items.find(f.n.gte(0)).count(), 300);
  db.close();
});

test("a function that caught the failure of its commit does not end as if it had committed", () => {
  const { db, items } = filled();
  const ended = (error) => error.name === "TransactionEndedError" && /its commit failed with TIMEOUT/.test(error.message);
  const run = (tx) => {
    tx.collection("items").put({ n: 1000 });
    assert.throws(() => deadline(0, () => tx.commit()), { code: "TIMEOUT" });
    assert.throws(() => tx.collection("items").put({}), ended);
    assert.throws(() => tx.savepoint(), ended);
  };
  assert.throws(() => db.transaction(run), ended);
  assert.equal(items.count(), 300);
  db.close();
});
