/**
 * Cursors over entities, with promises.
 *
 * Always: one snapshot from the first entity to the last, taken at the first step; entities come in batches, each with one crossing, and
 * are decoded one by one. Leaving a loop early frees the snapshot at once. Steps that are asked for together are taken one
 * after the other. Does not know: the query.
 */
import { notCloneable } from "../clone";
import { Decoder } from "../decode";
import { type Document, type Entity, Frames } from "../entity";
import { type Handle, call, raw } from "../raw";
import type { AsyncCollection } from "./collection";
import { Lane, Operation, type Reply, type Requests, type Signal, bytesBehindNumber, bytesOf, isNothing, numberOf } from "./requests";
import { streamOf } from "./stream";
import type { Target } from "./target";

const NEXT = new Operation("cursorNextBatch");

/** The first batch is small, so that the first entity comes soon. */
const COUNT_MIN = 64;
const COUNT_MAX = 256;
/** What is decoded in one turn of the loop. */
const BYTES_MAX = 256 * 1024;

const NOT_CLONEABLE = notCloneable("AsyncCursor", "read it here, and send its entities");

/**
 * A cursor over entities: an async iterator, and iterable once.
 *
 * ```ts
 * for await (const note of notes.scan({ reverse: true })) if (note.title === "Hello") break;   // frees it
 * ```
 */
export class AsyncCursor<T = Document> implements AsyncIterableIterator<Entity<T>> {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  readonly #collection: AsyncCollection<T>;
  readonly #target: Target;
  readonly #signal: Signal | undefined;
  readonly #tokens: boolean;
  readonly #operation: Operation | undefined;
  readonly #write: ((to: Requests) => void) | undefined;
  /** 0 when the native half holds nothing for it. */
  #handle: Handle = 0;
  #isBegun = false;
  #isClosed = false;
  #frames: Frames | undefined;
  #position = -1;
  #token: string | undefined;
  /** The last step that was asked for and is not done. */
  #busy: Promise<unknown> | undefined;

  /** @internal Nothing is asked before the first step. */
  constructor(
    collection: AsyncCollection<T>,
    target: Target,
    signal: Signal | undefined,
    tokens: boolean,
    operation: Operation | undefined,
    write: ((to: Requests) => void) | undefined,
  ) {
    this.#collection = collection;
    this.#target = target;
    this.#signal = signal;
    this.#tokens = tokens;
    this.#operation = operation;
    this.#write = write;
  }

  /** @internal One without entities. */
  static empty<T>(collection: AsyncCollection<T>): AsyncCursor<T> {
    return new AsyncCursor<T>(collection, undefined as unknown as Target, undefined, false, undefined, undefined);
  }

  /** Asks for the next batch; undefined when there is none. */
  async #batch(): Promise<Frames | undefined> {
    const { exact } = this.#collection;
    const framesOf = (bytes: Buffer): Frames | undefined => (bytes.length === 0 ? undefined : new Frames(new Decoder(bytes), 0, bytes.length, exact));
    if (!this.#isBegun) {
      this.#isBegun = true;
      if (this.#operation === undefined) return undefined;
      const write = (to: Requests): void => {
        this.#write!(to);
        to.integer(COUNT_MIN);
        to.integer(BYTES_MAX);
        to.flag(this.#tokens);
      };
      const [handle, bytes] = await this.#collection.ask(this.#operation, Lane.Find, this.#signal, write, (reply) => [numberOf(reply), bytesBehindNumber(reply)] as const);
      if (this.#isClosed) {
        if (handle !== 0) raw.release(handle);
        return undefined;
      }
      this.#handle = handle;
      if (handle !== 0) dropped.register(this, handle, this);
      return framesOf(bytes);
    }
    if (this.#handle === 0) return undefined;
    const write = (to: Requests): void => {
      to.integer(COUNT_MAX);
      to.integer(BYTES_MAX);
    };
    const read = (reply: Reply): Buffer | undefined => (isNothing(reply) ? undefined : bytesOf(reply));
    const bytes = await this.#target.of(NEXT, Lane.Find, () => this.#live, undefined, this.#signal, write, read);
    return bytes === undefined ? undefined : framesOf(bytes);
  }

  get #live(): Handle {
    const { scope } = this.#target;
    // Cursors of a snapshot outlive it.
    if (scope.database.isOver || (this.#target.isTransaction && scope.isOver)) throw scope.refusal();
    return this.#handle;
  }

  async #step(): Promise<IteratorResult<Entity<T>, undefined>> {
    try {
      while (!this.#isClosed) {
        const frames = this.#frames;
        if (frames !== undefined && !frames.done) {
          this.#position += 1;
          return { done: false, value: frames.next() as Entity<T> };
        }
        // A new batch takes the places of the last one with it.
        if (this.#tokens && this.#position >= 0) this.#token = this.#ask();
        this.#frames = await this.#batch();
        this.#position = -1;
        if (this.#frames === undefined) break;
      }
    } catch (error) {
      this.close();
      throw error;
    }
    this.close();
    return { done: true, value: undefined };
  }

  /** The next entity. */
  next(): Promise<IteratorResult<Entity<T>, undefined>> {
    if (this.#busy === undefined) {
      const frames = this.#frames;
      if (frames !== undefined && !frames.done && !this.#isClosed && this.#signal?.aborted !== true && !this.#target.scope.database.isOver) {
        this.#position += 1;
        try {
          return Promise.resolve({ done: false, value: frames.next() as Entity<T> });
        } catch (error) {
          this.close();
          return Promise.reject(error as Error);
        }
      }
      if (frames !== undefined && this.#signal?.aborted === true) {
        this.close();
        return Promise.reject(this.#signal.reason as Error);
      }
    }
    return this.#queued(() => this.#step());
  }

  /** Does one step after those that were asked for before. */
  #queued<R>(run: () => Promise<R>): Promise<R> {
    const step = this.#busy === undefined ? run() : this.#busy.then(run, run);
    this.#busy = step;
    const done = (): void => {
      if (this.#busy === step) this.#busy = undefined;
    };
    step.then(done, done);
    return step;
  }

  /**
   * The page token of the last entity: `find(…).after(token)` continues behind it, in this process or another. Undefined before the first
   * entity, and for cursors that `cursor()` did not create.
   */
  get token(): string | undefined {
    const isAsked = this.#handle !== 0 && this.#position >= 0 && this.#tokens && this.#busy === undefined;
    return isAsked ? this.#ask() : this.#token;
  }

  #ask(): string | undefined {
    return call(() => raw.cursorToken(this.#handle, this.#position))?.toString("base64url");
  }

  /** Ends the cursor and frees its snapshot. */
  close(): void {
    this.#isClosed = true;
    this.#frames = undefined;
    const handle = this.#handle;
    if (handle === 0) return;
    this.#handle = 0;
    dropped.unregister(this);
    raw.release(handle);
  }

  /** Ends the cursor; `for await … of` calls it when a loop is left early. */
  return(): Promise<IteratorResult<Entity<T>, undefined>> {
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** The remaining entities, in an array. They are decoded batch by batch, with turns of the loop between. */
  async toArray(): Promise<Entity<T>[]> {
    const all: Entity<T>[] = [];
    for (let next = await this.next(); next.done !== true; next = await this.next()) all.push(next.value);
    return all;
  }

  /** The remaining entities as a web `ReadableStream`, which reads as fast as it is read. */
  stream(): ReadableStream<Entity<T>> {
    return streamOf(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}

/** Walks that were neither finished nor closed. */
const dropped = new FinalizationRegistry<Handle>((handle) => raw.release(handle));
