/**
 * Walks over entities.
 *
 * Always: one snapshot from the first entity to the last, however long the walk takes; entities come in batches that grow.
 * Leaving a loop early frees the snapshot at once. Does not know: what was asked.
 */
import { guarded } from "./decode";
import { type Document, type Entity, Frames } from "./entity";
import { type NativeCursor, call } from "./native";

const COUNT_MIN = 16;
const COUNT_MAX = 256;
const BYTES_MIN = 64 * 1024;
const BYTES_MAX = 1024 * 1024;

/**
 * A walk over entities: an iterator, and iterable once.
 *
 * ```ts
 * const cursor = notes.scan({ reverse: true });
 * for (const note of cursor) if (note.title === "Hello") break;   // frees it
 * ```
 */
export class Cursor<T = Document> implements IterableIterator<Entity<T>> {
  #native: NativeCursor | undefined;
  readonly #exact: boolean;
  /** Keeps what the walk needs alive. */
  readonly #owner: unknown;
  #frames: Frames | undefined;
  #count = COUNT_MIN;
  #bytes = BYTES_MIN;
  #position = -1;
  #token: string | undefined;
  readonly #tokens: boolean;

  /** @internal */
  constructor(native: NativeCursor, exact: boolean, tokens: boolean, owner: unknown) {
    this.#native = native;
    this.#exact = exact;
    this.#tokens = tokens;
    this.#owner = owner;
  }

  /** The next entity. */
  next(): IteratorResult<Entity<T>, undefined> {
    if (this.#frames === undefined || this.#frames.done) {
      const native = this.#native;
      if (native === undefined) return { done: true, value: undefined };
      // A new batch takes the places of the last one with it.
      if (this.#tokens && this.#position >= 0) this.#token = this.#ask();
      const bytes = call(() => native.nextBatch(this.#count, this.#bytes));
      if (bytes === null || bytes.length === 0) {
        this.close();
        return { done: true, value: undefined };
      }
      this.#frames = new Frames(bytes, this.#exact);
      this.#position = -1;
      this.#count = Math.min(this.#count * 4, COUNT_MAX);
      this.#bytes = Math.min(this.#bytes * 4, BYTES_MAX);
    }
    this.#position += 1;
    return { done: false, value: this.#frames.next(guarded) as Entity<T> };
  }

  /**
   * The place after the entity that came last, to go on from with `find(…).after(token)`, in this process or another.
   * Undefined before the first entity, and for walks that are no `find`.
   */
  get token(): string | undefined {
    return this.#native === undefined || this.#position < 0 || !this.#tokens ? this.#token : this.#ask();
  }

  #ask(): string | undefined {
    return call(() => this.#native?.token(this.#position))?.toString("base64url");
  }

  /** Ends the walk and frees its snapshot. */
  close(): void {
    const native = this.#native;
    this.#native = undefined;
    this.#frames = undefined;
    native?.free();
  }

  /** Ends the walk; `for … of` calls it when a loop is left early. */
  return(): IteratorResult<Entity<T>, undefined> {
    this.close();
    return { done: true, value: undefined };
  }

  /** All entities that are left, in an array. */
  toArray(): Entity<T>[] {
    return [...this];
  }

  /** @internal */
  get owner(): unknown {
    return this.#owner;
  }

  [Symbol.iterator](): this {
    return this;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
