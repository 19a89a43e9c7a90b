// Runs tests/conformance and compares the transcript with the one every language must write.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { ASYNC, Run, SYNC } from "./runner.mjs";

const folder = new URL("../../../tests/conformance/", import.meta.url);

/** Runs every case; returns the transcript. */
async function transcriptOf(surface) {
  const root = mkdtempSync(path.join(tmpdir(), "entidb-conformance-"));
  after(() => rmSync(root, { recursive: true, force: true }));
  let number = 0;
  let transcript = "";
  const failures = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".json")).sort()) {
    for (const case_ of JSON.parse(readFileSync(new URL(file, folder), "utf8")).cases) {
      number += 1;
      const run = await Run.begin(surface, case_.options, case_.disk === true ? path.join(root, String(number)) : undefined);
      for (const [position, step] of case_.steps.entries()) {
        const result = await run.run(step);
        transcript += `${number} ${position + 1} ${result}\n`;
        if (step.expect !== undefined && step.expect !== result) {
          failures.push(`${case_.name}, step ${position + 1}: expected ${step.expect}, found ${result}`);
        }
      }
      await run.end();
    }
  }
  assert.deepEqual(failures, []);
  assert.ok(number >= 150, `only ${number} cases were run`);
  return transcript;
}

function isExpected(transcript) {
  const expected = readFileSync(new URL("expected.txt", folder), "utf8").split("\n");
  transcript.split("\n").forEach((line, at) => assert.equal(line, expected[at]));
  assert.equal(transcript.length, expected.join("\n").length);
}

test("every conformance case gives the transcript that all languages give", async () => {
  const transcript = await transcriptOf(SYNC);
  const to = process.env.ENTIDB_TRANSCRIPTS;
  if (to !== undefined) {
    mkdirSync(to, { recursive: true });
    writeFileSync(path.join(to, "node.txt"), transcript);
  }
  isExpected(transcript);
});

test("so does every case by promises", async () => isExpected(await transcriptOf(ASYNC)));
