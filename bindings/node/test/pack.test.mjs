// The packed package, as a user installs it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

test("the tarball installs into an empty folder, and what the README shows runs there", { timeout: 600_000 }, () => {
  const printed = execFileSync(process.execPath, ["scripts/pack-check.mjs"], { cwd: new URL("..", import.meta.url), encoding: "utf8" });
  assert.match(printed, /snippets ran as ES modules and as CommonJS from an empty folder/);
});
