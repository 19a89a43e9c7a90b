// Runs every test with node --test. ENTIDB_TIER=full runs the long ones at length.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const folder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../test");
const asked = process.argv.slice(2);
const files = readdirSync(folder)
  .filter((name) => name.endsWith(".test.mjs") && (asked.length === 0 || asked.some((part) => name.includes(part))))
  .sort()
  .map((name) => path.join(folder, name));
const { status } = spawnSync(process.execPath, ["--test", "--expose-gc", ...files], { stdio: "inherit" });
process.exit(status ?? 1);
