/**
 * Collections: entities under one name.
 *
 * Always: a collection comes into being with the first write, and reads as empty before; one taken from a transaction sees
 * and changes what the transaction does. Does not know: how documents are encoded.
 */
import { Cursor } from "./cursor";
import { decodeValue, guarded } from "./decode";
import { Encoder, encodeInto, encodeValue, withEncoder } from "./encode";
import { type Document, type Entity, Frames, readEntity } from "./entity";
import { errorFrom } from "./errors.g";
import { type Id, type IdLike, idAt, packIds, writeId } from "./id";
import { type NativeCollection, call, kindOf, only, refused, text, thrown, whole } from "./native";
import { type Patch, operationsOf } from "./patch";
import { type Condition, type Explanation, Query } from "./query";

/** How a collection is read. */
export interface CollectionOptions {
  /**
   * Reads floats without a fraction as `Float`, so that what is read and stored again has the same bytes even when another
   * language wrote 1.0. Without it they are plain numbers, and are stored again as integers.
   */
  exact?: boolean;
}

/** Where a document goes. */
export interface PutOptions {
  /** The id; one is made when there is none. Ids that are made are in the order of time. */
  id?: IdLike;
}

/** What a replacement asks for. */
export interface ReplaceOptions {
  /** Replaces only when the entity still has this version. */
  version?: number;
}

/** How to walk over a collection. */
export interface ScanOptions {
  /** Begins after this id. */
  after?: IdLike;
  /** Goes from the last to the first. */
  reverse?: boolean;
  /** Ends after so many. */
  limit?: number;
}

/** What an index is like. */
export interface IndexOptions {
  /** The name; the fields, joined by commas, when there is none. */
  name?: string;
  /** Two entities never have the same values. */
  unique?: boolean;
  /** Arrays have a row for each element. */
  multi?: boolean;
}

/** An index as it was declared. */
export interface IndexDefinition {
  name: string;
  columns: string[];
  unique: boolean;
  multi: boolean;
}

const PUT = 0;
const INSERT = 1;
const REPLACE = 2;
const DECLARED = ["name", "unique", "multi"] as const;

const key = new Uint8Array(16);

function keyed(id: IdLike): Uint8Array {
  writeId(id, key, 0);
  return key;
}

/** Entities under one name. */
export class Collection<T = Document> implements Iterable<Entity<T>> {
  /** The name. */
  readonly name: string;
  readonly #native: NativeCollection;
  readonly #exact: boolean;
  /** The database or transaction it came from, which must not be collected before it. */
  readonly #owner: object;

  /** The handle, unless the snapshot it came from was closed. */
  get #handle(): NativeCollection {
    if ((this.#owner as { isOver?: boolean }).isOver === true) {
      throw errorFrom(802, "the snapshot this collection came from was closed; take a new one", { collection: this.name });
    }
    return this.#native;
  }

  /** @internal */
  constructor(name: string, handle: NativeCollection, owner: object, options: CollectionOptions | undefined) {
    only(options, ["exact"], "collection");
    this.name = name;
    this.#native = handle;
    this.#owner = owner;
    this.#exact = options?.exact === true;
  }

  /**
   * Stores a document and gives its id. What stood under the id is replaced.
   *
   * @throws EncodingError when a value has no form in a document, with the path to it; TooLargeError.
   * @throws UniqueViolationError when a unique index has the value already.
   */
  put(document: T, options?: PutOptions): Id {
    if (options !== undefined) only(options, ["id"], "put");
    return this.#store(document, options?.id, PUT, 0);
  }

  /** Stores a document where there is none yet. @throws AlreadyExistsError when the id is taken. */
  insert(document: T, options?: PutOptions): Id {
    if (options !== undefined) only(options, ["id"], "insert");
    return this.#store(document, options?.id, INSERT, 0);
  }

  /**
   * Stores a document in the place of another.
   *
   * @throws EntityNotFoundError when there is none; VersionMismatchError when it has another version than `version`.
   */
  replace(id: IdLike, document: T, options?: ReplaceOptions): void {
    only(options, ["version"], "replace");
    this.#store(document, id, REPLACE, versionOption(options?.version));
  }

  #store(document: unknown, id: IdLike | undefined, mode: number, version: number): Id {
    return withEncoder((encoder) => {
      encoder.reserve(16);
      encoder.at = 16;
      encodeInto(encoder, document);
      return this.#send(encoder, id, mode, version);
    });
  }

  #send(encoder: Encoder, id: IdLike | undefined, mode: number, version: number): Id {
    const { bytes } = encoder;
    if (id !== undefined) writeId(id, bytes, 0);
    try {
      this.#handle.put(bytes, encoder.at - 16, id !== undefined, mode, version);
    } catch (error) {
      throw thrown(error);
    }
    return idAt(bytes, 0);
  }

  /** Stores a document that is encoded already. @throws EncodingError when the bytes are no canonical document. */
  putBytes(document: Uint8Array, options?: PutOptions): Id {
    only(options, ["id"], "putBytes");
    if (!(document instanceof Uint8Array)) throw refused(`putBytes takes the bytes of a document, not ${kindOf(document)}`);
    return withEncoder((encoder) => {
      encoder.at = 16;
      encoder.reserve(document.length);
      encoder.bytes.set(document, 16);
      encoder.at += document.length;
      return this.#send(encoder, options?.id, PUT, 0);
    });
  }

  /**
   * Stores many documents in one transaction: all of them or none. Gives their ids, in their order.
   *
   * ```ts
   * notes.putMany([{ title: "One" }, { title: "Two" }]);
   * ```
   */
  putMany(documents: Iterable<T>, options?: { ids?: Iterable<IdLike> }): Id[] {
    only(options, ["ids"], "putMany");
    const list = [...documents];
    const ids = options?.ids === undefined ? undefined : packIds(options.ids);
    if (ids !== undefined && ids.length !== list.length * 16) {
      throw refused(`putMany was given ${list.length} documents and ${ids.length / 16} ids`);
    }
    return withEncoder((encoder) => {
      list.forEach((document, position) => {
        const start = encoder.at;
        encoder.reserve(21);
        encoder.bytes[start + 4] = ids === undefined ? 0 : 1;
        encoder.at = start + 5;
        if (ids !== undefined) {
          encoder.bytes.set(ids.subarray(position * 16, position * 16 + 16), encoder.at);
          encoder.at += 16;
        }
        const from = encoder.at;
        encodeInto(encoder, document);
        encoder.bytes.writeUInt32LE(encoder.at - from, start);
      });
      const stored = call(() => this.#handle.putMany(encoder.bytes.subarray(0, encoder.at)));
      return Array.from({ length: stored.length / 16 }, (_, position) => idAt(stored, position * 16));
    });
  }

  /** The entity with this id. */
  get(id: IdLike): Entity<T> | undefined {
    return this.#read(id, (bytes) => {
      const version = bytes.readUInt32LE(0) + bytes.readUInt32LE(4) * 0x1_0000_0000;
      // The id as it is written canonically, which the caller's may not be.
      const text = idAt(key, 0);
      return guarded(bytes.subarray(8), (decoder) => readEntity(decoder, text, version), this.#exact) as Entity<T>;
    });
  }

  /** The bytes of the document with this id. */
  getBytes(id: IdLike): Uint8Array | undefined {
    return this.#read(id, (bytes) => new Uint8Array(bytes.subarray(8)));
  }

  #read<R>(id: IdLike, read: (bytes: Buffer) => R): R | undefined {
    return withEncoder((encoder) => {
      writeId(id, key, 0);
      for (;;) {
        encoder.bytes.set(key, 0);
        let needed: number;
        try {
          needed = this.#handle.get(encoder.bytes);
        } catch (error) {
          throw thrown(error);
        }
        if (needed < 0) return undefined;
        if (needed <= encoder.bytes.length) return read(encoder.bytes.subarray(0, needed));
        encoder.reserve(needed);
      }
    });
  }

  /** The entities with these ids, in their order; undefined for one that is not there. */
  getMany(ids: Iterable<IdLike>): (Entity<T> | undefined)[] {
    const bytes = call(() => this.#handle.getMany(packIds(ids)));
    const frames = new Frames(bytes, this.#exact);
    const found: (Entity<T> | undefined)[] = [];
    while (!frames.done) found.push(frames.next(guarded) as Entity<T> | undefined);
    return found;
  }

  /** Whether there is an entity with this id. */
  exists(id: IdLike): boolean {
    return call(() => this.#handle.exists(keyed(id)));
  }

  /** The number of entities; does not count them. */
  count(): number {
    return call(() => this.#handle.count());
  }

  /**
   * Changes parts of an entity: an object of paths and values, or a `patch()`.
   *
   * ```ts
   * notes.update(id, { title: "Hi", "author.name": "Ada" });
   * ```
   *
   * @throws EntityNotFoundError when it is not there; EncodingError (`PATCH_MISMATCH`, `WRONG_TYPE`) when the change does not
   * fit the document.
   */
  update(id: IdLike, change: Patch | object): void {
    const operations = encodeValue(operationsOf(change));
    call(() => this.#handle.update(keyed(id), operations));
  }

  /** Removes an entity; true when it was there. @throws VersionMismatchError when it has another version than `version`. */
  delete(id: IdLike, options?: ReplaceOptions): boolean {
    if (options !== undefined) only(options, ["version"], "delete");
    const version = versionOption(options?.version);
    return call(() => this.#handle.delete(keyed(id), version === 0 ? undefined : version));
  }

  /** Removes the entities with these ids in one transaction; gives how many were there. */
  deleteMany(ids: Iterable<IdLike>): number {
    return call(() => this.#handle.deleteMany(packIds(ids)));
  }

  /** Walks over the entities in the order of their ids. */
  scan(options?: ScanOptions): Cursor<T> {
    only(options, ["after", "reverse", "limit"], "scan");
    const after = options?.after === undefined ? undefined : keyed(options.after);
    const limit = options?.limit === undefined ? undefined : whole(options.limit, "the limit of a scan");
    const reverse = options?.reverse === true;
    if (limit === 0) return new Cursor<T>({ nextBatch: () => null, token: () => null, free: () => undefined }, false, false, this);
    return new Cursor<T>(call(() => this.#handle.scan(after, reverse, limit)), this.#exact, false, this);
  }

  [Symbol.iterator](): Cursor<T> {
    return this.scan();
  }

  /**
   * Asks for the entities that meet a condition; for all when there is none.
   *
   * ```ts
   * notes.find(f.tags.contains("first")).orderBy("-at").limit(10).toArray();
   * ```
   */
  find(condition?: Condition): Query<T> {
    return Query.of<T>(this, condition);
  }

  /**
   * Declares an index over one field or several; `-` before one is descending. It is built at once, and kept in every commit.
   * True when it was made, false when the same was there.
   *
   * @throws IndexExistsError when another one has the name; UniqueViolationError when the entities break it.
   */
  createIndex(first: string, ...rest: readonly (string | IndexOptions)[]): boolean {
    const last = rest.at(-1);
    const options = typeof last === "object" && last !== null ? (last as IndexOptions) : undefined;
    only(options, DECLARED, "createIndex");
    const columns = [first, ...(options === undefined ? rest : rest.slice(0, -1))].map((column) => text(column, "a field of an index"));
    const definition = encodeValue({ columns, name: options?.name, unique: options?.unique, multi: options?.multi });
    return call(() => this.#handle.createIndex(definition));
  }

  /** Removes an index. @throws IndexNotFoundError when there is none of this name. */
  dropIndex(name: string): void {
    call(() => this.#handle.dropIndex(text(name, "the name of an index")));
  }

  /** The declared indexes. */
  indexes(): IndexDefinition[] {
    return decodeValue(call(() => this.#handle.indexes())) as IndexDefinition[];
  }

  /** @internal */
  ask(query: Query<T>): Cursor<T> {
    const asked = encodeValue(query.encoded);
    return new Cursor<T>(call(() => this.#handle.find(asked)), this.#exact, true, this);
  }

  /** @internal */
  countOf(query: Query<T>): number {
    const asked = encodeValue(query.encoded);
    return call(() => this.#handle.findCount(asked));
  }

  /** @internal */
  deleteOf(query: Query<T>): number {
    const asked = encodeValue(query.encoded);
    return call(() => this.#handle.findDelete(asked));
  }

  /** @internal */
  explanationOf(query: Query<T>): Explanation {
    const asked = encodeValue(query.encoded);
    return decodeValue(call(() => this.#handle.findExplain(asked))) as Explanation;
  }

  /** @internal */
  get owner(): object {
    return this.#owner;
  }
}

function versionOption(version: number | undefined): number {
  if (version === undefined) return 0;
  if (whole(version, "a version") === 0) throw refused("a version is one an entity had, which is never 0");
  return version;
}

/** @internal The handle of a collection, with its name checked. */
export function collectionOf<T>(
  space: { collection(name: string): NativeCollection },
  name: string,
  owner: object,
  options: CollectionOptions | undefined,
): Collection<T> {
  const checked = text(name, "the name of a collection");
  return new Collection<T>(checked, call(() => space.collection(checked)), owner, options);
}

