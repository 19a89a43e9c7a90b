/**
 * What this folder uses of its host beside the language: type checks that hold across realms, how objects are shown, and warnings.
 *
 * Always: the one file here that imports a module of the host, so that a package for another host replaces it alone. The global
 * `Buffer` is used everywhere. Does not know: the database.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import util = require("node:util");

/** @internal */
export const inspect: typeof util.inspect = util.inspect;
/** @internal */
export const types: typeof util.types = util.types;

/** @internal The transaction whose function the running code belongs to, also behind its awaits. */
export const context: AsyncLocalStorage<object> = new AsyncLocalStorage();

/** @internal Whether two values are the same, enumerable fields included that a typed array has beside its elements. */
export const isDeepStrictEqual: typeof util.isDeepStrictEqual = util.isDeepStrictEqual;

/** @internal Warns the developer of the program. */
export function warn(message: string, code: string): void {
  process.emitWarning(message, { type: "EntidbWarning", code });
}
