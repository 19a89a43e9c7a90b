/**
 * The change feed.
 *
 * Always: whole commits, in their order; a gap is an error, never skipped. Does not know: who reads.
 */
import { decodeValue } from "./decode";
import type { Document } from "./entity";
import { errorFrom } from "./errors.g";
import type { Id } from "./id";
import { type Handle, call, milliseconds, native } from "./native";
import type { Scope } from "./scope";
import type { IndexDefinition } from "./collection";
import { EntityId } from "./values";

/** What happened. */
export type ChangeKind =
  | "insert"
  | "update"
  | "delete"
  | "collection_created"
  | "collection_renamed"
  | "collection_dropped"
  | "index_created"
  | "index_dropped";

/** One change of a commit. */
export interface Change<T = Document> {
  kind: ChangeKind;
  /** The collection it happened in. */
  collection: string;
  /** The entity. */
  id?: Id;
  /** The document after an insert or update. */
  document?: T;
  /** The new name of a collection, or the name of an index that was dropped. */
  name?: string;
  /** The index that was created. */
  index?: IndexDefinition;
}

/** The changes of one commit. */
export interface Commit {
  /** Its number; numbers grow, and may leave some out. */
  sequence: number;
  changes: Change[];
}

/**
 * A reader of the feed. Iterating gives the commits that are there, and ends; `next` waits.
 *
 * ```ts
 * const feed = db.changes({ since: 0 });
 * for (const commit of feed) console.log(commit.sequence, commit.changes.length);
 * ```
 */
export class ChangeFeed implements Iterable<Commit> {
  readonly #handle: Handle;
  readonly #scope: Scope;
  readonly #exact: boolean;
  readonly #owner: object;
  #isClosed = false;

  /** @internal */
  constructor(handle: Handle, exact: boolean, scope: Scope, owner: object) {
    this.#handle = handle;
    this.#scope = scope;
    this.#exact = exact;
    this.#owner = owner;
    dropped.register(this, handle, this);
  }

  get #live(): Handle {
    if (this.#scope.isOver) throw this.#scope.refusal();
    if (this.#isClosed) throw errorFrom(203, "this change feed was closed; take a new one with changes()");
    return this.#handle;
  }

  /**
   * The next commit. Waits so many milliseconds for one, and stops this thread meanwhile; 0 does not wait.
   *
   * @throws GapError when changes were removed before they were read; ClosedError.
   */
  next(timeoutMs = 0): Commit | undefined {
    const wait = milliseconds(timeoutMs, "the time to wait for a change");
    const bytes = call(() => native.feedNext(this.#live, wait));
    if (bytes === null) return undefined;
    const commit = decodeValue(bytes, this.#exact) as { sequence: number; changes: { id?: unknown }[] };
    for (const change of commit.changes) {
      if (change.id instanceof EntityId) change.id = change.id.id;
    }
    return commit as Commit;
  }

  /** The commits that are there. */
  *[Symbol.iterator](): Generator<Commit, void, undefined> {
    for (let commit = this.next(); commit !== undefined; commit = this.next()) yield commit;
  }

  /** The sequence of the commit that was read last; pass it as `since` to go on later. */
  get position(): number {
    return native.feedPosition(this.#live);
  }

  /** Lets go of it at once, and not when the garbage collector finds it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    dropped.unregister(this);
    native.release(this.#handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  get owner(): object {
    return this.#owner;
  }
}

const dropped = new FinalizationRegistry<Handle>((handle) => native.release(handle));
