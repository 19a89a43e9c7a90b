/**
 * The change feed.
 *
 * Always: whole commits, in their order; a gap is an error, never skipped. Does not know: who reads.
 */
import { decodeValue } from "./decode";
import type { Document } from "./entity";
import type { Id } from "./id";
import { type NativeChangeFeed, call, milliseconds } from "./native";
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
  readonly #native: NativeChangeFeed;
  readonly #exact: boolean;
  readonly #owner: object;

  /** @internal */
  constructor(native: NativeChangeFeed, exact: boolean, owner: object) {
    this.#native = native;
    this.#exact = exact;
    this.#owner = owner;
  }

  /**
   * The next commit. Waits so many milliseconds for one, and stops this thread meanwhile; 0 does not wait.
   *
   * @throws GapError when changes were removed before they were read; ClosedError.
   */
  next(timeoutMs = 0): Commit | undefined {
    const wait = milliseconds(timeoutMs, "the time to wait for a change");
    const bytes = call(() => this.#native.nextCommit(wait));
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
    return this.#native.position();
  }

  /** @internal */
  get owner(): object {
    return this.#owner;
  }
}
