// The TypeScript above the native half knows neither Node nor the native half, so that a package for browsers can use it.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../js/lib/", import.meta.url);
const imports = readdirSync(folder).flatMap((file) =>
  [...readFileSync(new URL(file, folder), "utf8").matchAll(/(?:from|require\(|import) ?"([^"]+)"/g)].map((match) => [file, match[1]]),
);

test("only host.ts imports a module of Node", () => {
  assert.deepEqual(imports.filter(([, from]) => from.startsWith("node:")), [["host.ts", "node:util"]]);
});

test("everything else comes from the same folder", () => {
  assert.ok(imports.length > 50, "the imports were found");
  assert.deepEqual(imports.filter(([, from]) => !/^(node:|\.\/[a-z.]+$)/.test(from)), []);
});
