/**
 * The native half of Node: finds the module of this platform, loads it and installs it.
 *
 * Always: a module that cannot be loaded is an error that names it. Does not know: what the module is asked to do.
 */
import { readdirSync } from "node:fs";
import path = require("node:path");
import v8 = require("node:v8");
import { isMainThread } from "node:worker_threads";

import { code } from "../../js/lib/codes.g";
import { errorFrom } from "../../js/lib/errors.g";
import { type Raw, type Shared, install } from "../../js/lib/raw";

function platform(): string {
  if (process.platform !== "linux") return `${process.platform}-${process.arch}`;
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return `linux-${process.arch}-${report?.header?.glibcVersionRuntime === undefined ? "musl" : "gnu"}`;
}

/** Where the native module is: `dist`, two folders above what tsc makes of this file. */
const PLACE = path.resolve(__dirname, "../..");

function load(): Raw {
  const name = `entidb.${platform()}.node`;
  try {
    return require(path.join(PLACE, name)) as Raw;
  } catch (error) {
    const there = readdirSync(PLACE).filter((file) => file.endsWith(".node"));
    const found = there.length === 0 ? "none" : there.join(", ");
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw errorFrom(
      code.LIBRARY_MISMATCH,
      `the native module ${name} cannot be loaded (${why}); the package holds: ${found}; install a package built for this platform, or build it with \`npm run build\``,
      { path: path.join(PLACE, name) },
    );
  }
}

/** @internal The module itself. */
export const native: Raw = load();

/**
 * Test runners load modules again and again into one thread. A module of Node itself is what such copies have in common; a package
 * in another place has another native half, and shares nothing with this one.
 */
function shared(): Shared {
  const name = Symbol.for(`entidb ${PLACE}`);
  const host = v8 as unknown as Record<symbol, Shared | undefined>;
  const known = host[name];
  if (known !== undefined) return known;
  // Memory of its own, which never moves.
  const made: Shared = { numbers: new Float64Array(new ArrayBuffer(64)), told: new Uint8Array(new ArrayBuffer(8)), encoders: [], used: 0 };
  native.attach(Buffer.from(made.numbers.buffer), isMainThread ? undefined : Buffer.from(made.told.buffer));
  Object.defineProperty(host, name, { value: made });
  return made;
}

install(native, shared());
