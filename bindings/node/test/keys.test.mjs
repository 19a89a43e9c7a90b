// Keys and passwords of an encrypted database are changed, added, taken away, and its data put under a new key.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { NotEncryptedError, UsageError, WrongKeyError, open, openMemory } from "entidb";

const key = (letter) => new Uint8Array(32).fill(letter.charCodeAt(0));

function opens(path, options) {
  try {
    const db = open(path, options);
    const count = db.collection("notes").count();
    db.close();
    return count === 1;
  } catch (error) {
    assert.ok(error instanceof WrongKeyError, String(error));
    return false;
  }
}

test("keys are changed, added and taken away", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "entidb-keys-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "db");
  let db = open(path, { key: key("a"), passwordMemoryKib: 19 * 1024 });
  db.collection("notes").put({ n: 1 });
  assert.throws(() => db.changeKey({ key: key("z") }, { key: key("b") }), WrongKeyError);
  db.changeKey({ key: key("a") }, { password: "correct horse" });
  db.addKey({ password: "correct horse" }, { key: key("b") });
  db.rotateKey();
  assert.equal(db.rekey(), true);
  assert.ok(db.verify({ full: true }).ok);
  db.close();
  assert.ok(opens(path, { password: "correct horse" }) && opens(path, { key: key("b") }) && !opens(path, { key: key("a") }));
  db = open(path, { key: key("b") });
  db.removeKey({ password: "correct horse" });
  assert.throws(() => db.removeKey({ key: key("b") }), UsageError);
  db.close();
  assert.ok(opens(path, { key: key("b") }) && !opens(path, { password: "correct horse" }));
});

test("what cannot be is refused without showing a key", () => {
  const plain = openMemory();
  assert.throws(() => plain.rotateKey(), NotEncryptedError);
  assert.throws(() => plain.rekey(), NotEncryptedError);
  plain.close();
  const db = openMemory({ key: key("a") });
  for (const wrong of [undefined, {}, "secret", { key: "secret" }, { password: 5 }, { key: key("a"), password: "secret" }, { key: new Uint8Array(5) }, { pass: 1 }]) {
    assert.throws(() => db.changeKey({ key: key("a") }, wrong), (error) => error instanceof UsageError && !error.message.includes("secret"));
  }
  db.close();
});
