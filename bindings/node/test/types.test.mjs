// What the types allow and what they refuse, by the compiler that users have.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { test } from "node:test";

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const compiled = (file, ...options) => {
  const { status, stdout } = spawnSync(process.execPath, [tsc, "--noEmit", "--target", "es2022", "--module", "nodenext", "--strict", ...options, `types/${file}.mts`], {
    cwd: new URL(".", import.meta.url),
    encoding: "utf8",
  });
  assert.equal(stdout, "");
  assert.equal(status, 0);
};
const strict = ["--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--noPropertyAccessFromIndexSignature", "false", "--noUnusedLocals"];

test("what is right compiles under every strict option", () => compiled("accepted", "--types", "node", ...strict));

test("names that documents do not have, and values that fields cannot have, do not compile", () => compiled("refused", "--types", "node"));

test("the types need no types of Node and no library beyond ES2022", () => compiled("minimal", "--lib", "es2022", "--typeRoots", "types/none", "--skipLibCheck", "false"));
