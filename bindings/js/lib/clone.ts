/**
 * What a structured clone (`structuredClone`, `postMessage`) must not make a plain object of.
 *
 * Always: it fails for what has such a field, since symbols are not cloned, and the error says what to do instead: the description ends
 * where the host goes on with "could not be cloned". Does not know: how a class uses it.
 */

/** @internal The field that refuses. */
export function notCloneable(name: string, remedy: string): symbol {
  return Symbol(`a ${name} of entidb is not cloned: ${remedy}. It`);
}
