/**
 * Cursors over entities.
 *
 * Always: one snapshot from the first entity to the last; entities come in batches that grow.
 * Leaving a loop early frees the snapshot at once. Does not know: the query.
 */
import { notCloneable } from "./clone";
import { Decoder } from "./decode";
import { type Encoder, HEAD, withEncoder } from "./encode";
import { type Document, type Entity, Frames } from "./entity";
import { type Handle, call, numbers, raw } from "./raw";
import type { Scope } from "./scope";

const COUNT_MIN = 16;
const COUNT_MAX = 256;
const BYTES_MIN = 64 * 1024;
const BYTES_MAX = 1024 * 1024;

const NOT_CLONEABLE = notCloneable("Cursor", "read it here, and send its entities");

/**
 * A cursor over entities: an iterator, and iterable once.
 *
 * ```ts
 * const cursor = notes.scan({ reverse: true });
 * for (const note of cursor) if (note.title === "Hello") break;   // frees it
 * ```
 */
export class Cursor<T = Document> implements IterableIterator<Entity<T>> {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  /** 0 when the native half holds nothing for it any more. */
  #handle: Handle = 0;
  readonly #scope: Scope;
  readonly #exact: boolean;
  /** Keeps what the walk needs alive. */
  readonly #owner: unknown;
  #frames: Frames | undefined;
  #count = COUNT_MIN;
  #bytes = BYTES_MIN;
  #position = -1;
  #token: string | undefined;
  readonly #tokens: boolean;

  /** @internal Begins the walk with its first batch, so that a short one leaves nothing behind. */
  constructor(
    scope: Scope,
    owner: unknown,
    exact: boolean,
    tokens: boolean,
    first: (encoder: Encoder, countMax: number, bytesMax: number) => number,
  ) {
    this.#scope = scope;
    this.#owner = owner;
    this.#exact = exact;
    this.#tokens = tokens;
    withEncoder((encoder) => {
      const length = call(() => first(encoder, this.#count, this.#bytes));
      if (length > 0 || tokens) this.#handle = encoder.decoder.double(0);
      if (this.#handle !== 0) dropped.register(this, this.#handle, this);
      this.#keep(encoder, length);
    });
  }

  /** Copies a batch out of the buffer, which other calls use between two steps of the walk. */
  #keep(encoder: Encoder, length: number): void {
    if (length === 0) {
      this.#frames = undefined;
      return;
    }
    encoder.given(length);
    const copy = Buffer.from(encoder.bytes.subarray(HEAD, HEAD + length));
    this.#frames = new Frames(new Decoder(copy), 0, length, this.#exact);
    this.#count = Math.min(this.#count * 4, COUNT_MAX);
    this.#bytes = Math.min(this.#bytes * 4, BYTES_MAX);
  }

  /** The next entity. */
  next(): IteratorResult<Entity<T>, undefined> {
    if (this.#scope.database.isOver) throw this.#scope.refusal();
    let frames = this.#frames;
    if (frames === undefined || frames.done) {
      if (this.#handle === 0) return this.return();
      // A new batch takes the places of the last one with it.
      if (this.#tokens && this.#position >= 0) this.#token = this.#ask();
      const handle = this.#handle;
      withEncoder((encoder) => {
        this.#keep(encoder, call(() => nextBatch(handle, encoder, this.#count, this.#bytes)));
      });
      frames = this.#frames;
      if (frames === undefined) return this.return();
      this.#position = -1;
    }
    this.#position += 1;
    return { done: false, value: frames.next() as Entity<T> };
  }

  /**
   * The page token of the last entity: `find(…).after(token)` continues behind it, in this process or another. Undefined before the first
   * entity, and for cursors that `cursor()` did not create.
   */
  get token(): string | undefined {
    return this.#handle === 0 || this.#position < 0 || !this.#tokens ? this.#token : this.#ask();
  }

  #ask(): string | undefined {
    return call(() => raw.cursorToken(this.#handle, this.#position))?.toString("base64url");
  }

  /** Ends the cursor and frees its snapshot. */
  close(): void {
    this.#frames = undefined;
    const handle = this.#handle;
    if (handle === 0) return;
    this.#handle = 0;
    dropped.unregister(this);
    raw.release(handle);
  }

  /** Ends the cursor; `for … of` calls it when a loop is left early. */
  return(): IteratorResult<Entity<T>, undefined> {
    this.close();
    return { done: true, value: undefined };
  }

  /** The remaining entities, in an array. */
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

/** Walks that were neither finished nor closed. */
const dropped = new FinalizationRegistry<Handle>((handle) => raw.release(handle));

/** @internal Reads the next results of a cursor into a buffer. */
export function nextBatch(cursor: Handle, encoder: Encoder, countMax: number, bytesMax: number): number {
  numbers[0] = cursor;
  numbers[1] = encoder.bufferIndex;
  numbers[2] = countMax;
  numbers[3] = bytesMax;
  return raw.cursorNextBatch();
}
