// The databases every language writes and reads: tests/conformance/README.md, "Databases of other languages".
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { Run, SYNC } from "./runner.mjs";

const files = new URL("../../../tests/conformance/exchange/", import.meta.url);
const own = mkdtempSync(path.join(tmpdir(), "entidb-exchange-"));
after(() => rmSync(own, { recursive: true, force: true }));

test("a database of every language is read", async () => {
  const steps = JSON.parse(readFileSync(new URL("steps.json", files), "utf8"));
  const lines = readFileSync(new URL("expected.txt", files), "utf8").trimEnd().split("\n");
  const take = async (part, place, variant) => {
    const run = await Run.begin(SYNC, variant.options, place);
    try {
      const told = [];
      for (const [at, step] of steps[part].entries()) told.push(`${part} ${at + 1} ${await run.run(step)}`);
      return told;
    } finally {
      await run.end();
    }
  };
  const expected = (part) => lines.filter((line) => line.startsWith(part));
  const exchange = path.join(process.env.ENTIDB_TRANSCRIPTS ?? own, "exchange");
  const databases = path.join(exchange, "databases");
  rmSync(path.join(databases, "node"), { recursive: true, force: true });
  mkdirSync(path.join(databases, "node"), { recursive: true });
  for (const variant of steps.variants) {
    const written = await take("write", path.join(databases, "node", variant.name), variant);
    assert.deepEqual(written, expected("write"), `node writing its ${variant.name} database`);
  }
  const writers = readdirSync(databases).sort();
  for (const writer of writers) {
    for (const variant of steps.variants) {
      const copy = path.join(own, `${writer} ${variant.name}`);
      cpSync(path.join(databases, writer, variant.name), copy, { recursive: true });
      assert.deepEqual(await take("read", copy, variant), expected("read"), `node reading the ${variant.name} database of ${writer}`);
    }
  }
  writeFileSync(path.join(exchange, "node.read"), writers.map((writer) => `${writer}\n`).join(""));
});
