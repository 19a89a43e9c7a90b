/**
 * Entities: documents that know their id and version.
 *
 * Always: the fields of the object are the document and nothing else; id and version come from the prototype, so that a copy made
 * by spreading is a document of its own. What is shown, by `console.log` or as JSON, has both. Does not know: collections.
 */
import { refused } from "./argument";
import { type Decoder, early } from "./decode";
import { inspect } from "./host";
import { type Id, idOfWords, word } from "./id";
import { FRAME_ABSENT_BYTES, FRAME_HEAD_BYTES } from "./interface.g";

/** A document: what a collection without a type of its own holds. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Document = Record<string, any>;

/** What an entity has beside its document. Accessors of classes, as they are: TypeScript knows that a copy has none. */
declare class IdField {
  /** The id. A document with a field `id` of its own shows that field here; `idOf` gives the id always. */
  get id(): Id;
}

declare class VersionField {
  /** The version: the number of the commit that wrote it. `versionOf` gives it always. */
  get version(): number;
}

declare class ShownAs<T> {
  /** The document with id and version as fields, which is what JSON has. Fields of the document with these names stay. */
  toJSON(): T & Omit<EntityFields, keyof T>;
}

/** What an entity has beside its document, as JSON shows it. */
export interface EntityFields {
  id: Id;
  version: number;
}

/**
 * An entity as it was read: the document, with `id` and `version`. A copy, `{ ...note }`, is the document alone; the entity itself
 * goes back to its place when it is `put`.
 */
export type Entity<T = Document> = T &
  ("id" extends keyof T ? unknown : IdField) &
  ("version" extends keyof T ? unknown : VersionField) &
  ("toJSON" extends keyof T ? unknown : ShownAs<T>);

/** Under this symbol an entity says its id and version, so that another copy of this package in the process knows it, too. */
const PLACE = Symbol.for("entidb.entity");

interface Place {
  id: Id;
  version: number;
}

/** The place of an entity that any copy of this package read. Nothing is asked of plain objects, which have none. */
function told(value: object): Place | undefined {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === Object.prototype || prototype === null) return undefined;
  const place = (value as { [PLACE]?: unknown })[PLACE];
  return typeof place === "function" ? (place.call(value) as Place | undefined) : undefined;
}

class Read {
  /** The text of the id, made when it is asked for: a scan that does not ask makes none. */
  #id: Id | undefined;
  /** The bytes of the id. */
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  #version: number;

  constructor(id: Id | undefined, a: number, b: number, c: number, d: number, version: number) {
    this.#id = id;
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
    this.#version = version;
  }

  get id(): Id {
    return (this.#id ??= idOfWords(this.#a, this.#b, this.#c, this.#d));
  }

  get version(): number {
    return this.#version;
  }

  toJSON(): object {
    return { id: this.id, version: this.version, ...(this as object) };
  }

  [inspect.custom](depth: number, options: object, show: typeof inspect): string {
    if (depth < 0) return "[Entity]";
    return `Entity ${show(Read.prototype.toJSON.call(this), { ...options, depth })}`;
  }

  /** Nothing for an object that only has an entity as its prototype. */
  [PLACE](): Place | undefined {
    return #id in this ? { id: Read.idOf(this)!, version: this.#version } : undefined;
  }

  static isRead(value: object): value is Read {
    return #id in value;
  }

  static idOf(entity: object): Id | undefined {
    if (!(#id in entity)) return undefined;
    const read = entity as Read;
    return (read.#id ??= idOfWords(read.#a, read.#b, read.#c, read.#d));
  }

  static versionOf(entity: object): number | undefined {
    return #id in entity ? (entity as Read).#version : undefined;
  }
}
Object.defineProperty(Read, "name", { value: "Entity" });

/** Entities whose document is no object with text keys, but a `Map`. */
const others = new WeakMap<object, Place>();

/** @internal Whether it is an entity that was read, with text keys; entities with other keys are a `Map`. */
export function isEntity(value: object): boolean {
  return Read.isRead(value) || (!(value instanceof Map) && told(value) !== undefined);
}

/** @internal Where a document stands, when it is an entity that was read. */
export function placeOf(document: unknown): Id | undefined {
  if (typeof document !== "object" || document === null) return undefined;
  return Read.isRead(document) ? Read.idOf(document) : told(document)?.id;
}

/**
 * The id of an entity that was read, also when its document has a field called `id`.
 *
 * @throws UsageError (`INVALID_ARGUMENT`) when the object was not read from a collection: copies do not carry the id.
 */
export function idOf(entity: object): Id {
  const id = Read.idOf(entity) ?? others.get(entity)?.id ?? told(entity)?.id;
  if (id === undefined) throw refused("this object was not read from a collection, or is a copy; copies do not carry the id");
  return id;
}

/**
 * The version of an entity that was read, also when its document has a field called `version`.
 *
 * @throws UsageError (`INVALID_ARGUMENT`) when the object was not read from a collection.
 */
export function versionOf(entity: object): number {
  const version = Read.versionOf(entity) ?? others.get(entity)?.version ?? told(entity)?.version;
  if (version === undefined) throw refused("this object was not read from a collection, or is a copy; copies do not carry the version");
  return version;
}

function readNext(decoder: Decoder, id: Id | undefined, a: number, b: number, c: number, d: number, version: number): unknown {
  const count = decoder.textMap();
  if (count >= 0) {
    const entity = new Read(id, a, b, c, d, version);
    decoder.fields(entity as unknown as Record<string, unknown>, count);
    return entity;
  }
  const value = decoder.value();
  if (typeof value !== "object" || value === null) return value;
  const text = id ?? idOfWords(a, b, c, d);
  const place: Place = { id: text, version };
  const field = (name: string | symbol, given: unknown): unknown => Object.defineProperty(value, name, { value: given, configurable: true });
  others.set(value, place);
  field(PLACE, () => place);
  field("id", text);
  field("version", version);
  const shown = (): object => ({ id: text, version, ...(value instanceof Map ? Object.fromEntries(value) : value) });
  field("toJSON", shown);
  field(inspect.custom, (depth: number, options: object, show: typeof inspect) => {
    return depth < 0 ? "[Entity]" : `Entity(${text}, version ${version}) ${show(value, { ...options, depth, customInspect: false })}`;
  });
  return value;
}

/** @internal Reads the document between two places as an entity. */
export function readEntity(decoder: Decoder, at: number, end: number, exact: boolean, id: Id, version: number): unknown {
  decoder.begin(at, end, exact);
  let entity: unknown;
  try {
    entity = readNext(decoder, id, 0, 0, 0, 0, version);
  } catch (error) {
    throw early(error, decoder.at);
  }
  decoder.finish();
  return entity;
}

/** @internal Entities one behind the other in a buffer. */
export class Frames {
  readonly #decoder: Decoder;
  readonly #end: number;
  readonly #exact: boolean;
  #at: number;

  constructor(decoder: Decoder, at: number, end: number, exact: boolean) {
    this.#decoder = decoder;
    this.#at = at;
    this.#end = end;
    this.#exact = exact;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  next(): unknown {
    const decoder = this.#decoder;
    const at = this.#at;
    const length = decoder.uint32(at);
    const start = at + FRAME_HEAD_BYTES;
    if (length === 0xffff_ffff) {
      this.#at = at + FRAME_ABSENT_BYTES;
      return undefined;
    }
    const end = start + length;
    this.#at = end;
    const { bytes } = decoder;
    const version = decoder.uint64(at + 20);
    decoder.begin(start, end, this.#exact);
    let entity: unknown;
    try {
      entity = readNext(decoder, undefined, word(bytes, at + 4), word(bytes, at + 8), word(bytes, at + 12), word(bytes, at + 16), version);
    } catch (error) {
      throw early(error, decoder.at);
    }
    decoder.finish();
    return entity;
  }
}
