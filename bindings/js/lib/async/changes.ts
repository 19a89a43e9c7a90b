/**
 * The change feed, with promises.
 *
 * Always: as `ChangeFeed`; a reader that waits holds no thread, the commit wakes it. Does not know: who reads.
 */
import { milliseconds, only } from "../argument";
import { notCloneable } from "../clone";
import { type ChangeBatch, readBatch } from "../changes";
import { code } from "../codes.g";
import { early } from "../decode";
import { EntidbError, errorFrom } from "../errors.g";
import { type Handle, raw } from "../raw";
import { type CallOptions, Lane, Operation, type Signal, bytesOf, isNothing, none } from "./requests";
import { OwnSignal, signalOf } from "./signal";
import { streamOf } from "./stream";
import type { Target } from "./target";

const NEXT = new Operation("feedNext");
const UNREAD = new Operation("feedUnread");

/** A signal of the time that a call has, and of what its caller gave. */
class Timed extends OwnSignal {
  isOver = false;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #outer: Signal | undefined;
  readonly #passOn = (): void => this.abort(this.#outer?.reason);

  constructor(timeoutMs: number, outer: Signal | undefined) {
    super();
    this.#outer = outer;
    this.#timer = setTimeout(() => {
      this.isOver = true;
      this.abort();
    }, Math.min(timeoutMs, 0x7fff_ffff));
    outer?.addEventListener("abort", this.#passOn, { once: true });
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#passOn);
  }
}

const NOT_CLONEABLE = notCloneable("AsyncChangeFeed", "send its position, and read from there");

/**
 * A reader of the feed. A loop waits for more; `break`, `close` or a signal ends it.
 *
 * ```ts
 * const feed = await db.changes();
 * for await (const batch of feed) console.log(batch.sequence, batch.changes.length);
 * ```
 */
export class AsyncChangeFeed implements AsyncIterable<ChangeBatch> {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  readonly #handle: Handle;
  readonly #target: Target;
  readonly #exact: boolean;
  #isClosed = false;
  #position: string;
  #before: string | undefined;
  /** The last call that was made and is not done: they are made one after the other. */
  #busy: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(handle: Handle, exact: boolean, target: Target, position: string) {
    this.#handle = handle;
    this.#exact = exact;
    this.#target = target;
    this.#position = position;
    dropped.register(this, handle, this);
  }

  get #live(): Handle {
    const { scope } = this.#target;
    if (scope.isOver) throw scope.refusal();
    if (this.#isClosed) throw errorFrom(code.CLOSED, "this change feed was closed; take a new one with changes()");
    return this.#handle;
  }

  #queued<R>(run: () => Promise<R>): Promise<R> {
    const done = this.#busy.then(run, run);
    this.#busy = done.catch(() => undefined);
    return done;
  }

  /**
   * The next changes. Waits for a commit, at most the given milliseconds where they are given, and resolves to undefined when none comes;
   * 0 does not wait. After an error the feed keeps its position.
   *
   * @throws GapError when retention removed changes before they were read; ClosedError.
   */
  async next(timeoutMs?: number, options?: CallOptions): Promise<ChangeBatch | undefined> {
    only(options, ["signal"], "next");
    const wait = timeoutMs === undefined ? undefined : milliseconds(timeoutMs, "the time to wait for a change");
    const signal = signalOf(options);
    return this.#queued(() => this.#read(wait, signal));
  }

  async #read(wait: number | undefined, signal: Signal | undefined): Promise<ChangeBatch | undefined> {
    if (signal?.aborted === true) throw signal.reason;
    const timed = wait === undefined || wait === 0 ? undefined : new Timed(wait, signal);
    let bytes: Buffer | undefined;
    try {
      bytes = await this.#target.of(NEXT, Lane.Find, () => this.#live, undefined, timed ?? signal, (to) => to.flag(wait !== 0), (reply) => {
        return isNothing(reply) ? undefined : bytesOf(reply);
      });
    } catch (error) {
      if (timed?.isOver === true && error === undefined) return undefined;
      throw error;
    } finally {
      timed?.end();
    }
    if (bytes === undefined) return undefined;
    try {
      const batch = readBatch(bytes, this.#exact);
      this.#before = this.#position;
      this.#position = batch.position;
      return batch;
    } catch (error) {
      await this.#target.of(UNREAD, Lane.Find, () => this.#live, undefined, undefined, undefined, none);
      throw early(error, 0);
    }
  }

  /** The changes, and those that are still to come. Leaving the loop ends the wait and leaves the feed open. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ChangeBatch> {
    // Ends the wait of this loop.
    const left = new OwnSignal();
    const done = { done: true, value: undefined } as const;
    const next = async (): Promise<IteratorResult<ChangeBatch>> => {
      if (left.aborted || this.#isClosed) return done;
      try {
        const batch = await this.next(undefined, { signal: left });
        return batch === undefined ? done : { done: false, value: batch };
      } catch (error) {
        // The program closed it, which ends the loop.
        if (left.aborted || (this.#isClosed && error instanceof EntidbError && error.code === "CLOSED")) return done;
        throw error;
      }
    };
    const iterator: AsyncIterableIterator<ChangeBatch> = {
      next,
      return: () => {
        left.abort();
        return Promise.resolve(done);
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** The changes as a web `ReadableStream`, which waits for more. Cancelling it leaves the feed open. */
  stream(): ReadableStream<ChangeBatch> {
    return streamOf(this[Symbol.asyncIterator]());
  }

  /** Makes `next` return the last batch again. */
  async unread(): Promise<void> {
    return this.#queued(async () => {
      await this.#target.of(UNREAD, Lane.Find, () => this.#live, undefined, undefined, undefined, none);
      this.#position = this.#before ?? this.#position;
      this.#before = undefined;
    });
  }

  /** The position after the last batch. Pass it as `since` to continue later. */
  get position(): string {
    void this.#live;
    return this.#position;
  }

  /** Frees it, and ends a call that waits with ClosedError. A loop over it ends. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    dropped.unregister(this);
    free(this.#handle);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Ends what waits at a feed, and frees it. */
function free(handle: Handle): void {
  try {
    raw.feedClose(handle);
  } catch {
    // Its database was closed, and it is freed with that.
  }
  raw.release(handle);
}

const dropped = new FinalizationRegistry<Handle>(free);
