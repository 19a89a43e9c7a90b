/**
 * From canonical CBOR to JavaScript values.
 *
 * Always: reads what the library has judged; bytes it cannot make sense of are an error all the same, never a guess.
 * Does not know: where bytes come from.
 * Format: docs/spec/encoding.md.
 */
import { code } from "./codes.g";
import { errorFrom } from "./errors.g";
import { Decimal, EntityId, Float, Tagged, Timestamp, Uuid, Vector, type VectorKind, halfToNumber } from "./values";

const KEYS = 1024;
const keys: (string | undefined)[] = new Array<string | undefined>(KEYS).fill(undefined);
const DATE_MILLIS_MAX = 8.64e15;

/** @internal Reads values from a buffer. One reading runs no code of users, so a decoder is used again and again. */
export class Decoder {
  readonly bytes: Buffer;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #exact = false;
  #end = 0;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Goes to the document between two places. */
  begin(at: number, end: number, exact: boolean): void {
    this.at = at;
    this.#end = end;
    this.#exact = exact;
  }

  /** Judges that the document ended where it should. */
  finish(): void {
    if (this.at > this.#end) throw errorFrom(code.CORRUPT, "a document that was read ends too early", { offset: this.#end });
    if (this.at < this.#end) throw errorFrom(code.CORRUPT, "a document that was read goes on after its end", { offset: this.at });
  }

  /** A number of 32 bits, little-endian. */
  uint32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  /** A number of 64 bits, little-endian, which a double holds. */
  uint64(at: number): number {
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 0x1_0000_0000;
  }

  /** A double, little-endian. */
  double(at: number): number {
    return this.#view.getFloat64(at, true);
  }

  #bad(): Error {
    return errorFrom(code.CORRUPT, "a document that the library returned has damaged bytes", { offset: this.at });
  }

  /** The argument of a head whose first byte was read. */
  #argument(low: number): number {
    if (low < 24) return low;
    const at = this.at;
    if (low === 24) {
      this.at = at + 1;
      return this.#bytes[at]!;
    }
    if (low === 25) {
      this.at = at + 2;
      return this.#view.getUint16(at);
    }
    if (low === 26) {
      this.at = at + 4;
      return this.#view.getUint32(at);
    }
    if (low !== 27) throw this.#bad();
    this.at = at + 8;
    return this.#view.getUint32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
  }

  /** A length, which what is left must back. */
  #length(low: number): number {
    const length = this.#argument(low);
    if (!(length <= this.#end - this.at)) throw this.#bad();
    return length;
  }

  #big(low: number): bigint {
    if (low !== 27) return BigInt(this.#argument(low));
    this.at += 8;
    return this.#view.getBigUint64(this.at - 8);
  }

  #blob(low: number): Uint8Array {
    const length = this.#length(low);
    const copy = new Uint8Array(length);
    const from = this.at;
    this.at = from + length;
    copy.set(this.#bytes.subarray(from, this.at));
    return copy;
  }

  #text(low: number): string {
    const length = this.#length(low);
    const from = this.at;
    const bytes = this.#bytes;
    this.at = from + length;
    if (length < 12) {
      let text = "";
      for (let i = from; i < this.at; i++) {
        const byte = bytes[i]!;
        if (byte >= 0x80) return bytes.toString("utf8", from, this.at);
        text += String.fromCharCode(byte);
      }
      return text;
    }
    return bytes.toString("utf8", from, this.at);
  }

  /** Keys come again and again, so the last ones are kept. */
  #key(low: number): string {
    const length = this.#length(low);
    const from = this.at;
    const bytes = this.#bytes;
    this.at = from + length;
    if (length > 32) return bytes.toString("utf8", from, this.at);
    let hash = length;
    for (let i = from; i < this.at; i++) hash = (hash * 31 + bytes[i]!) | 0;
    const place = hash & (KEYS - 1);
    const kept = keys[place];
    if (kept !== undefined && kept.length === length) {
      let i = 0;
      while (i < length && kept.charCodeAt(i) === bytes[from + i]) i++;
      // Bytes from 128 on never equal a letter of their own, so what is equal to the end is ASCII.
      if (i === length) return kept;
    }
    const text = bytes.toString("utf8", from, this.at);
    if (text.length === length) keys[place] = text;
    return text;
  }

  value(): unknown {
    const first = this.#bytes[this.at++];
    if (first === undefined) throw this.#bad();
    const low = first & 31;
    switch (first >> 5) {
      case 0: {
        if (low < 27) return this.#argument(low);
        const value = this.#argument(low);
        return value <= Number.MAX_SAFE_INTEGER ? value : this.#view.getBigUint64(this.at - 8);
      }
      case 1: {
        const value = -1 - this.#argument(low);
        return value >= Number.MIN_SAFE_INTEGER ? value : -1n - this.#view.getBigUint64(this.at - 8);
      }
      case 2:
        return this.#blob(low);
      case 3:
        return this.#text(low);
      case 4: {
        const length = this.#length(low);
        const array: unknown[] = [];
        for (let i = 0; i < length; i++) array.push(this.value());
        return array;
      }
      case 5:
        return this.#map(low);
      case 6:
        return this.#tag(low);
      default:
        return this.#simple(first);
    }
  }

  #map(low: number): unknown {
    const count = this.#length(low);
    // Integer keys come first in canonical order, so the first key tells whether an object can hold all.
    if (count > 0 && this.#bytes[this.at]! >> 5 !== 3) return this.#entries(count);
    const object: Record<string, unknown> = {};
    this.fields(object, count);
    return object;
  }

  /** Reads the entries of a map whose head was read into an object. */
  fields(object: Record<string, unknown>, count: number): void {
    for (let i = 0; i < count; i++) {
      const first = this.#bytes[this.at++];
      if (first === undefined || first >> 5 !== 3) throw this.#bad();
      const key = this.#key(first & 31);
      const value = this.value();
      if (key === "__proto__" || ((key === "id" || key === "version") && key in object)) {
        // The prototype would take these, and not the object.
        Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
      } else {
        object[key] = value;
      }
    }
  }

  /** The number of entries when a map with nothing but text keys comes next; −1 when it does not. */
  textMap(): number {
    const first = this.#bytes[this.at];
    if (first === undefined || first >> 5 !== 5) return -1;
    const before = this.at++;
    const count = this.#length(first & 31);
    if (count === 0 || this.#bytes[this.at]! >> 5 === 3) return count;
    this.at = before;
    return -1;
  }

  #entries(count: number): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>();
    for (let i = 0; i < count; i++) {
      const key = this.value();
      map.set(key, this.value());
    }
    return map;
  }

  #tag(low: number): unknown {
    const tag = low === 27 ? -1 : this.#argument(low);
    switch (tag) {
      case 59166:
        return moment(this.value());
      case 37:
        return new Uuid(this.#bytesItem());
      case 59165:
        return new EntityId(this.#bytesItem());
      case 4:
        return this.#decimal();
      case 72:
        return this.#vector("i8");
      case 84:
        return this.#vector("f16");
      case 85:
        return this.#vector("f32");
      case 86:
        return this.#vector("f64");
      default:
        return new Tagged(low === 27 ? this.#big(27) : tag, this.value());
    }
  }

  #bytesItem(): Uint8Array {
    const first = this.#bytes[this.at++];
    if (first === undefined || first >> 5 !== 2) throw this.#bad();
    return this.#blob(first & 31);
  }

  #vector(kind: VectorKind): unknown {
    // The copy begins at offset 0 of its own memory, as elements of several bytes need it.
    const { buffer } = this.#bytesItem();
    if (kind === "f32") return new Float32Array(buffer);
    if (kind === "f64") return new Float64Array(buffer);
    if (kind === "i8") return new Int8Array(buffer);
    return new Vector(kind, new Uint8Array(buffer));
  }

  #decimal(): Decimal {
    const parts = this.value();
    if (!Array.isArray(parts)) throw this.#bad();
    let [exponent, mantissa] = parts as [number | bigint, number | bigint | Tagged];
    if (mantissa instanceof Tagged) {
      const magnitude = BigInt(`0x${Buffer.from(mantissa.value as Uint8Array).toString("hex")}`);
      mantissa = mantissa.tag === 3n ? -1n - magnitude : magnitude;
    }
    return new Decimal(mantissa, exponent);
  }

  #simple(first: number): unknown {
    switch (first) {
      case 0xf4:
        return false;
      case 0xf5:
        return true;
      case 0xf6:
        return null;
      case 0xf9:
        this.at += 2;
        return this.#float(halfToNumber(this.#view.getUint16(this.at - 2)));
      case 0xfa:
        this.at += 4;
        return this.#float(this.#view.getFloat32(this.at - 4));
      case 0xfb:
        this.at += 8;
        return this.#float(this.#view.getFloat64(this.at - 8));
      default:
        throw this.#bad();
    }
  }

  #float(value: number): number | Float {
    return this.#exact && Number.isSafeInteger(value) && !Object.is(value, -0) ? new Float(value) : value;
  }
}

function moment(micros: unknown): Date | Timestamp {
  if (typeof micros === "number") {
    const millis = micros / 1000;
    return Number.isInteger(millis) ? new Date(millis) : new Timestamp(micros);
  }
  const exact = micros as bigint;
  const millis = Number(exact / 1000n);
  return exact % 1000n === 0n && Math.abs(millis) <= DATE_MILLIS_MAX ? new Date(millis) : new Timestamp(exact);
}

/** @internal The value of bytes that the library judged. */
export function decodeValue(bytes: Uint8Array, exact = false): unknown {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const decoder = new Decoder(buffer);
  decoder.begin(0, buffer.length, exact);
  let value: unknown;
  try {
    value = decoder.value();
  } catch (error) {
    throw early(error, decoder.at);
  }
  decoder.finish();
  return value;
}

/** @internal What reading past the end of a buffer throws, as the error it is. */
export function early(error: unknown, offset: number): unknown {
  return error instanceof RangeError ? errorFrom(code.CORRUPT, "a document that was read ends too early", { offset }) : error;
}
