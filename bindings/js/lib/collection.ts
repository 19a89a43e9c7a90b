/**
 * Collections: entities under one name.
 *
 * Always: a collection comes into being with the first write, and reads as empty before; one taken from a transaction sees
 * and changes what the transaction does. Does not know: how documents are encoded.
 */
import { kindOf, only, refused, text, whole } from "./argument";
import { notCloneable } from "./clone";
import { Cursor, nextBatch } from "./cursor";
import { Decoder, decodeValue } from "./decode";
import { Encoder, HEAD, encodeInto, encodeOperations, encodeValue, lent, returned, withEncoder } from "./encode";
import { type Document, type Entity, Frames, placeOf, readEntity, versionOf } from "./entity";
import { idsGivenFor, writePutFrames } from "./frames";
import { type Id, type IdLike, idAt, packIds, writeId } from "./id";
import type { CollectionStats } from "./interface.g";
import { FRAME_HEAD_BYTES, VERSION_UNTIL_BYTES, WRITE_MODE_INSERT, WRITE_MODE_PUT, WRITE_MODE_REPLACE } from "./interface.g";
import { isDetached } from "./judge";
import { ManualIndex } from "./manual";
import { type Patch, operationsOf } from "./patch";
import { type Asked, type Explanation, Query } from "./query";
import { type Handle, call, goOn, numbers, raw, thrown } from "./raw";
import type { CollectionPlace, Scope } from "./scope";
import type { Changes, OrderOf } from "./shape";

/** Options of a collection. */
export interface CollectionOptions {
  /**
   * Reads floats without a fraction as `Float`, so that a document that is read and stored again has the same bytes, even if another
   * language wrote 1.0. Without it they are plain numbers, and are stored again as integers.
   */
  exact?: boolean | undefined;
}

/** Options of `put`. */
export interface PutOptions {
  /**
   * The id. Without one, an entity that was read is stored under its id, and a document gets a new id. New ids sort by time.
   */
  id?: IdLike | undefined;
}

/** An entity as it was for a time; its version is the commit that wrote it. */
export interface EntityVersion<T = Document> {
  entity: Entity<T>;
  /** The commit that replaced or deleted it; not there for what is there now. */
  until?: number;
}

/** Options of `replace` and `delete`. */
export interface ReplaceOptions {
  /** The version that the entity must have. */
  version?: number | undefined;
}

/** The bounds of a scan. */
export interface ScanOptions {
  /** Starts behind this id. */
  after?: IdLike | undefined;
  /** Scans from the highest id down. */
  reverse?: boolean | undefined;
  /** Returns at most this number of entities. */
  limit?: number | undefined;
}

/** Options of an index. */
export interface IndexOptions {
  /** The name. The default is the fields joined by commas. */
  name?: string | undefined;
  /** Refuses two entities with the same key. */
  unique?: boolean | undefined;
  /** Gives an array one row for each element. */
  multi?: boolean | undefined;
}

/** An index whose keys the program gives, see `manualIndex`. */
export interface ManualIndexOptions {
  kind: "manual";
  /** The name. */
  name: string;
  /** A key is of one entity at most. */
  unique?: boolean | undefined;
}

/** The definition of an index. */
export interface IndexDefinition {
  name: string;
  /** `ordered` by fields, or `manual`, with keys the program gives. */
  kind: string;
  columns: string[];
  unique: boolean;
  multi: boolean;
  /** What else its kind was told. */
  options?: Record<string, unknown>;
}

/** @internal The definition of an index, encoded. */
export function definitionOf(first: string | ManualIndexOptions, rest: readonly (string | IndexOptions)[]): Uint8Array {
  if (typeof first === "object" && first !== null && "kind" in first) {
    const { kind, name, unique } = first;
    only(first, MANUAL, "createIndex");
    return encodeValue({ kind: text(kind, "the kind of an index"), name: text(name, "the name of an index"), unique });
  }
  const last = rest.at(-1);
  const options = typeof last === "object" && last !== null ? last : undefined;
  only(options, DECLARED, "createIndex");
  const columns = [first as unknown, ...(options === undefined ? rest : rest.slice(0, -1))].map((column) => text(column, "a field of an index"));
  return encodeValue({ columns, name: options?.name, unique: options?.unique, multi: options?.multi });
}

const DECLARED = ["name", "unique", "multi"] as const;
const MANUAL = ["kind", "name", "unique"] as const;

/** Entities and bytes of the first batch when all results are wanted, and of the next ones. */
const GATHERED_COUNT = 256;
const GATHERED_BYTES = 256 * 1024;

const NOT_CLONEABLE = notCloneable("Collection", "open the database in the thread that uses it, and take it there");

/** Entities under one name. */
export class Collection<T = Document> implements Iterable<Entity<T>> {
  /** @internal */
  protected readonly notCloneable = NOT_CLONEABLE;
  /** The name. */
  readonly name: string;
  readonly #exact: boolean;
  readonly #scope: Scope;
  readonly #place: CollectionPlace;
  readonly #handle: Handle;
  /** The database or transaction it came from, which must not be collected before it. */
  readonly #owner: object;

  /** The handle, unless what it came from is over. */
  get #live(): Handle {
    const scope = this.#scope;
    if (scope.isOver || scope.database.isOver) throw scope.refusal(this.name);
    return this.#handle;
  }

  /** @internal */
  constructor(name: string, scope: Scope, owner: object, options: CollectionOptions | undefined) {
    if (options !== undefined) only(options, ["exact"], "collection");
    this.name = text(name, "the name of a collection");
    this.#scope = scope;
    this.#place = scope.collection(name);
    this.#handle = this.#place.handle;
    this.#owner = owner;
    this.#exact = options?.exact === true;
  }

  /**
   * Stores a document and returns its id. An existing entity with the id is replaced, whatever its version.
   *
   * An entity that was read is stored under its id; a copy of it is a new entity:
   *
   * ```ts
   * const note = notes.get(id)!;
   * note.title = "Hi";
   * notes.put(note);                               // the same entity
   * notes.put({ ...note });                        // another one
   * notes.put({ ...note, title: "Hi" }, { id });   // the same again
   * ```
   *
   * @throws EncodingError when a value cannot be stored, with its path; TooLargeError.
   * @throws UniqueViolationError when a unique index has the value already.
   */
  put(document: T, options?: PutOptions): Id {
    if (options !== undefined) only(options, ["id"], "put");
    return this.#store(document, options?.id === undefined ? placeOf(document) : options.id, WRITE_MODE_PUT, 0);
  }

  /** Stores a document under an id that must not exist. @throws AlreadyExistsError. */
  insert(document: T, options?: PutOptions): Id {
    if (options !== undefined) only(options, ["id"], "insert");
    return this.#store(document, options?.id === undefined ? placeOf(document) : options.id, WRITE_MODE_INSERT, 0);
  }

  /**
   * Replaces a document.
   *
   * @throws EntityNotFoundError when it does not exist; VersionMismatchError when it has another version than `version`.
   */
  replace(id: IdLike, document: T, options?: ReplaceOptions): void {
    only(options, ["version"], "replace");
    this.#store(document, id, WRITE_MODE_REPLACE, versionOption(options?.version));
  }

  #store(document: unknown, id: IdLike | undefined, mode: number, version: number): Id {
    const encoder = lent();
    try {
      encoder.at = 16;
      encodeInto(encoder, document);
      return this.#send(encoder, id, mode, version);
    } finally {
      returned(encoder);
    }
  }

  #send(encoder: Encoder, id: IdLike | undefined, mode: number, version: number): Id {
    try {
      const told = id !== undefined && writeId(id, encoder.bytes, 0);
      numbers[0] = this.#live;
      numbers[1] = encoder.bufferIndex;
      numbers[2] = encoder.at - 16;
      numbers[3] = mode;
      if (id === undefined) {
        const made = raw.collectionPutNew();
        goOn();
        return made;
      }
      numbers[4] = version;
      raw.collectionPut();
      goOn();
      return told ? (id as Id) : idAt(encoder.bytes, 0);
    } catch (error) {
      throw thrown(error);
    }
  }

  /** Stores an encoded document. @throws EncodingError when the bytes are not a canonical document. */
  putBytes(document: Uint8Array, options?: PutOptions): Id {
    only(options, ["id"], "putBytes");
    if (!(document instanceof Uint8Array)) throw refused(`putBytes takes the bytes of a document, not ${kindOf(document)}`);
    if (document.length === 0 && isDetached(document.buffer)) {
      throw refused("putBytes takes the bytes of a document, not those of a buffer that was transferred");
    }
    return withEncoder((encoder) => {
      // Read once: memory that other threads have may grow meanwhile.
      const { length } = document;
      encoder.at = 16;
      encoder.reserve(length);
      encoder.bytes.set(document.length === length ? document : document.subarray(0, length), 16);
      encoder.at += length;
      return this.#send(encoder, options?.id, WRITE_MODE_PUT, 0);
    });
  }

  /**
   * Stores many documents in one transaction: all of them or none. Returns their ids in the same order. Without `ids`, entities that were
   * read are stored under their ids.
   *
   * ```ts
   * notes.putMany([{ title: "One" }, { title: "Two" }]);
   * ```
   */
  putMany(documents: Iterable<T>, options?: { ids?: Iterable<IdLike> | undefined }): Id[] {
    only(options, ["ids"], "putMany");
    const list = [...documents];
    const ids = idsGivenFor(list, options?.ids);
    return withEncoder((encoder) => {
      writePutFrames(encoder, list, ids);
      const length = call(() => raw.collectionPutMany(this.#live, encoder.bufferIndex, encoder.at, ids === undefined));
      if (ids !== undefined) return list.map((_, position) => idAt(ids, position * 16));
      encoder.given(length);
      const stored: Id[] = [];
      for (let at = HEAD; at < HEAD + length; at += 36) stored.push(encoder.bytes.toString("latin1", at, at + 36));
      return stored;
    });
  }

  /** The entity with this id; with `at` as it was after that commit, given by its sequence. */
  get(id: IdLike, options?: { at?: number | undefined }): Entity<T> | undefined {
    if (options !== undefined) {
      only(options, ["at"], "get");
      if (options.at !== undefined) return this.#getAsOf(id, whole(options.at, "the sequence to read at"));
    }
    const encoder = lent();
    try {
      const told = writeId(id, encoder.bytes, 0);
      const text = told ? (id as Id) : idAt(encoder.bytes, 0);
      const end = this.#read(encoder, id);
      if (end < 0) return undefined;
      const { decoder } = encoder;
      return readEntity(decoder, HEAD, end, this.#exact, text, decoder.uint64(0)) as Entity<T>;
    } finally {
      returned(encoder);
    }
  }

  #getAsOf(id: IdLike, at: number): Entity<T> | undefined {
    const packed = packIds([id]);
    const bytes = call(() => raw.collectionGetAsOf(this.#live, packed, at));
    if (bytes === null) return undefined;
    return new Frames(new Decoder(bytes), 0, bytes.length, this.#exact).next() as Entity<T>;
  }

  /** The versions the entity has had and that are kept, the oldest first; those before a delete are among them. */
  history(id: IdLike): EntityVersion<T>[] {
    const packed = packIds([id]);
    const versions: EntityVersion<T>[] = [];
    for (let after = 0; ; after = versionOf(versions[versions.length - 1]!.entity as object)) {
      const bytes = call(() => raw.collectionHistory(this.#live, packed, after));
      if (bytes.length === 0) return versions;
      const decoder = new Decoder(bytes);
      for (let at = 0; at < bytes.length; ) {
        const until = decoder.uint64(at);
        const frame = at + VERSION_UNTIL_BYTES;
        const end = frame + FRAME_HEAD_BYTES + decoder.uint32(frame);
        const entity = new Frames(decoder, frame, end, this.#exact).next() as Entity<T>;
        versions.push(until === 0 ? { entity } : { entity, until });
        at = end;
      }
    }
  }

  /** The bytes of the document with this id. */
  getBytes(id: IdLike): Uint8Array | undefined {
    return withEncoder((encoder) => {
      writeId(id, encoder.bytes, 0);
      const end = this.#read(encoder, id);
      return end < 0 ? undefined : new Uint8Array(encoder.bytes.subarray(HEAD, end));
    });
  }

  /** Reads the entity whose id is in the buffer; returns where its document ends, −1 when there is none. */
  #read(encoder: Encoder, id: IdLike): number {
    for (;;) {
      let end: number;
      try {
        numbers[0] = this.#live;
        numbers[1] = encoder.bufferIndex;
        end = raw.collectionGet();
        goOn();
      } catch (error) {
        throw thrown(error);
      }
      if (end <= encoder.bytes.length) return end;
      encoder.at = 0;
      encoder.reserve(end);
      writeId(id, encoder.bytes, 0);
    }
  }

  /** The entities with these ids, in the order of the ids; undefined for an id without an entity. */
  getMany(ids: Iterable<IdLike>): (Entity<T> | undefined)[] {
    const packed = packIds(ids);
    return withEncoder((encoder) => {
      encoder.reserve(packed.length);
      encoder.bytes.set(packed);
      const length = call(() => raw.collectionGetMany(this.#live, encoder.bufferIndex, packed.length));
      encoder.given(length);
      const frames = new Frames(encoder.decoder, HEAD, HEAD + length, this.#exact);
      const found: (Entity<T> | undefined)[] = [];
      while (!frames.done) found.push(frames.next() as Entity<T> | undefined);
      return found;
    });
  }

  /** Whether an entity has this id. */
  exists(id: IdLike): boolean {
    const encoder = lent();
    try {
      writeId(id, encoder.bytes, 0);
      numbers[0] = this.#live;
      numbers[1] = encoder.bufferIndex;
      const isThere = raw.collectionExists();
      goOn();
      return isThere;
    } catch (error) {
      throw thrown(error);
    } finally {
      returned(encoder);
    }
  }

  /** The exact number of entities, without reading them. */
  count(): number {
    return call(() => raw.collectionCount(this.#live));
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
  update(id: IdLike, change: Patch<T> | Changes<T>): void {
    const operations = operationsOf(change);
    withEncoder((encoder) => {
      encoder.at = 16;
      encodeOperations(encoder, operations);
      writeId(id, encoder.bytes, 0);
      numbers[0] = this.#live;
      numbers[1] = encoder.bufferIndex;
      numbers[2] = encoder.at - 16;
      call(raw.collectionUpdate);
    });
  }

  /** Deletes an entity; true if it existed. @throws VersionMismatchError when it has another version than `version`. */
  delete(id: IdLike, options?: ReplaceOptions): boolean {
    if (options !== undefined) only(options, ["version"], "delete");
    const version = versionOption(options?.version);
    return withEncoder((encoder) => {
      writeId(id, encoder.bytes, 0);
      numbers[0] = this.#live;
      numbers[1] = encoder.bufferIndex;
      numbers[2] = version;
      return call(raw.collectionDelete);
    });
  }

  /** Deletes the entities with these ids in one transaction; returns how many existed. */
  deleteMany(ids: Iterable<IdLike>): number {
    const packed = packIds(ids);
    return withEncoder((encoder) => {
      encoder.reserve(packed.length);
      encoder.bytes.set(packed);
      return call(() => raw.collectionDeleteMany(this.#live, encoder.bufferIndex, packed.length));
    });
  }

  /** A cursor over the entities in the order of their ids. */
  scan(options?: ScanOptions): Cursor<T> {
    only(options, ["after", "reverse", "limit"], "scan");
    const limit = options?.limit === undefined ? -1 : whole(options.limit, "the limit of a scan");
    const { after, reverse } = options ?? {};
    const handle = this.#live;
    if (limit === 0) return new Cursor<T>(this.#scope, this, this.#exact, false, () => 0);
    return new Cursor<T>(this.#scope, this, this.#exact, false, (encoder, countMax, bytesMax) => {
      if (after !== undefined) writeId(after, encoder.bytes, 0);
      numbers[0] = handle;
      numbers[1] = encoder.bufferIndex;
      numbers[2] = after === undefined ? 0 : 1;
      numbers[3] = reverse === true ? 1 : 0;
      numbers[4] = limit;
      numbers[5] = countMax;
      numbers[6] = bytesMax;
      return raw.collectionScan();
    });
  }

  [Symbol.iterator](): Cursor<T> {
    return this.scan();
  }

  /**
   * A query for the entities that match a condition, or for all. A function gets the fields of `T`, so that the compiler checks names and
   * values; `f` accepts every name.
   *
   * ```ts
   * notes.find((note) => note.tags.contains("first")).orderBy("-at").limit(10).toArray();
   * notes.find(f.tags.contains("first"));
   * ```
   */
  find(asked?: Asked<T>): Query<T> {
    return Query.of<T>(this, asked);
  }

  /**
   * Creates an index on one or several fields; `-` before a field orders it descending. Returns when it is built: true if it was created,
   * false if the same index exists already.
   *
   * With `{ kind: "manual", name }` alone the index has no fields: its keys come from the program, see `manualIndex`.
   *
   * @throws IndexExistsError when an index of this name has another definition; UniqueViolationError when entities have the same key.
   */
  createIndex(manual: ManualIndexOptions): boolean;
  createIndex(first: OrderOf<T>, ...rest: readonly (OrderOf<T> | IndexOptions)[]): boolean;
  createIndex(first: OrderOf<T> | ManualIndexOptions, ...rest: readonly (OrderOf<T> | IndexOptions)[]): boolean {
    const definition = definitionOf(first as string | ManualIndexOptions, rest as readonly (string | IndexOptions)[]);
    return call(() => raw.collectionCreateIndex(this.#live, definition));
  }

  /** Removes an index. @throws IndexNotFoundError when there is none of this name. */
  dropIndex(name: string): void {
    call(() => raw.collectionDropIndex(this.#live, text(name, "the name of an index")));
  }

  /** The indexes. */
  indexes(): IndexDefinition[] {
    return decodeValue(call(() => raw.collectionIndexes(this.#live))) as IndexDefinition[];
  }

  /**
   * The number, the name and the size of the collection and its indexes. `id` never changes, and no other collection of the database ever
   * gets it; it is absent before the collection is created. `name` is the name now, also after a rename.
   */
  stats(): CollectionStats {
    return decodeValue(call(() => raw.collectionStats(this.#live))) as CollectionStats;
  }

  /**
   * The manual index of this name: keys the program gives to entities, to find them by what the database cannot read.
   *
   * ```ts
   * people.createIndex({ kind: "manual", name: "by_phone" });
   * people.manualIndex("by_phone").insert("+49 30 1234", id);
   * ```
   *
   * @throws IndexNotFoundError when there is no index of this name; INVALID_ARGUMENT when it is of another kind.
   */
  manualIndex(name: string): ManualIndex {
    const index = new ManualIndex(text(name, "the name of an index"), () => this.#live);
    void index.size;
    return index;
  }

  /** @internal A cursor over the results of a query. */
  ask(query: Query<T>, tokens: boolean): Cursor<T> {
    const handle = this.#live;
    return new Cursor<T>(this.#scope, this, this.#exact, tokens, (encoder, countMax, bytesMax) => {
      encodeInto(encoder, query.encoded);
      return found(handle, encoder, countMax, bytesMax, tokens);
    });
  }

  /** @internal All results of a query. */
  gather(query: Query<T>): Entity<T>[] {
    return withEncoder((encoder) => {
      const answers: Entity<T>[] = [];
      encodeInto(encoder, query.encoded);
      let cursor = 0;
      try {
        let length = found(this.#live, encoder, GATHERED_COUNT, GATHERED_BYTES, false);
        goOn();
        cursor = encoder.decoder.double(0);
        for (;;) {
          encoder.given(length);
          const frames = new Frames(encoder.decoder, HEAD, HEAD + length, this.#exact);
          while (!frames.done) answers.push(frames.next() as Entity<T>);
          if (cursor === 0) return answers;
          length = nextBatch(cursor, encoder, GATHERED_COUNT, GATHERED_BYTES);
          goOn();
          if (length === 0) return answers;
        }
      } catch (error) {
        throw thrown(error);
      } finally {
        if (cursor !== 0) raw.release(cursor);
      }
    });
  }

  #asked<R>(query: Query<T>, run: (handle: Handle, bufferIndex: number, length: number) => R): R {
    return withEncoder((encoder) => {
      encodeInto(encoder, query.encoded);
      return call(() => run(this.#live, encoder.bufferIndex, encoder.at));
    });
  }

  /** @internal */
  countOf(query: Query<T>): number {
    return this.#asked(query, raw.collectionFindCount);
  }

  /** @internal */
  deleteOf(query: Query<T>): number {
    return this.#asked(query, raw.collectionFindDelete);
  }

  /** @internal */
  explanationOf(query: Query<T>): Explanation {
    return decodeValue(this.#asked(query, raw.collectionFindExplain)) as Explanation;
  }

  /** @internal */
  get owner(): object {
    return this.#owner;
  }
}

/** The first results of the query in a buffer. */
function found(collection: Handle, encoder: Encoder, countMax: number, bytesMax: number, isKept: boolean): number {
  numbers[0] = collection;
  numbers[1] = encoder.bufferIndex;
  numbers[2] = encoder.at;
  numbers[3] = countMax;
  numbers[4] = bytesMax;
  numbers[5] = isKept ? 1 : 0;
  return raw.collectionFind();
}

/** @internal The version a call asks for; 0 for any. */
export function versionOption(version: number | undefined): number {
  if (version === undefined) return 0;
  if (whole(version, "a version") === 0) throw refused("version must be at least 1");
  return version;
}
