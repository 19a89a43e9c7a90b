/**
 * Checks of arguments that functions have in common.
 *
 * Always: an error names the argument and the type it got, never its content. Does not know: what an argument is for.
 */
import { code } from "./codes.g";
import { errorFrom, type EntidbError } from "./errors.g";
import { types } from "./host";

/** @internal An argument that makes no sense. */
export function refused(message: string, context = {}): EntidbError {
  return errorFrom(code.INVALID_ARGUMENT, message, context);
}

/** @internal A text the native half can take. */
export function text(value: unknown, what: string): string {
  if (typeof value !== "string") throw refused(`${what} is text, not ${kindOf(value)}`);
  if (!value.isWellFormed()) throw errorFrom(code.INVALID_UTF8, `${what} holds half of a surrogate pair, which is no text`);
  return value;
}

/** @internal A whole number of at least 0. */
export function whole(value: unknown, what: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw refused(`${what} is a whole number of at least 0, not ${kindOf(value)}`);
  }
  return value;
}

/** @internal A whole number of milliseconds, at most what 32 bits hold. */
export function milliseconds(value: unknown, what: string): number {
  return Math.min(whole(value, what), 0xffff_ffff);
}

/** @internal Refuses a function that is not done when it returns; `what` is what takes it. */
export function synchronous(what: string, run: unknown): void {
  if (types.isGeneratorFunction(run)) throw refused(`${what} takes a function that is done when it returns, not a generator`);
}

/** @internal Whether a function that was to be done gave a promise. The caller is told, so the promise's own failure is not. */
export function isPromised(given: unknown): boolean {
  const promised = given as { then?: unknown } | null | undefined;
  if ((typeof promised !== "object" && typeof promised !== "function") || typeof promised?.then !== "function") return false;
  // Of another class with `then` nothing is known, and calling it may begin what it stands for.
  if (types.isPromise(promised)) promised.then(undefined, () => undefined);
  return true;
}

/** @internal What a value is, for a message: its type by name, and never what it holds unless that is a number or a boolean. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (typeof value !== "object") return typeof value === "undefined" ? "undefined" : `a ${typeof value}`;
  if (Array.isArray(value)) return "an array";
  const name = nameOf(value);
  return name === undefined ? "an object" : `${/^[AEIOaeio]/.test(name) ? "an" : "a"} ${name}`;
}

/** The name of an object's class; undefined for plain objects. Asks the prototypes, since a document may have any field. */
function nameOf(value: object): string | undefined {
  for (let at = Object.getPrototypeOf(value) as object | null; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const maker = Object.getOwnPropertyDescriptor(at, "constructor")?.value as unknown;
    if (typeof maker === "function" && typeof maker.name === "string" && maker.name !== "") {
      if (maker.name !== "Object" && maker.name !== "Iterator") return maker.name;
      break;
    }
    if (typeof maker === "function") return "instance of a class without a name";
  }
  // Generators, iterators, `Math` and the like have no class, and say by a tag what they are.
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  return tag === "Object" ? undefined : tag;
}

/** @internal Refuses names an options object does not have. */
export function only(options: object | undefined, names: readonly string[], where: string): void {
  if (options === undefined) return;
  if (options === null || typeof options !== "object") throw refused(`the options of ${where} are an object, not ${kindOf(options)}`);
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue;
    throw errorFrom(code.UNKNOWN_OPTION, `${where} has no option ${JSON.stringify(name)}; did you mean ${nearest(name, names)}?`);
  }
}

/** @internal The name that is nearest to a misspelt one. */
export function nearest(name: string, names: readonly string[]): string {
  let best = "";
  let least = Infinity;
  for (const candidate of names) {
    const apart = distance(name.slice(0, 64).toLowerCase(), candidate.toLowerCase());
    if (apart < least) [best, least] = [candidate, apart];
  }
  return best;
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (a[i] === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
