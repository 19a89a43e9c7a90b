/**
 * Manual indexes, with promises.
 *
 * Always: a key goes with its entity, in the same commit. Does not know: how keys are kept.
 */
import { only } from "../argument";
import { notCloneable } from "../clone";
import { decodeValue } from "../decode";
import { encodeValue } from "../encode";
import { type Id, type IdLike, idFromBytes } from "../id";
import { FRAME_HEAD_BYTES } from "../interface.g";
import { type KeyRange, wantedOf } from "../manual";
import { type Handle, raw } from "../raw";
import type { AsyncCollection } from "./collection";
import { type CallOptions, Lane, Operation, type Requests, type Signal, bytesBehindNumber, bytesOf, flagOf, idsOf, isNothing, numberOf } from "./requests";
import { signalOf } from "./signal";
import type { Target } from "./target";

const INSERT_KEY = new Operation("collectionInsertKey");
const REMOVE_KEY = new Operation("collectionRemoveKey");
const LOOKUP_KEY = new Operation("collectionLookupKey");
const SCAN_KEYS = new Operation("collectionScanKeys");
const COUNT_KEYS = new Operation("collectionCountKeys");
const NEXT = new Operation("cursorNextBatch");

const COUNT_MIN = 64;
const COUNT_MAX = 1000;
const BYTES_MAX = 256 * 1024;

/** Walks that were neither finished nor left. */
const dropped = new FinalizationRegistry<Handle>((handle) => raw.release(handle));

const NOT_CLONEABLE = notCloneable("AsyncManualIndex", "open the database in the thread that uses it, and take it there");

/** The keys of an index of the kind `manual`; made by `AsyncCollection.manualIndex`. */
export class AsyncManualIndex implements AsyncIterable<[key: unknown, id: Id]> {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  /** The name of the index. */
  readonly name: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly #collection: AsyncCollection<any>;
  readonly #target: Target;

  /** @internal */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  constructor(name: string, collection: AsyncCollection<any>, target: Target) {
    this.name = name;
    this.#collection = collection;
    this.#target = target;
  }

  #write(key: unknown, id: IdLike | undefined): (to: Requests) => void {
    const encoded = encodeValue(key);
    return (to) => {
      to.text(this.name);
      to.bytes(encoded);
      if (id !== undefined) to.id(id);
    };
  }

  /**
   * Gives an entity a key; false when it has the key already.
   *
   * @throws EntityNotFoundError when there is no such entity; UniqueViolationError when another one has the key of a unique index.
   */
  async insert(key: unknown, id: IdLike, options?: CallOptions): Promise<boolean> {
    only(options, ["signal"], "insert");
    return this.#collection.ask(INSERT_KEY, Lane.Write, signalOf(options), this.#write(key, id), flagOf);
  }

  /** Takes a key from an entity; false when it has no such key. */
  async remove(key: unknown, id: IdLike, options?: CallOptions): Promise<boolean> {
    only(options, ["signal"], "remove");
    return this.#collection.ask(REMOVE_KEY, Lane.Write, signalOf(options), this.#write(key, id), flagOf);
  }

  /** The ids of the entities that have a key, sorted. */
  async lookup(key: unknown, options?: CallOptions): Promise<Id[]> {
    only(options, ["signal"], "lookup");
    return this.#collection.ask(LOOKUP_KEY, Lane.Find, signalOf(options), this.#write(key, undefined), idsOf);
  }

  /**
   * Keys with the ids of their entities, in order. All are of one state, that at the first step.
   *
   * ```ts
   * for await (const [key, id] of index.range({ from: 3, to: 5 })) console.log(key, id);
   * ```
   */
  range(range: KeyRange = {}, options?: CallOptions): AsyncIterableIterator<[key: unknown, id: Id]> {
    only(options, ["signal"], "range");
    return this.#keys(encodeValue(wantedOf(range)), signalOf(options));
  }

  async *#keys(range: Uint8Array, signal: Signal | undefined): AsyncIterableIterator<[key: unknown, id: Id]> {
    const first = (to: Requests): void => {
      to.text(this.name);
      to.bytes(range);
      to.integer(COUNT_MIN);
      to.integer(BYTES_MAX);
      to.flag(false);
    };
    const next = (to: Requests): void => {
      to.integer(COUNT_MAX);
      to.integer(BYTES_MAX);
    };
    const [cursor, begun] = await this.#collection.ask(SCAN_KEYS, Lane.Find, signal, first, (reply) => [numberOf(reply), bytesBehindNumber(reply)] as const);
    // Stays reachable as long as the walk can go on.
    const life = {};
    if (cursor !== 0) dropped.register(life, cursor, life);
    try {
      for (let frames: Buffer | undefined = begun; frames !== undefined; ) {
        for (let at = 0; at < frames.length; ) {
          const start = at + FRAME_HEAD_BYTES;
          const end = start + frames.readUInt32LE(at);
          yield [decodeValue(frames.subarray(start, end)), idFromBytes(frames.subarray(at + 4, at + 20))];
          at = end;
        }
        if (cursor === 0) return;
        const live = (): Handle => {
          void this.#collection.handle;
          return cursor;
        };
        frames = await this.#target.of(NEXT, Lane.Find, live, undefined, signal, next, (reply) => (isNothing(reply) ? undefined : bytesOf(reply)));
      }
    } finally {
      dropped.unregister(life);
      if (cursor !== 0) raw.release(cursor);
    }
  }

  /** @internal */
  count(signal: Signal | undefined): Promise<number> {
    return this.#collection.ask(COUNT_KEYS, Lane.Find, signal, (to) => to.text(this.name), numberOf);
  }

  /** The number of keys, of all entities together: `await index.size`. */
  get size(): Promise<number> {
    return this.count(undefined);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<[key: unknown, id: Id]> {
    return this.range();
  }
}
