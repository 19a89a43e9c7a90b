// The TypeScript above the native half knows neither Node nor the native half, so that a package for browsers can use it.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

const folder = new URL("../../js/lib/", import.meta.url);
const files = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith(".ts"));
const imports = files.flatMap((file) =>
  [...readFileSync(new URL(file, folder), "utf8").matchAll(/(?:from|require\(|import) ?"([^"]+)"/g)].map((match) => [file, match[1]]),
);

test("only host.ts imports a module of Node", () => {
  assert.deepEqual(imports.filter(([, from]) => from.startsWith("node:")), [["host.ts", "node:async_hooks"], ["host.ts", "node:util"]]);
});

test("everything else comes from the same folder", () => {
  assert.ok(imports.length > 100, "the imports were found");
  const isInside = (file, from) => /^\.\.?\/[a-z./]+$/.test(from) && !path.posix.join("/lib", path.posix.dirname(file), from).replace(/^\/lib\//, "").startsWith("/");
  assert.deepEqual(imports.filter(([file, from]) => !from.startsWith("node:") && !isInside(file, from)), []);
});
