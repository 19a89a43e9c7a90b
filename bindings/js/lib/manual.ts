/**
 * Manual indexes: keys the program gives to entities, to find them by what the database cannot read.
 *
 * Always: a key goes with its entity, in the same commit. Does not know: how keys are kept.
 */
import { only, whole } from "./argument";
import { notCloneable } from "./clone";
import { decodeValue } from "./decode";
import { encodeValue } from "./encode";
import { type Id, type IdLike, idFromBytes, idToBytes } from "./id";
import { FRAME_HEAD_BYTES } from "./interface.g";
import { type Handle, call, raw } from "./raw";

/** Which keys of a manual index, and in which order. A side that is left out ends with the class of the other side's value, as in a query. */
export interface KeyRange {
  /** The least key. */
  from?: unknown;
  /** The greatest key. */
  to?: unknown;
  /** Leaves out `from` itself. */
  fromOpen?: boolean | undefined;
  /** Leaves out `to` itself. */
  toOpen?: boolean | undefined;
  /** Goes from the last to the first. */
  reverse?: boolean | undefined;
  /** Ends after this number of rows. */
  limit?: number | undefined;
}

/** The names in a range. */
const RANGE = Object.keys({ from: 0, to: 0, fromOpen: 0, toOpen: 0, reverse: 0, limit: 0 });

/** @internal A range as the library takes it. */
export interface Wanted {
  from?: unknown;
  to?: unknown;
  from_open: boolean;
  to_open: boolean;
  reverse: boolean;
  limit?: number;
}

/** @internal A range as the library takes it. */
export function wantedOf(range: KeyRange): Wanted {
  only(range, RANGE, "range");
  const limit = range.limit === undefined ? undefined : whole(range.limit, "the limit of a range");
  const { from, to } = range;
  const wanted: Wanted = { from_open: range.fromOpen === true, to_open: range.toOpen === true, reverse: range.reverse === true };
  if (from !== undefined) wanted.from = from;
  if (to !== undefined) wanted.to = to;
  if (limit !== undefined) wanted.limit = limit;
  return wanted;
}

/** Keys that are read at once, at first and later. */
const COUNT_MIN = 16;
const COUNT_MAX = 1000;
const BYTES_MAX = 1024 * 1024;

/** Walks that were neither finished nor left. */
const dropped = new FinalizationRegistry<Handle>((handle) => raw.release(handle));

const NOT_CLONEABLE = notCloneable("ManualIndex", "open the database in the thread that uses it, and take it there");

/** The keys of an index of the kind `manual`; made by `Collection.manualIndex`. A key is any value, or an array of values where it has several parts. */
export class ManualIndex implements Iterable<[key: unknown, id: Id]> {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  /** The name of the index. */
  readonly name: string;
  readonly #live: () => Handle;

  /** @internal */
  constructor(name: string, live: () => Handle) {
    this.name = name;
    this.#live = live;
  }

  /**
   * Gives an entity a key; false when it has the key already.
   *
   * @throws EntityNotFoundError when there is no such entity; UniqueViolationError when another one has the key of a unique index.
   */
  insert(key: unknown, id: IdLike): boolean {
    return call(() => raw.collectionInsertKey(this.#live(), this.name, encodeValue(key), idToBytes(id)));
  }

  /** Takes a key from an entity; false when it has no such key. */
  remove(key: unknown, id: IdLike): boolean {
    return call(() => raw.collectionRemoveKey(this.#live(), this.name, encodeValue(key), idToBytes(id)));
  }

  /** The ids of the entities that have a key, sorted. */
  lookup(key: unknown): Id[] {
    const found = call(() => raw.collectionLookupKey(this.#live(), this.name, encodeValue(key)));
    const ids: Id[] = [];
    for (let at = 0; at < found.length; at += 16) ids.push(idFromBytes(found.subarray(at, at + 16)));
    return ids;
  }

  /**
   * Keys with the ids of their entities, in order. All are of one state, that at the first one: changes meanwhile, also those of the
   * loop itself in its transaction, do not show.
   *
   * ```ts
   * for (const [key, id] of index.range({ from: 3, to: 5 })) console.log(key, id);
   * ```
   */
  range(range: KeyRange = {}): IterableIterator<[key: unknown, id: Id]> {
    return this.#keys(wantedOf(range));
  }

  *#keys(wanted: Wanted): IterableIterator<[key: unknown, id: Id]> {
    const cursor = call(() => raw.collectionScanKeys(this.#live(), this.name, encodeValue(wanted)));
    // Stays reachable as long as the walk can go on.
    const life = {};
    dropped.register(life, cursor, life);
    try {
      for (let count = COUNT_MIN; ; count = Math.min(count * 4, COUNT_MAX)) {
        this.#live();
        const frames = call(() => raw.cursorNextKeys(cursor, count, BYTES_MAX));
        if (frames === null) return;
        for (let at = 0; at < frames.length; ) {
          const start = at + FRAME_HEAD_BYTES;
          const end = start + frames.readUInt32LE(at);
          yield [decodeValue(frames.subarray(start, end)), idFromBytes(frames.subarray(at + 4, at + 20))];
          at = end;
        }
      }
    } finally {
      dropped.unregister(life);
      raw.release(cursor);
    }
  }

  /** The number of keys, of all entities together. */
  get size(): number {
    return call(() => raw.collectionCountKeys(this.#live(), this.name));
  }

  [Symbol.iterator](): IterableIterator<[key: unknown, id: Id]> {
    return this.range();
  }
}
