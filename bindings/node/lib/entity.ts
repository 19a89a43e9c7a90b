/**
 * Entities: documents that know their id and version.
 *
 * Always: what stands in the object is the document and nothing else; id and version come from the prototype, so that
 * spreading, JSON and storing again see only the document. Does not know: collections.
 */
import type { Decoder } from "./decode";
import { type Id, idAt } from "./id";
import { refused } from "./native";

/** A document: what a collection without a type of its own holds. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Document = Record<string, any>;

/** What an entity has beside its document. */
export interface EntityFields {
  /** The id. A document with a field `id` of its own shows that field here; `idOf` gives the id always. */
  readonly id: Id;
  /** The version: the number of the commit that wrote it. `versionOf` gives it always. */
  readonly version: number;
}

/** An entity as it was read: the document, with `id` and `version`. */
export type Entity<T = Document> = T & Omit<EntityFields, keyof T>;

class Read {
  #id: Id;
  #version: number;

  constructor(id: Id, version: number) {
    this.#id = id;
    this.#version = version;
  }

  get id(): Id {
    return this.#id;
  }

  get version(): number {
    return this.#version;
  }

  static idOf(entity: object): Id | undefined {
    return #id in entity ? (entity as Read).#id : undefined;
  }

  static versionOf(entity: object): number | undefined {
    return #id in entity ? (entity as Read).#version : undefined;
  }
}
Object.defineProperty(Read, "name", { value: "Entity" });

/** Entities whose document is no object with text keys. */
const others = new WeakMap<object, { id: Id; version: number }>();

/**
 * The id of an entity that was read, also when its document has a field called `id`.
 *
 * @throws UsageError (`INVALID_ARGUMENT`) when the object was not read from a collection: copies do not carry the id.
 */
export function idOf(entity: object): Id {
  const id = Read.idOf(entity) ?? others.get(entity)?.id;
  if (id === undefined) throw refused("this object was not read from a collection, or is a copy; copies do not carry the id");
  return id;
}

/**
 * The version of an entity that was read, also when its document has a field called `version`.
 *
 * @throws UsageError (`INVALID_ARGUMENT`) when the object was not read from a collection.
 */
export function versionOf(entity: object): number {
  const version = Read.versionOf(entity) ?? others.get(entity)?.version;
  if (version === undefined) throw refused("this object was not read from a collection, or is a copy; copies do not carry the version");
  return version;
}

/** @internal Reads a document as an entity. */
export function readEntity(decoder: Decoder, id: Id, version: number): unknown {
  const count = decoder.textMap();
  if (count >= 0) {
    const entity = new Read(id, version);
    decoder.fields(entity as unknown as Record<string, unknown>, count);
    return entity;
  }
  const value = decoder.value();
  if (typeof value !== "object" || value === null) return value;
  others.set(value, { id, version });
  Object.defineProperty(value, "id", { value: id, configurable: true });
  Object.defineProperty(value, "version", { value: version, configurable: true });
  return value;
}

/** Bytes of a frame before its document: length, id, version. */
const FRAME_HEAD = 28;

/** @internal Entities in one buffer, read one after the other. */
export class Frames {
  readonly #bytes: Buffer;
  readonly #exact: boolean;
  #at = 0;

  constructor(bytes: Buffer, exact: boolean) {
    this.#bytes = bytes;
    this.#exact = exact;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  next(decode: (bytes: Buffer, read: (decoder: Decoder) => unknown, exact: boolean) => unknown): unknown {
    const bytes = this.#bytes;
    const at = this.#at;
    const length = bytes.readUInt32LE(at);
    const start = at + FRAME_HEAD;
    if (length === 0xffff_ffff) {
      this.#at = start;
      return undefined;
    }
    this.#at = start + length;
    const id = idAt(bytes, at + 4);
    const version = bytes.readUInt32LE(at + 20) + bytes.readUInt32LE(at + 24) * 0x1_0000_0000;
    return decode(bytes.subarray(start, start + length), (decoder) => readEntity(decoder, id, version), this.#exact);
  }
}
