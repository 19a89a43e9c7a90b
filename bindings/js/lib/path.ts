/**
 * Paths to parts of a document.
 *
 * Always: a path written with dots is read by the library, so every language reads it the same. Does not know: documents.
 * Format: docs/spec/encoding.md, "Paths".
 */
import { kindOf, refused, text } from "./argument";
import { decodeValue } from "./decode";
import { call, raw } from "./raw";

/** A step of a path: text is a key, a number a position, a number in an array an integer key. */
export type Step = string | number | readonly [number | bigint];

/** A path as it is encoded: its steps. */
export type Path = readonly Step[];

const KEPT_MAX = 1024;
const kept = new Map<string, Path>();

/** @internal The path a caller wrote: a text with dots, or its steps. */
export function pathOf(path: string | Path): Path {
  if (typeof path === "string") {
    const known = kept.get(path);
    if (known !== undefined) return known;
    const read = decodeValue(call(() => raw.path(text(path, "a path")))) as Path;
    if (kept.size >= KEPT_MAX) kept.clear();
    kept.set(path, read);
    return read;
  }
  if (!Array.isArray(path)) throw refused(`a path is text or an array of steps, not ${kindOf(path)}`);
  for (const step of path as readonly unknown[]) {
    const good = typeof step === "string" || (typeof step === "number" && Number.isSafeInteger(step) && step >= 0) || isKey(step);
    if (!good) throw refused(`a step of a path is text, a position from 0, or an integer key in an array, not ${kindOf(step)}`);
  }
  return path;
}

/** @internal A path as messages show it: an integer key in brackets. */
export function shownPath(path: Path): string {
  return path.map((step) => (typeof step === "object" ? `[${step[0]}]` : String(step))).join(".");
}

function isKey(step: unknown): boolean {
  if (!Array.isArray(step) || step.length !== 1) return false;
  const [key] = step as readonly unknown[];
  return typeof key === "bigint" || Number.isSafeInteger(key);
}
