/**
 * From JavaScript values to canonical CBOR.
 *
 * Always: what JavaScript cannot say without doubt is refused with the path to it. A getter may call back into the library:
 * each encoding under way has a buffer of its own.
 * Does not know: limits on size; the library judges what it stores.
 * Format: docs/spec/encoding.md.
 */
import { Decoder } from "./decode";
import { isEntity } from "./entity";
import { code } from "./codes.g";
import { errorFrom } from "./errors.g";
import { types } from "./host";
import { writeId } from "./id";
import { DEPTH_MAX, hasExtraFields, hasFields, hasSymbols, isDetached, isPlain, judge, judgeField } from "./judge";
import type { Operation } from "./patch";
import { shownPath } from "./path";
import { raw, thread } from "./raw";
import { Decimal, EntityId, Float, Tagged, Timestamp, Uuid, Vector } from "./values";

/** Bytes of a new buffer. */
const BUFFER_BYTES = 16 * 1024;
/** A buffer that grew beyond this is not kept. */
const KEPT_BYTES_MAX = 1 << 21;
/** How many encoders are kept for the next call. */
const ENCODERS_KEPT_MAX = 4;
/** @internal Bytes before those that a call gives: the number of a cursor. */
export const HEAD = 8;
const KEYS_KEPT_MAX = 4096;

/** @internal Thrown inside, and turned into an error with a path by `encode`. */
class Unencodable {}
const UNENCODABLE = new Unencodable();

/** A key with its head, as it stands in a document. */
interface Key {
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly ascii: boolean;
}

const keys = new Map<string, Key>();
const half = new DataView(new ArrayBuffer(8));

/** @internal A growing buffer and a place in it. The buffer is lent to the native half, which reads and writes it too. */
export class Encoder {
  bytes: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  at = 0;
  /** The index under which the buffer is lent; −1 for one that is not. */
  readonly bufferIndex: number;
  /** Reads what the native half wrote. */
  decoder: Decoder = new Decoder(this.bytes);
  /** Whether a tag of the user's was written, whose content only the library can judge. */
  tagged = false;
  #view: DataView = new DataView(this.bytes.buffer);

  constructor(bufferIndex = -1) {
    this.bufferIndex = bufferIndex;
    if (bufferIndex >= 0) raw.lend(bufferIndex, this.bytes);
  }

  reserve(count: number): void {
    if (this.at + count > this.bytes.length) this.#grow(count);
  }

  #grow(count: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.at + count));
    grown.set(this.bytes.subarray(0, this.at));
    this.#move(grown);
  }

  #move(to: Buffer): void {
    this.bytes = to;
    this.#view = new DataView(to.buffer);
    this.decoder = new Decoder(to);
    if (this.bufferIndex >= 0) raw.lend(this.bufferIndex, to);
  }

  /** Lets go of memory that only something large needed. */
  shrink(): void {
    if (this.bytes.length > KEPT_BYTES_MAX) this.#move(Buffer.allocUnsafeSlow(BUFFER_BYTES));
  }

  /** After a call that writes bytes behind a head: grows the buffer when they did not fit, and takes them. */
  given(length: number): void {
    if (HEAD + length <= this.bytes.length) return;
    const head = this.decoder.double(0);
    this.at = 0;
    this.#grow(HEAD + length);
    this.bytes.writeDoubleLE(head, 0);
    raw.takeWaiting(this.bufferIndex);
  }

  /** The head of an item; the argument is a whole number. */
  head(type: number, argument: number): void {
    this.reserve(9);
    const bytes = this.bytes;
    if (argument < 24) {
      bytes[this.at++] = type | argument;
    } else if (argument < 0x100) {
      bytes[this.at++] = type | 24;
      bytes[this.at++] = argument;
    } else if (argument < 0x1_0000) {
      bytes[this.at++] = type | 25;
      bytes[this.at++] = argument >> 8;
      bytes[this.at++] = argument & 255;
    } else if (argument < 0x1_0000_0000) {
      bytes[this.at] = type | 26;
      this.#view.setUint32(this.at + 1, argument);
      this.at += 5;
    } else {
      bytes[this.at] = type | 27;
      this.#view.setUint32(this.at + 1, Math.floor(argument / 0x1_0000_0000));
      this.#view.setUint32(this.at + 5, argument % 0x1_0000_0000);
      this.at += 9;
    }
  }

  bigHead(type: number, argument: bigint): void {
    if (argument <= Number.MAX_SAFE_INTEGER) return this.head(type, Number(argument));
    this.reserve(9);
    this.bytes[this.at] = type | 27;
    this.#view.setBigUint64(this.at + 1, argument);
    this.at += 9;
  }

  number(value: number): void {
    if (Number.isSafeInteger(value) && (value !== 0 || !Object.is(value, -0))) {
      if (value >= 0) this.head(0x00, value);
      else this.head(0x20, -1 - value);
    } else {
      this.float(value);
    }
  }

  float(value: number): void {
    this.reserve(9);
    const { bytes } = this;
    if (Math.fround(value) !== value) {
      if (value === value) {
        bytes[this.at] = 0xfb;
        this.#view.setFloat64(this.at + 1, value);
        this.at += 9;
        return;
      }
      bytes[this.at] = 0xf9;
      bytes[this.at + 1] = 0x7e;
      bytes[this.at + 2] = 0;
      this.at += 3;
      return;
    }
    half.setFloat32(0, value);
    const bits = half.getUint32(0);
    const short = halfOf(bits);
    if (short >= 0) {
      bytes[this.at] = 0xf9;
      bytes[this.at + 1] = short >> 8;
      bytes[this.at + 2] = short & 255;
      this.at += 3;
    } else {
      bytes[this.at] = 0xfa;
      this.#view.setUint32(this.at + 1, bits);
      this.at += 5;
    }
  }

  bigint(value: bigint): void {
    if (value >= 0n) {
      if (value >= 1n << 64n) throw UNENCODABLE;
      this.bigHead(0x00, value);
    } else {
      if (value < -(1n << 64n)) throw UNENCODABLE;
      this.bigHead(0x20, -1n - value);
    }
  }

  text(value: string): void {
    const { length } = value;
    if (length < 48) {
      this.reserve(length * 3 + 9);
      const { bytes } = this;
      // A guess that it is ASCII; the head of a text shorter than 256 has one or two bytes.
      const start = this.at + (length < 24 ? 1 : 2);
      let i = 0;
      for (; i < length; i++) {
        const unit = value.charCodeAt(i);
        if (unit >= 0x80) break;
        bytes[start + i] = unit;
      }
      if (i === length) {
        if (length < 24) {
          bytes[this.at] = 0x60 | length;
        } else {
          bytes[this.at] = 0x78;
          bytes[this.at + 1] = length;
        }
        this.at = start + length;
        return;
      }
    }
    const count = Buffer.byteLength(value);
    if (count !== length && !value.isWellFormed()) throw UNENCODABLE;
    this.head(0x60, count);
    this.reserve(count);
    this.bytes.write(value, this.at, count, "utf8");
    this.at += count;
  }

  byteString(value: Uint8Array): void {
    // Read once: memory that other threads have may grow meanwhile.
    const { length } = value;
    if (length === 0 && isDetached(value.buffer)) throw UNENCODABLE;
    this.head(0x40, length);
    this.reserve(length);
    this.bytes.set(value.length === length ? value : value.subarray(0, length), this.at);
    this.at += length;
  }

  value(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        return this.text(value);
      case "number":
        return this.number(value);
      case "boolean":
        this.reserve(1);
        this.bytes[this.at++] = value ? 0xf5 : 0xf4;
        return;
      case "bigint":
        return this.bigint(value);
      case "object":
        if (value === null) {
          this.reserve(1);
          this.bytes[this.at++] = 0xf6;
          return;
        }
        if (Array.isArray(value)) return this.array(value, depth + 1);
        if (Object.getPrototypeOf(value) === Object.prototype) return this.map(value, depth + 1);
        return this.object(value, depth);
      default:
        throw UNENCODABLE;
    }
  }

  array(value: readonly unknown[], depth: number): void {
    if (depth > DEPTH_MAX || hasSymbols(value) || hasExtraFields(value)) throw UNENCODABLE;
    const { length } = value;
    this.head(0x80, length);
    for (let i = 0; i < length; i++) this.value(value[i], depth);
  }

  map(value: object, depth: number): void {
    if (depth > DEPTH_MAX || hasSymbols(value)) throw UNENCODABLE;
    const names = Object.keys(value);
    const plan = names.length < 24 ? planOf(names) : undefined;
    if (plan !== undefined) return this.#planned(value as Record<string, unknown>, plan, depth);
    const found: Key[] = [];
    const values: unknown[] = [];
    let sorted = true;
    for (const name of names) {
      const item = (value as Record<string, unknown>)[name];
      if (item === undefined) continue;
      const key = keys.get(name) ?? keyOf(name);
      if (sorted && found.length > 0 && order(found[found.length - 1]!, key) > 0) sorted = false;
      found.push(key);
      values.push(item);
    }
    this.head(0xa0, found.length);
    if (sorted) {
      for (let i = 0; i < found.length; i++) {
        this.#key(found[i]!.bytes);
        this.value(values[i], depth);
      }
    } else {
      const places = found.map((_, i) => i).sort((a, b) => order(found[a]!, found[b]!));
      for (const i of places) {
        this.#key(found[i]!.bytes);
        this.value(values[i], depth);
      }
    }
  }

  #planned(value: Record<string, unknown>, plan: Plan, depth: number): void {
    const { names, keys } = plan;
    this.reserve(1);
    const start = this.at++;
    let count = 0;
    for (let i = 0; i < names.length; i++) {
      const item = value[names[i]!];
      if (item === undefined) continue;
      count += 1;
      this.#key(keys[i]!);
      this.value(item, depth);
    }
    // What encodes the values may have moved to a larger buffer meanwhile.
    this.bytes[start] = 0xa0 | count;
  }

  #key(key: Uint8Array): void {
    this.reserve(key.length);
    const { bytes, at } = this;
    for (let i = 0; i < key.length; i++) bytes[at + i] = key[i]!;
    this.at = at + key.length;
  }

  /** Everything that is neither an array nor a plain object. */
  object(value: object, depth: number): void {
    if (value instanceof Float) return this.float(value.value);
    if (types.isDate(value)) {
      const time = value.getTime();
      if (Number.isNaN(time) || hasFields(value)) throw UNENCODABLE;
      this.head(0xc0, 59166);
      const micros = time * 1000;
      return Number.isSafeInteger(micros) ? this.number(micros === 0 ? 0 : micros) : this.bigint(BigInt(time) * 1000n);
    }
    if (ArrayBuffer.isView(value)) return this.view(value);
    if (types.isAnyArrayBuffer(value)) {
      if (isDetached(value) || hasFields(value)) throw UNENCODABLE;
      return this.byteString(new Uint8Array(value));
    }
    if (types.isMap(value)) return this.entries(value, depth + 1);
    if (value instanceof Timestamp) {
      this.head(0xc0, 59166);
      return this.bigint(value.micros);
    }
    if (value instanceof Decimal) return this.decimal(value);
    if (value instanceof Uuid) return this.sixteen(37, value.text);
    if (value instanceof EntityId) return this.sixteen(59165, value.text);
    if (value instanceof Vector) return this.vector(value.kind, value.bytes);
    if (value instanceof Tagged) {
      if (depth + 1 > DEPTH_MAX) throw UNENCODABLE;
      this.tagged = true;
      this.bigHead(0xc0, value.tag);
      return this.value(value.value, depth + 1);
    }
    if (!isPlain(value) && !(depth === 0 && isEntity(value))) throw UNENCODABLE;
    this.map(value, depth + 1);
  }

  view(value: ArrayBufferView): void {
    if ((value.byteLength === 0 && isDetached(value.buffer)) || hasFields(value)) throw UNENCODABLE;
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    if (types.isUint8Array(value) || types.isUint8ClampedArray(value)) return this.byteString(bytes);
    if (types.isFloat32Array(value)) return this.vector("f32", bytes);
    if (types.isFloat64Array(value)) return this.vector("f64", bytes);
    if (types.isInt8Array(value)) return this.vector("i8", bytes);
    throw UNENCODABLE;
  }

  sixteen(tag: number, text: string): void {
    this.head(0xc0, tag);
    this.head(0x40, 16);
    this.reserve(16);
    writeId(text, this.bytes, this.at);
    this.at += 16;
  }

  vector(kind: Vector["kind"], bytes: Uint8Array): void {
    this.head(0xc0, kind === "i8" ? 72 : kind === "f16" ? 84 : kind === "f32" ? 85 : 86);
    this.byteString(bytes);
  }

  decimal(value: Decimal): void {
    this.head(0xc0, 4);
    this.head(0x80, 2);
    this.bigint(value.exponent);
    const { mantissa } = value;
    if (mantissa >= -(1n << 64n) && mantissa < 1n << 64n) return this.bigint(mantissa);
    const magnitude = mantissa < 0n ? -1n - mantissa : mantissa;
    const digits = magnitude.toString(16);
    this.head(0xc0, mantissa < 0n ? 3 : 2);
    this.byteString(Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex"));
  }

  /** A `Map`, whose keys are texts and integers. */
  entries(value: ReadonlyMap<unknown, unknown>, depth: number): void {
    if (depth > DEPTH_MAX || hasSymbols(value) || Object.keys(value).length > 0) throw UNENCODABLE;
    const found: { key: Buffer; value: unknown }[] = [];
    for (const [key, item] of value) {
      if (item === undefined) continue;
      if (typeof key !== "string" && typeof key !== "bigint" && !(typeof key === "number" && Number.isSafeInteger(key))) {
        throw UNENCODABLE;
      }
      const before = this.at;
      this.value(typeof key === "number" ? key + 0 : key, depth);
      found.push({ key: Buffer.from(this.bytes.subarray(before, this.at)), value: item });
      this.at = before;
    }
    found.sort((a, b) => Buffer.compare(a.key, b.key));
    this.head(0xa0, found.length);
    for (let i = 0; i < found.length; i++) {
      const { key, value: item } = found[i]!;
      // 1 and 1n are two keys of a Map, and one of a document.
      if (i > 0 && key.equals(found[i - 1]!.key)) throw UNENCODABLE;
      this.#key(key);
      this.value(item, depth);
    }
  }
}

/** The 16 bits of a float of 32 bits, or −1 when they do not hold it. */
function halfOf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 255;
  const fraction = bits & 0x7f_ffff;
  if (exponent === 255) return fraction === 0 ? sign | 0x7c00 : 0x7e00;
  if (exponent === 0) return fraction === 0 ? sign : -1;
  const power = exponent - 127;
  if (power > 15) return -1;
  if (power >= -14) return fraction & 0x1fff ? -1 : sign | ((power + 15) << 10) | (fraction >> 13);
  if (power < -24) return -1;
  const dropped = -power - 1;
  const whole = fraction | 0x80_0000;
  return whole & ((1 << dropped) - 1) ? -1 : sign | (whole >>> dropped);
}

function order(a: Key, b: Key): number {
  if (a.bytes.length !== b.bytes.length) return a.bytes.length - b.bytes.length;
  if (a.ascii && b.ascii) return a.text < b.text ? -1 : 1;
  return Buffer.compare(a.bytes, b.bytes);
}

let keyEncoder: Encoder | undefined;

function keyOf(text: string): Key {
  const encoder = (keyEncoder ??= new Encoder());
  encoder.at = 0;
  encoder.text(text);
  const bytes = new Uint8Array(encoder.bytes.subarray(0, encoder.at));
  encoder.shrink();
  const key = { text, bytes, ascii: Buffer.byteLength(text) === text.length };
  if (keys.size >= KEYS_KEPT_MAX) keys.clear();
  if (text.length <= 64) keys.set(text, key);
  return key;
}

/** How objects with the same names in the same order are encoded: names and keys in the order of a document. */
interface Plan {
  readonly given: readonly string[];
  readonly names: readonly string[];
  readonly keys: readonly Uint8Array[];
}

/** The last plans, so that documents that are alike are not sorted again and again. */
const plans: (Plan | undefined)[] = new Array<Plan | undefined>(256).fill(undefined);

function planOf(given: readonly string[]): Plan | undefined {
  const count = given.length;
  if (count === 0) return EMPTY_PLAN;
  const first = given[0]!;
  const last = given[count - 1]!;
  const place = (count * 31 + first.charCodeAt(0) * 7 + first.length * 5 + last.charCodeAt(0) * 3 + last.length) & 255;
  const known = plans[place];
  if (known !== undefined && known.given.length === count) {
    let i = 0;
    while (i < count && known.given[i] === given[i]) i++;
    if (i === count) return known;
  }
  const found: Key[] = [];
  for (const name of given) {
    // A name that is no text may belong to a field that is left out; the long way finds out.
    if (name.length > 64 || !name.isWellFormed()) return undefined;
    found.push(keys.get(name) ?? keyOf(name));
  }
  found.sort(order);
  return (plans[place] = { given, names: found.map((key) => key.text), keys: found.map((key) => key.bytes) });
}

const EMPTY_PLAN: Plan = { given: [], names: [], keys: [] };

/**
 * @internal Lends an encoder to a function; what it wrote is good until the function returns. A getter of a document that is
 * encoded may call back in here, and gets the next one.
 */
export function withEncoder<T>(run: (encoder: Encoder) => T): T {
  const encoder = lent();
  try {
    return run(encoder);
  } finally {
    returned(encoder);
  }
}

/** @internal As `withEncoder`, for calls where a function would cost; `returned` must follow whatever happens. */
export function lent(): Encoder {
  const encoder = (thread.encoders[thread.used] ??= new Encoder(thread.used)) as Encoder;
  thread.used += 1;
  encoder.at = 0;
  encoder.tagged = false;
  return encoder;
}

/** @internal */
export function returned(encoder: Encoder): void {
  const { bufferIndex } = encoder;
  thread.used = bufferIndex;
  if (bufferIndex >= ENCODERS_KEPT_MAX) {
    thread.encoders.length = bufferIndex;
    raw.lend(bufferIndex, undefined);
  } else if (encoder.bytes.length > KEPT_BYTES_MAX) {
    encoder.shrink();
  }
}

/**
 * @internal Appends a document, or throws with the path to what has no form in one. `position` is that of the document among those that
 * are given with it.
 */
export function encodeInto(encoder: Encoder, value: unknown, position?: number): void {
  try {
    encoder.value(value, 0);
  } catch (error) {
    if (error !== UNENCODABLE) throw error;
    judge(value, position === undefined ? "" : `[${position}]`);
    throw errorFrom(code.UNREPRESENTABLE, "the value changed while it was encoded");
  }
}

/** @internal Appends the operations of a patch. A value without a form is named by its path in the document. */
export function encodeOperations(encoder: Encoder, operations: readonly Operation[]): void {
  encoder.head(0x80, operations.length);
  for (const operation of operations) {
    const [verb, path] = operation;
    encoder.head(0x80, operation.length);
    encoder.number(verb);
    encoder.array(path, 2);
    if (operation.length === 2) continue;
    const value = operation[2];
    try {
      encoder.value(value, 1);
    } catch (error) {
      if (error !== UNENCODABLE) throw error;
      judgeField(value, shownPath(path));
      throw errorFrom(code.UNREPRESENTABLE, "the value changed while it was encoded");
    }
  }
}

/** @internal The bytes of a patch, in a buffer of their own. */
export function encodePatch(operations: readonly Operation[]): Uint8Array {
  return withEncoder((encoder) => {
    encodeOperations(encoder, operations);
    return new Uint8Array(encoder.bytes.subarray(0, encoder.at));
  });
}

/** @internal The bytes of a value, in a buffer of their own. */
export function encodeValue(value: unknown): Uint8Array {
  return withEncoder((encoder) => {
    encodeInto(encoder, value);
    return new Uint8Array(encoder.bytes.subarray(0, encoder.at));
  });
}
