/**
 * The change feed.
 *
 * Always: whole commits, in their order, one with many changes in several batches; a gap is an error, never skipped; a batch that
 * cannot be read is given again by the next call. Does not know: who reads.
 * Format of a batch: crates/entidb_ffi/src/change_batch.rs.
 */
import { milliseconds } from "./argument";
import { notCloneable } from "./clone";
import type { IndexDefinition } from "./collection";
import { Decoder, early } from "./decode";
import type { Document } from "./entity";
import { code } from "./codes.g";
import { errorFrom } from "./errors.g";
import { type Id, idAt } from "./id";
import { CHANGE_BATCH_ENDS_COMMIT, CHANGE_BATCH_HEAD_BYTES, CHANGE_HAS_BEFORE, CHANGE_KIND_WORDS, type ChangeKind } from "./interface.g";
import { type Handle, call, raw } from "./raw";
import type { Scope } from "./scope";

/** One change of a commit. */
export interface Change<T = Document> {
  kind: ChangeKind;
  /** The collection. */
  collection: string;
  /** The entity, for changes of entities and of their keys. */
  id?: Id;
  /** The document after an insert or update. */
  document?: T;
  /** The new name of a collection, or the name of an index that was dropped or has the key. */
  name?: string;
  /** The index that was created. */
  index?: IndexDefinition;
  /** The document before an update or delete, from `db.changes({ before: true })`. */
  before?: T;
  /** The key of a manual index that the change added to the entity or removed from it. Deleting an entity removes its keys without a change for each. */
  key?: unknown;
}

/** Changes of one commit: all of them, or the next part of a large commit. */
export interface ChangeBatch {
  /** The sequence of the commit. Sequences grow, with gaps. */
  sequence: number;
  changes: Change[];
  /** The position after this batch. */
  position: string;
  /** True for the last batch of a commit. Most commits have one batch. */
  endsCommit: boolean;
  /** When the commit was made, by the clock of the system, which may have been set back between two commits. */
  time: Date;
}

/** @internal Reads a batch from its bytes. */
export function readBatch(bytes: Buffer, exact: boolean): ChangeBatch {
  const decoder = new Decoder(bytes);
  const count = decoder.uint32(16);
  let at = CHANGE_BATCH_HEAD_BYTES + bytes[21]!;
  const batch: ChangeBatch = {
    sequence: decoder.uint64(0),
    changes: [],
    position: bytes.toString("latin1", CHANGE_BATCH_HEAD_BYTES, at),
    endsCommit: (bytes[20]! & CHANGE_BATCH_ENDS_COMMIT) !== 0,
    time: new Date(Number(bytes.readBigInt64LE(8) / 1000n)),
  };
  for (let n = 0; n < count; n++) {
    const kind = CHANGE_KIND_WORDS[bytes[at]! & ~CHANGE_HAS_BEFORE];
    const hasBefore = (bytes[at]! & CHANGE_HAS_BEFORE) !== 0;
    if (kind === undefined) throw errorFrom(code.CORRUPT, "a batch of changes that the library returned has damaged bytes", { offset: at });
    const name = at + 2 + bytes[at + 1]!;
    const change: Change = { kind, collection: bytes.toString("utf8", at + 2, name) };
    const start = name + 20;
    const end = start + decoder.uint32(name + 16);
    if (end > bytes.length) throw errorFrom(code.CORRUPT, "a batch of changes ends too early", { offset: at });
    const value = (isExact: boolean, from = start, to = end): unknown => {
      decoder.begin(from, to, isExact);
      const read = decoder.value();
      decoder.finish();
      return read;
    };
    const isKey = kind === "key_inserted" || kind === "key_removed";
    if (kind === "insert" || kind === "update" || kind === "delete" || isKey) change.id = idAt(bytes, name);
    if (kind === "insert" || kind === "update") change.document = value(exact) as Document;
    else if (kind === "index_created") change.index = value(false) as IndexDefinition;
    else if (isKey) ({ index: change.name, key: change.key } = value(exact) as { index: string; key: unknown });
    else if (kind === "collection_renamed" || kind === "index_dropped") change.name = bytes.toString("utf8", start, end);
    at = end;
    if (hasBefore) {
      at = end + 4 + decoder.uint32(end);
      if (at > bytes.length) throw errorFrom(code.CORRUPT, "a batch of changes ends too early", { offset: end });
      change.before = value(exact, end + 4, at) as Document;
    }
    batch.changes.push(change);
  }
  if (at !== bytes.length) throw errorFrom(code.CORRUPT, "a batch of changes goes on after its end", { offset: at });
  return batch;
}

const NOT_CLONEABLE = notCloneable("ChangeFeed", "send its position, and read from there");

/**
 * A reader of the feed. A loop ends after the changes that exist; `next` waits for more.
 *
 * ```ts
 * const feed = db.changes();
 * for (const batch of feed) console.log(batch.sequence, batch.changes.length);
 * ```
 */
export class ChangeFeed implements Iterable<ChangeBatch> {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
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
    if (this.#isClosed) throw errorFrom(code.CLOSED, "this change feed was closed; take a new one with changes()");
    return this.#handle;
  }

  /**
   * The next changes. Blocks this thread up to the given milliseconds until a commit comes; 0 does not wait. After an error the feed
   * keeps its position.
   *
   * @throws GapError when retention removed changes before they were read; ClosedError.
   */
  next(timeoutMs = 0): ChangeBatch | undefined {
    const wait = milliseconds(timeoutMs, "the time to wait for a change");
    const bytes = call(() => raw.feedNext(this.#live, wait));
    if (bytes === null) return undefined;
    try {
      return readBatch(bytes, this.#exact);
    } catch (error) {
      call(() => raw.feedUnread(this.#live));
      throw early(error, 0);
    }
  }

  /** The changes that exist. */
  *[Symbol.iterator](): Generator<ChangeBatch, void, undefined> {
    for (let batch = this.next(); batch !== undefined; batch = this.next()) yield batch;
  }

  /** Makes `next` return the last batch again. */
  unread(): void {
    call(() => raw.feedUnread(this.#live));
  }

  /** The position after the last batch. Pass it as `since` to continue later. */
  get position(): string {
    return call(() => raw.feedPosition(this.#live));
  }

  /** Frees it now instead of by the garbage collector. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    dropped.unregister(this);
    raw.release(this.#handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  get owner(): object {
    return this.#owner;
  }
}

const dropped = new FinalizationRegistry<Handle>((handle) => raw.release(handle));
