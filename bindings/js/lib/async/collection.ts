/**
 * Collections whose methods return promises.
 *
 * Always: the methods are those of `Collection`, with the same names and arguments; documents are encoded when a method is called and
 * decoded when its reply comes, and everything else happens on another thread. Does not know: which.
 */
import { kindOf, only, refused, text, whole } from "../argument";
import { notCloneable } from "../clone";
import {
  type CollectionOptions, type EntityVersion, type IndexDefinition, type IndexOptions, type ManualIndexOptions, type PutOptions,
  type ReplaceOptions, type ScanOptions, definitionOf, versionOption,
} from "../collection";
import { Decoder, decodeValue } from "../decode";
import { encodeInto, encodePatch, encodeValue, withEncoder } from "../encode";
import { type Document, type Entity, Frames, placeOf, readEntity, versionOf } from "../entity";
import { idsGivenFor, writePutFrames } from "../frames";
import { type Id, type IdLike, idAt, idToBytes, packIds } from "../id";
import type { CollectionStats } from "../interface.g";
import { FRAME_HEAD_BYTES, VERSION_UNTIL_BYTES, WRITE_MODE_INSERT, WRITE_MODE_PUT, WRITE_MODE_REPLACE } from "../interface.g";
import { isDetached } from "../judge";
import { type Patch, operationsOf } from "../patch";
import type { Asked, Explanation } from "../query";
import type { Handle } from "../raw";
import type { CollectionPlace } from "../scope";
import type { Changes, OrderOf } from "../shape";
import { AsyncCursor } from "./cursor";
import { AsyncManualIndex } from "./manual";
import { AsyncQuery } from "./query";
import {
  type CallOptions, Lane, Operation, type Read, type Reply, type Requests, type Signal, bytesOf, flagOf, idsOf, isNothing, none, numberOf,
} from "./requests";
import { signalOf } from "./signal";
import type { Target } from "./target";

const PUT = new Operation("collectionPut");
const UPDATE = new Operation("collectionUpdate");
const GET = new Operation("collectionGet");
const GET_AS_OF = new Operation("collectionGetAsOf");
const HISTORY = new Operation("collectionHistory");
const GET_MANY = new Operation("collectionGetMany");
const EXISTS = new Operation("collectionExists");
const COUNT = new Operation("collectionCount");
const DELETE = new Operation("collectionDelete");
const DELETE_MANY = new Operation("collectionDeleteMany");
const PUT_MANY = new Operation("collectionPutMany");
const CREATE_INDEX = new Operation("collectionCreateIndex", true);
const DROP_INDEX = new Operation("collectionDropIndex");
const INDEXES = new Operation("collectionIndexes");
const STATS = new Operation("collectionStats");
const SCAN = new Operation("collectionScan");
const FIND = new Operation("collectionFind");
const FIND_COUNT = new Operation("collectionFindCount");
const FIND_DELETE = new Operation("collectionFindDelete");
const FIND_EXPLAIN = new Operation("collectionFindExplain");

const NOT_CLONEABLE = notCloneable("AsyncCollection", "open the database in the thread that uses it, and take it there");

/** Entities under one name, with promises. */
export class AsyncCollection<T = Document> implements AsyncIterable<Entity<T>> {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  /** The name. */
  readonly name: string;
  readonly #exact: boolean;
  readonly #target: Target;
  /** The collection as the native half has it; in a write transaction it is taken for each call. */
  readonly #place: CollectionPlace | undefined;

  /** @internal */
  constructor(name: string, target: Target, options: CollectionOptions | undefined) {
    if (options !== undefined) only(options, ["exact"], "collection");
    this.name = text(name, "the name of a collection");
    this.#target = target;
    this.#place = target.isTransaction ? undefined : target.scope.collection(name);
    if (target.isTransaction) void target.scope.live;
    this.#exact = options?.exact === true;
  }

  /** @internal What a request is asked of. */
  get handle(): Handle {
    const { scope } = this.#target;
    if (scope.isOver || scope.database.isOver) throw scope.refusal(this.name);
    return this.#place === undefined ? scope.handle : this.#place.handle;
  }

  /** @internal */
  ask<R>(operation: Operation, lane: Lane, signal: Signal | undefined, write: ((to: Requests) => void) | undefined, read: Read<R>): Promise<R> {
    const name = this.#place === undefined ? this.name : undefined;
    return this.#target.of(operation, lane, () => this.handle, name, signal, write, read);
  }

  /**
   * Stores a document and returns its id. An existing entity with the id is replaced, whatever its version.
   *
   * Calls that wait for each other share a commit, so that many at once are as fast as `putMany`.
   *
   * @throws EncodingError when a value cannot be stored, with its path; TooLargeError.
   * @throws UniqueViolationError when a unique index has the value already.
   */
  async put(document: T, options?: PutOptions & CallOptions): Promise<Id> {
    if (options !== undefined) only(options, ["id", "signal"], "put");
    return this.#store(document, options?.id === undefined ? placeOf(document) : options.id, WRITE_MODE_PUT, undefined, signalOf(options));
  }

  /** Stores a document under an id that must not exist. @throws AlreadyExistsError. */
  async insert(document: T, options?: PutOptions & CallOptions): Promise<Id> {
    if (options !== undefined) only(options, ["id", "signal"], "insert");
    return this.#store(document, options?.id === undefined ? placeOf(document) : options.id, WRITE_MODE_INSERT, undefined, signalOf(options));
  }

  /**
   * Replaces a document.
   *
   * @throws EntityNotFoundError when it does not exist; VersionMismatchError when it has another version than `version`.
   */
  async replace(id: IdLike, document: T, options?: ReplaceOptions & CallOptions): Promise<void> {
    only(options, ["version", "signal"], "replace");
    await this.#store(document, id, WRITE_MODE_REPLACE, versionOption(options?.version) || undefined, signalOf(options));
  }

  #store(document: unknown, id: IdLike | undefined, mode: number, version: number | undefined, signal: Signal | undefined): Promise<Id> {
    return withEncoder((encoder) => {
      encodeInto(encoder, document);
      return this.#send(encoder.bytes.subarray(0, encoder.at), id, mode, version, signal);
    });
  }

  #send(document: Uint8Array, id: IdLike | undefined, mode: number, version: number | undefined, signal: Signal | undefined): Promise<Id> {
    const write = (to: Requests): void => {
      to.id(id);
      to.bytes(document);
      to.integer(mode);
      to.integer(version);
    };
    return this.ask(PUT, Lane.Write, signal, write, (reply) => idAt(reply.decoder.bytes, reply.start));
  }

  /** Stores an encoded document. @throws EncodingError when the bytes are not a canonical document. */
  async putBytes(document: Uint8Array, options?: PutOptions & CallOptions): Promise<Id> {
    only(options, ["id", "signal"], "putBytes");
    if (!(document instanceof Uint8Array)) throw refused(`putBytes takes the bytes of a document, not ${kindOf(document)}`);
    if (document.length === 0 && isDetached(document.buffer)) {
      throw refused("putBytes takes the bytes of a document, not those of a buffer that was transferred");
    }
    return this.#send(document, options?.id, WRITE_MODE_PUT, undefined, signalOf(options));
  }

  /**
   * Stores many documents in one transaction: all of them or none. Returns their ids in the same order. Without `ids`, entities that were
   * read are stored under their ids. All documents are encoded before this returns its promise.
   */
  async putMany(documents: Iterable<T>, options?: { ids?: Iterable<IdLike> | undefined } & CallOptions): Promise<Id[]> {
    only(options, ["ids", "signal"], "putMany");
    const list = [...documents];
    const ids = idsGivenFor(list, options?.ids);
    const encoded = withEncoder((encoder) => {
      writePutFrames(encoder, list, ids);
      return new Uint8Array(encoder.bytes.subarray(0, encoder.at));
    });
    return this.ask(PUT_MANY, Lane.Write, signalOf(options), (to) => to.bytes(encoded), idsOf);
  }

  /** The entity with this id; with `at` as it was after that commit, given by its sequence. */
  async get(id: IdLike, options?: { at?: number | undefined } & CallOptions): Promise<Entity<T> | undefined> {
    let at: number | undefined;
    if (options !== undefined) {
      only(options, ["at", "signal"], "get");
      if (options.at !== undefined) at = whole(options.at, "the sequence to read at");
    }
    let asked: Id = "";
    const write = (to: Requests): void => {
      to.id(id);
      if (at !== undefined) to.integer(at);
      asked = typeof id === "string" && id.length === 36 ? id.toLowerCase() : idAt(idToBytes(id), 0);
    };
    const read = (reply: Reply): Entity<T> | undefined => {
      if (isNothing(reply)) return undefined;
      const { decoder, start, end } = reply;
      return readEntity(decoder, start + 8, end, this.#exact, asked, decoder.uint64(start)) as Entity<T>;
    };
    return this.ask(at === undefined ? GET : GET_AS_OF, Lane.Read, signalOf(options), write, read);
  }

  /** The versions the entity has had and that are kept, the oldest first; those before a delete are among them. */
  async history(id: IdLike, options?: CallOptions): Promise<EntityVersion<T>[]> {
    only(options, ["signal"], "history");
    const signal = signalOf(options);
    const packed = idToBytes(id);
    const versions: EntityVersion<T>[] = [];
    for (let after = 0; ; after = versionOf(versions[versions.length - 1]!.entity as object)) {
      const write = (to: Requests): void => {
        to.id(packed);
        to.integer(after);
      };
      const more = await this.ask(HISTORY, Lane.Find, signal, write, ({ decoder, start, end }) => {
        for (let at = start; at < end; ) {
          const until = decoder.uint64(at);
          const frame = at + VERSION_UNTIL_BYTES;
          const next = frame + FRAME_HEAD_BYTES + decoder.uint32(frame);
          const entity = new Frames(decoder, frame, next, this.#exact).next() as Entity<T>;
          versions.push(until === 0 ? { entity } : { entity, until });
          at = next;
        }
        return end > start;
      });
      if (!more) return versions;
    }
  }

  /** The bytes of the document with this id. */
  async getBytes(id: IdLike, options?: CallOptions): Promise<Uint8Array | undefined> {
    only(options, ["signal"], "getBytes");
    const read = (reply: Reply): Uint8Array | undefined => {
      return isNothing(reply) ? undefined : new Uint8Array(reply.decoder.bytes.subarray(reply.start + 8, reply.end));
    };
    return this.ask(GET, Lane.Read, signalOf(options), (to) => to.id(id), read);
  }

  /** The entities with these ids, in the order of the ids; undefined for an id without an entity. */
  async getMany(ids: Iterable<IdLike>, options?: CallOptions): Promise<(Entity<T> | undefined)[]> {
    only(options, ["signal"], "getMany");
    const packed = packIds(ids);
    return this.ask(GET_MANY, Lane.Find, signalOf(options), (to) => to.bytes(packed), (reply) => this.entities(reply.decoder, reply.start, reply.end));
  }

  /** @internal All entities between two places. */
  entities<E = Entity<T> | undefined>(decoder: Decoder, start: number, end: number): E[] {
    const read = new Frames(decoder, start, end, this.#exact);
    const found: E[] = [];
    while (!read.done) found.push(read.next() as E);
    return found;
  }

  /** Whether an entity has this id. */
  async exists(id: IdLike, options?: CallOptions): Promise<boolean> {
    only(options, ["signal"], "exists");
    return this.ask(EXISTS, Lane.Read, signalOf(options), (to) => to.id(id), flagOf);
  }

  /** The exact number of entities, without reading them. */
  async count(options?: CallOptions): Promise<number> {
    only(options, ["signal"], "count");
    return this.ask(COUNT, Lane.Find, signalOf(options), undefined, numberOf);
  }

  /**
   * Changes parts of an entity: an object of paths and values, or a `patch()`.
   *
   * @throws EntityNotFoundError when it is not there; EncodingError (`PATCH_MISMATCH`, `WRONG_TYPE`) when the change does not
   * fit the document.
   */
  async update(id: IdLike, change: Patch<T> | Changes<T>, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "update");
    const encoded = encodePatch(operationsOf(change));
    const write = (to: Requests): void => {
      to.id(id);
      to.bytes(encoded);
    };
    return this.ask(UPDATE, Lane.Write, signalOf(options), write, none);
  }

  /** Deletes an entity; true if it existed. @throws VersionMismatchError when it has another version than `version`. */
  async delete(id: IdLike, options?: ReplaceOptions & CallOptions): Promise<boolean> {
    if (options !== undefined) only(options, ["version", "signal"], "delete");
    const version = versionOption(options?.version) || undefined;
    const write = (to: Requests): void => {
      to.id(id);
      to.integer(version);
    };
    return this.ask(DELETE, Lane.Write, signalOf(options), write, flagOf);
  }

  /** Deletes the entities with these ids in one transaction; returns how many existed. */
  async deleteMany(ids: Iterable<IdLike>, options?: CallOptions): Promise<number> {
    only(options, ["signal"], "deleteMany");
    const packed = packIds(ids);
    return this.ask(DELETE_MANY, Lane.Write, signalOf(options), (to) => to.bytes(packed), numberOf);
  }

  /** A cursor over the entities in the order of their ids. It reads the state at its first step. */
  scan(options?: ScanOptions & CallOptions): AsyncCursor<T> {
    only(options, ["after", "reverse", "limit", "signal"], "scan");
    const limit = options?.limit === undefined ? undefined : whole(options.limit, "the limit of a scan");
    const after = options?.after === undefined ? undefined : idToBytes(options.after);
    const reverse = options?.reverse === true;
    void this.handle;
    if (limit === 0) return AsyncCursor.empty<T>(this);
    return new AsyncCursor<T>(this, this.#target, signalOf(options), false, SCAN, (to) => {
      to.id(after);
      to.flag(reverse);
      to.integer(limit);
    });
  }

  [Symbol.asyncIterator](): AsyncCursor<T> {
    return this.scan();
  }

  /**
   * A query for the entities that match a condition, or for all. A function gets the fields of `T`, so that the compiler checks names and
   * values; `f` accepts every name. A signal ends whatever the query is asked.
   *
   * ```ts
   * await notes.find((note) => note.tags.contains("first")).orderBy("-at").limit(10).toArray();
   * for await (const note of notes.find(f.tags.contains("first"), { signal })) console.log(note.title);
   * ```
   */
  find(asked?: Asked<T>, options?: CallOptions): AsyncQuery<T> {
    only(options, ["signal"], "find");
    return AsyncQuery.of<T>(this, asked, signalOf(options));
  }

  /**
   * Creates an index on one or several fields; `-` before a field orders it descending. Resolves when it is built: true if it was created,
   * false if the same index exists already. Reads and writes go on meanwhile.
   *
   * @throws IndexExistsError when an index of this name has another definition; UniqueViolationError when entities have the same key.
   */
  createIndex(manual: ManualIndexOptions & CallOptions): Promise<boolean>;
  createIndex(first: OrderOf<T>, ...rest: readonly (OrderOf<T> | (IndexOptions & CallOptions))[]): Promise<boolean>;
  async createIndex(
    first: OrderOf<T> | (ManualIndexOptions & CallOptions),
    ...rest: readonly (OrderOf<T> | (IndexOptions & CallOptions))[]
  ): Promise<boolean> {
    const given: unknown = typeof first === "object" && first !== null ? first : rest.at(-1);
    const options = typeof given === "object" && given !== null ? (given as IndexOptions & CallOptions) : undefined;
    const signal = signalOf(options);
    let definition: Uint8Array;
    if (options !== undefined && "signal" in options) {
      const { signal: _, ...others } = options;
      const isManual = given === first;
      definition = definitionOf(
        isManual ? (others as ManualIndexOptions) : (first as string),
        isManual ? [] : ([...rest.slice(0, -1), others] as (string | IndexOptions)[]),
      );
    } else {
      definition = definitionOf(first as string | ManualIndexOptions, rest as readonly (string | IndexOptions)[]);
    }
    return this.ask(CREATE_INDEX, Lane.Long, signal, (to) => to.bytes(definition), flagOf);
  }

  /** Removes an index. @throws IndexNotFoundError when there is none of this name. */
  async dropIndex(name: string, options?: CallOptions): Promise<void> {
    only(options, ["signal"], "dropIndex");
    const given = text(name, "the name of an index");
    return this.ask(DROP_INDEX, Lane.Write, signalOf(options), (to) => to.text(given), none);
  }

  /** The indexes. */
  async indexes(options?: CallOptions): Promise<IndexDefinition[]> {
    only(options, ["signal"], "indexes");
    return this.ask(INDEXES, Lane.Read, signalOf(options), undefined, (reply) => decodeValue(bytesOf(reply)) as IndexDefinition[]);
  }

  /**
   * The number, the name and the size of the collection and its indexes. `id` never changes, and no other collection of the database ever
   * gets it; it is absent before the collection is created. `name` is the name now, also after a rename.
   */
  async stats(options?: CallOptions): Promise<CollectionStats> {
    only(options, ["signal"], "stats");
    return this.ask(STATS, Lane.Find, signalOf(options), undefined, (reply) => decodeValue(bytesOf(reply)) as CollectionStats);
  }

  /**
   * The manual index of this name: keys the program gives to entities, to find them by what the database cannot read.
   *
   * @throws IndexNotFoundError when there is no index of this name; INVALID_ARGUMENT when it is of another kind.
   */
  async manualIndex(name: string, options?: CallOptions): Promise<AsyncManualIndex> {
    only(options, ["signal"], "manualIndex");
    const index = new AsyncManualIndex(text(name, "the name of an index"), this, this.#target);
    await index.count(signalOf(options));
    return index;
  }

  /** @internal A cursor over the results of a query. */
  cursorOf(query: object, signal: Signal | undefined, tokens: boolean): AsyncCursor<T> {
    const encoded = encodeValue(query);
    return new AsyncCursor<T>(this, this.#target, signal, tokens, FIND, (to) => to.bytes(encoded));
  }

  /** @internal */
  async countOf(query: object, signal: Signal | undefined): Promise<number> {
    const encoded = encodeValue(query);
    return this.ask(FIND_COUNT, Lane.Find, signal, (to) => to.bytes(encoded), numberOf);
  }

  /** @internal */
  async deleteOf(query: object, signal: Signal | undefined): Promise<number> {
    const encoded = encodeValue(query);
    return this.ask(FIND_DELETE, Lane.Write, signal, (to) => to.bytes(encoded), numberOf);
  }

  /** @internal */
  async explanationOf(query: object, signal: Signal | undefined): Promise<Explanation> {
    const encoded = encodeValue(query);
    return this.ask(FIND_EXPLAIN, Lane.Find, signal, (to) => to.bytes(encoded), (reply) => decodeValue(bytesOf(reply)) as Explanation);
  }

  /** @internal Whether integers and floats are told apart. */
  get exact(): boolean {
    return this.#exact;
  }
}
