// Packs the package, judges what is in the tarball, installs it into an empty folder, and runs what its README shows.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const npm = process.platform === "win32" ? "npm.cmd" : "npm";
const place = mkdtempSync(path.join(tmpdir(), "entidb-pack-"));
const run = (command, args, cwd) => execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

const packed = JSON.parse(run(npm, ["pack", "--json", "--loglevel=error", "--pack-destination", place], root))[0];
writeFileSync(path.join(place, "package.json"), '{ "private": true, "type": "module" }\n');
run(npm, ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--offline", "--loglevel=error", path.join(place, packed.filename)], place);

const held = new Set(packed.files.map((file) => file.path));
for (const name of ["LICENSE-MIT", "LICENSE-APACHE", "README.md", ...["index.js", "index.mjs", "index.d.ts", "index.d.mts"].map((entry) => `dist/node/lib/${entry}`)]) {
  if (!held.has(name)) throw new Error(`the tarball lacks ${name}`);
}
for (const name of [...held].filter((file) => file.endsWith(".md"))) {
  const text = readFileSync(path.join(root, name), "utf8");
  for (const [, target] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
    if (/^(https?|mailto):/.test(target) || held.has(path.posix.join(path.posix.dirname(name), target))) continue;
    throw new Error(`${name} links to ${target}, which is not in the tarball`);
  }
}
run(process.execPath, [path.join(root, "node_modules/publint/src/cli.js"), "--strict", path.join(place, packed.filename)], root);

const tsc = path.join(root, "node_modules/typescript/bin/tsc");
const snippets = [...readFileSync(path.join(root, "README.md"), "utf8").matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]);
if (snippets.length === 0) throw new Error("the README shows no program");
// Each as an ES module and as CommonJS, under --strict and what is often added to it.
const strict = ["--strict", "--exactOptionalPropertyTypes", "--noImplicitOverride", "--noUnusedLocals"];
const names = snippets.flatMap((text, number) => {
  const pair = [`snippet${number}.mts`, `required${number}.cts`];
  for (const name of pair) writeFileSync(path.join(place, name), text);
  return pair;
});
run(process.execPath, [
  tsc, "--target", "es2022", "--lib", "esnext", "--module", "nodenext", ...strict, "--typeRoots", path.join(root, "node_modules/@types"),
  "--types", "node", ...names,
], place);
for (const name of names) {
  const folder = mkdtempSync(path.join(place, "run-"));
  run(process.execPath, [path.join(place, name.replace(/ts$/, "js"))], folder);
}
writeFileSync(path.join(place, "required.cjs"), 'if (typeof require("entidb").open !== "function") throw new Error("require gives no open");\n');
run(process.execPath, ["required.cjs"], place);
rmSync(place, { recursive: true });
console.log(`${packed.filename}: ${(packed.size / 1e6).toFixed(1)} MB, ${snippets.length} snippets ran as ES modules and as CommonJS from an empty folder`);
