// Builds the package into dist/: the native module, the TypeScript of bindings/js and of lib, and a thin ES module around it.
// ENTIDB_CARGO_PROFILE chooses the cargo profile; release when there is none.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const dist = path.join(root, "dist");
// Where tsc puts what is in lib.
const entry = path.join(dist, "node/lib");
const profile = process.env.ENTIDB_CARGO_PROFILE ?? "release";

const built = execFileSync(
  "cargo",
  ["build", "-p", "entidb_node", "--profile", profile, "--message-format", "json-render-diagnostics"],
  { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 28 },
);
const module = built
  .split("\n")
  .filter((line) => line.startsWith("{"))
  .map((line) => JSON.parse(line))
  .filter((message) => message.reason === "compiler-artifact" && message.target.name === "entidb_node")
  .flatMap((message) => message.filenames)
  .find((file) => /\.(so|dylib|dll)$/.test(file));
if (module === undefined) throw new Error("cargo named no native module");

// The licences of the repository belong into the package too.
for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) copyFileSync(path.join(root, "../..", name), path.join(root, name));

const require = createRequire(import.meta.url);
rmSync(dist, { recursive: true, force: true });
execFileSync(process.execPath, [require.resolve("typescript/bin/tsc"), "-p", root], { cwd: root, stdio: "inherit" });
mkdirSync(dist, { recursive: true });

const libc =
  process.platform !== "linux" ? "" : process.report.getReport().header.glibcVersionRuntime === undefined ? "-musl" : "-gnu";
const place = path.join(dist, `entidb.${process.platform}-${process.arch}${libc}.node`);
// Renamed into place, so that a process that has the old one loaded is not disturbed.
copyFileSync(module, `${place}.new`);
if (profile === "release" && process.platform === "linux") {
  try {
    execFileSync("strip", ["--strip-debug", `${place}.new`]);
  } catch {
    console.warn("strip is not there; the native module keeps its debug information");
  }
}
renameSync(`${place}.new`, place);

// One copy of the code for both kinds of import, so that classes are the same in both.
const names = Object.keys(require(path.join(entry, "index.js"))).filter((name) => name !== "__esModule" && name !== "default");
writeFileSync(
  path.join(entry, "index.mjs"),
  `// Written by scripts/build.mjs.\nimport entidb from "./index.js";\nexport const {\n${names.map((name) => `  ${name},\n`).join("")}} = entidb;\nexport default entidb;\n`,
);
writeFileSync(path.join(entry, "index.d.mts"), 'export * from "./index.js";\n');
