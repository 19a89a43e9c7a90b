/**
 * Changes of parts of a document.
 *
 * Always: operations are applied in order, all or none. Does not know: documents.
 * Format: docs/spec/encoding.md, "Patches".
 */
import { kindOf, refused } from "./argument";
import { notCloneable } from "./clone";
import { isPlain } from "./judge";
import { type Path, pathOf } from "./path";
import type { Appended, Given, NumberAt, PathOf } from "./shape";
import type { Decimal, Float } from "./values";

/** @internal */
export type Operation = readonly [0, Path, unknown] | readonly [1, Path] | readonly [2, Path, unknown] | readonly [3, Path, unknown];

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Any = any;

const NOT_CLONEABLE = notCloneable("Patch", "make it in the thread that uses it");

/**
 * Changes of parts of a document, in order. With a type of documents, paths it does not have and values a field cannot have do not
 * compile.
 *
 * ```ts
 * notes.update(id, patch<Note>().set("title", "Hi").increment("reads").append("tags", "seen").remove("draft"));
 * ```
 */
export class Patch<D = Any> {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  /** The documents it applies to. */
  protected declare readonly changed?: (document: D) => void;
  /** @internal */
  readonly operations: Operation[] = [];

  /** Sets the value at a path, and creates missing maps on the way. */
  set<P extends PathOf<D> | Path>(path: P, value: Given<D, P>): this {
    return this.#add([0, pathOf(path), value], "set");
  }

  /** Removes the value at a path, if there is one. */
  remove(path: PathOf<D> | Path): this {
    this.operations.push([1, pathOf(path)]);
    return this;
  }

  /** Adds to a number. A missing number counts as zero. */
  increment<P extends PathOf<D> | Path>(path: P & NumberAt<D, P>, by: number | bigint | Float | Decimal = 1): this {
    return this.#add([2, pathOf(path), by], "increment");
  }

  /** Appends a value to an array. A missing array counts as empty. */
  append<P extends PathOf<D> | Path>(path: P, value: Appended<D, P>): this {
    return this.#add([3, pathOf(path), value], "append");
  }

  #add(operation: Operation, verb: string): this {
    if (operation[2] === undefined) throw refused(`${verb} takes a value, not undefined; use remove to take a field away`);
    this.operations.push(operation);
    return this;
  }
}

/** An empty patch, to add operations to. */
export function patch<D = Any>(): Patch<D> {
  return new Patch<D>();
}

/** @internal The operations of what `update` accepts. */
export function operationsOf(change: Patch | object): readonly Operation[] {
  if (change instanceof Patch) return change.operations;
  if (change === null || typeof change !== "object" || !isPlain(change)) {
    throw refused(`a change is an object of paths and values, or a patch(), not ${kindOf(change)}`);
  }
  const made = new Patch();
  for (const [path, value] of Object.entries(change)) made.set(path, value);
  return made.operations;
}
