/**
 * Requests to the native half that are answered later, on threads of its own.
 *
 * Always: the requests of one turn of the loop cross in one call, and so do the replies that are ready; arguments are read when a
 * method is called, and replies are read before any code of a user runs. Does not know: what a request means.
 * Format of both: bindings/node/native/src/work.
 */
import { code } from "../codes.g";
import { Decoder } from "../decode";
import { errorFrom } from "../errors.g";
import { type Id, type IdLike, idAt, writeId } from "../id";
import { type Handle, raw, thread, thrown } from "../raw";

/** What ends a call before it is done: an `AbortSignal`. */
export interface Signal {
  readonly aborted: boolean;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly reason: any;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Options that every method with a promise takes. */
export interface CallOptions {
  /** Ends the call: the promise rejects with the reason of the signal, and nothing was changed, unless the call was done first. */
  signal?: Signal | undefined;
}

/** @internal Where a request waits for its turn. The native half says what each is for. */
export const enum Lane {
  Read = 0,
  Find = 1,
  Write = 2,
  Transaction = 3,
  Long = 4,
}

const enum Kind {
  Nothing = 0,
  False = 1,
  True = 2,
  Number = 3,
  Bytes = 4,
  Numbered = 5,
  Error = 6,
}

const enum Tag {
  Nothing = 0,
  Bytes = 1,
  Number = 2,
  False = 3,
  True = 4,
}

/** The indexes of the two buffers that are lent for requests and for replies. */
const REQUESTS = 4097;
const REPLIES = 4098;
const REQUEST_BYTES = 64 * 1024;
const REPLY_BYTES = 64 * 1024;
/** Buffers that grew beyond this are not kept. */
const KEPT_BYTES_MAX = 1 << 20;
/** Requests are sent before the end of the turn when they have so many bytes. */
const SENT_BYTES = 256 * 1024;
const HEAD_BYTES = 20;

/** @internal A reply while it is read. */
export interface Reply {
  kind: number;
  decoder: Decoder;
  /** Where its content is. */
  start: number;
  end: number;
}

/** @internal How the content of a reply is read; the reply is good until it returns. */
export type Read<T> = (reply: Reply) => T;

interface Pending {
  settle(reply: Reply): void;
  /** Keeps alive what the request is asked of, so that nothing of it ends before the reply. */
  owner: unknown;
}

/** @internal The requests of a thread. Copies of this code in one thread share one of these. */
export class Requests {
  readonly #pending = new Map<number, Pending>();
  readonly #numbers = new Map<string, number>();
  readonly #reply: Reply;
  #bytes: Buffer = Buffer.allocUnsafeSlow(REQUEST_BYTES);
  #view: DataView = new DataView(this.#bytes.buffer);
  #replies: Buffer = Buffer.allocUnsafeSlow(REPLY_BYTES);
  #at = 0;
  #start = 0;
  #isPlanned = false;
  #isWoken = false;
  #last = 0;

  constructor() {
    const names = raw.asyncAttach(() => this.#wake());
    names.forEach((name, number) => this.#numbers.set(name, number));
    raw.lend(REQUESTS, this.#bytes);
    raw.lend(REPLIES, this.#replies);
    this.#reply = { kind: 0, decoder: new Decoder(this.#replies), start: 0, end: 0 };
  }

  /** How many requests have no reply yet. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  number(name: string): number {
    const number = this.#numbers.get(name);
    if (number === undefined) throw errorFrom(code.LIBRARY_MISMATCH, `the native module knows no request ${name}; install matching versions`);
    return number;
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    this.#lend(Math.max(this.#bytes.length * 2, this.#at + count));
  }

  #lend(length: number): void {
    const grown = Buffer.allocUnsafeSlow(length);
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
    raw.lend(REQUESTS, grown);
  }

  /** Begins a request, and returns its id. The arguments follow, and then `end`, or `undo`. */
  begin(number: number, lane: Lane, handle: Handle, canBeCancelled: boolean, collection: string | undefined): number {
    this.#reserve(HEAD_BYTES);
    const at = (this.#start = this.#at);
    const id = (this.#last = (this.#last % 0xffff_ffff) + 1);
    const view = this.#view;
    view.setUint32(at + 4, id, true);
    view.setUint16(at + 8, number, true);
    view.setUint8(at + 10, lane);
    view.setUint8(at + 11, (canBeCancelled ? 1 : 0) | (collection === undefined ? 0 : 2));
    view.setFloat64(at + 12, handle, true);
    this.#at = at + HEAD_BYTES;
    if (collection !== undefined) this.text(collection);
    return id;
  }

  undo(): void {
    this.#at = this.#start;
  }

  end(id: number, pending: Pending): void {
    this.#view.setUint32(this.#start, this.#at - this.#start - 4, true);
    this.#pending.set(id, pending);
    if (this.#at >= SENT_BYTES) {
      this.send();
    } else if (!this.#isPlanned) {
      this.#isPlanned = true;
      queueMicrotask(() => {
        this.#isPlanned = false;
        this.send();
      });
    }
  }

  /** Gives what was written to the native half. */
  send(): void {
    const length = this.#at;
    if (length === 0) return;
    this.#at = 0;
    raw.asyncSubmit(REQUESTS, length);
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#lend(REQUEST_BYTES);
  }

  nothing(): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = Tag.Nothing;
  }

  bytes(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) return this.nothing();
    const { length } = bytes;
    this.#reserve(5 + length);
    this.#bytes[this.#at] = Tag.Bytes;
    this.#view.setUint32(this.#at + 1, length, true);
    this.#bytes.set(bytes.length === length ? bytes : bytes.subarray(0, length), this.#at + 5);
    this.#at += 5 + length;
  }

  text(text: string | undefined): void {
    if (text === undefined) return this.nothing();
    this.#reserve(5 + text.length * 3);
    const length = this.#bytes.write(text, this.#at + 5);
    this.#bytes[this.#at] = Tag.Bytes;
    this.#view.setUint32(this.#at + 1, length, true);
    this.#at += 5 + length;
  }

  id(id: IdLike | undefined): void {
    if (id === undefined) return this.nothing();
    this.#reserve(21);
    writeId(id, this.#bytes, this.#at + 5);
    this.#bytes[this.#at] = Tag.Bytes;
    this.#view.setUint32(this.#at + 1, 16, true);
    this.#at += 21;
  }

  integer(number: number | undefined): void {
    if (number === undefined) return this.nothing();
    this.#reserve(9);
    this.#bytes[this.#at] = Tag.Number;
    this.#view.setFloat64(this.#at + 1, number, true);
    this.#at += 9;
  }

  flag(flag: boolean): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = flag ? Tag.True : Tag.False;
  }

  /**
   * Replies are read once in a turn of the loop: the host calls this again and again within one turn while other threads have replies
   * ready, and timers and requests of the program would wait.
   */
  #wake(): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    setImmediate(() => {
      this.#isWoken = false;
      this.#take();
    });
  }

  /** Reads the replies that are ready, as many as fit, and comes back for the rest in another turn of the loop. */
  #take(): void {
    let length = raw.asyncTake(REPLIES);
    if (length < 0) {
      this.#lendReplies(-length);
      length = raw.asyncTake(REPLIES);
    }
    if (length === 0) return;
    const reply = this.#reply;
    const { decoder } = reply;
    const more = decoder.bytes[0] !== 0;
    for (let at = 1; at < length; ) {
      const id = decoder.uint32(at);
      reply.kind = decoder.bytes[at + 4]!;
      reply.start = at + 9;
      reply.end = at = reply.start + decoder.uint32(at + 5);
      const pending = this.#pending.get(id);
      if (pending === undefined) continue;
      this.#pending.delete(id);
      pending.settle(reply);
    }
    if (this.#replies.length > KEPT_BYTES_MAX) this.#lendReplies(REPLY_BYTES);
    if (more) this.#wake();
  }

  #lendReplies(length: number): void {
    this.#replies = Buffer.allocUnsafeSlow(length);
    this.#reply.decoder = new Decoder(this.#replies);
    raw.lend(REPLIES, this.#replies);
  }
}

/** @internal The requests of this thread. */
export function requests(): Requests {
  return (thread.requests ??= new Requests()) as Requests;
}

/** @internal The number of an operation, asked for once. */
export class Operation {
  readonly #name: string;
  /** Whether it waits for the write lock outside of the lane for that. */
  readonly locks: boolean;
  #number = -1;

  constructor(name: string, locks = false) {
    this.#name = name;
    this.locks = locks;
  }

  get number(): number {
    if (this.#number < 0) this.#number = requests().number(this.#name);
    return this.#number;
  }
}

/** @internal What a request that failed says. */
function failure(reply: Reply): unknown {
  return thrown(new Error(reply.decoder.bytes.toString("utf8", reply.start, reply.end)));
}

/**
 * @internal Makes a request. Whatever is wrong with its arguments rejects the promise. `write` writes the arguments and runs no code of
 * a user's: documents are encoded before.
 */
export function request<T>(
  operation: Operation,
  lane: Lane,
  handle: Handle,
  collection: string | undefined,
  owner: unknown,
  signal: Signal | undefined,
  write: ((to: Requests) => void) | undefined,
  read: Read<T>,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal !== undefined && signal.aborted) throw signal.reason;
    const to = requests();
    const id = to.begin(operation.number, lane, handle, signal !== undefined, collection);
    try {
      write?.(to);
    } catch (error) {
      to.undo();
      throw error;
    }
    const abort = signal === undefined ? undefined : () => {
      to.send();
      raw.asyncCancel(id);
    };
    to.end(id, {
      owner,
      settle(reply) {
        if (signal !== undefined) signal.removeEventListener("abort", abort!);
        if (reply.kind === Kind.Error) {
          const error = failure(reply);
          return reject(signal?.aborted === true && (error as { code?: string }).code === "CANCELLED" ? signal.reason : error);
        }
        try {
          resolve(read(reply));
        } catch (error) {
          reject(error);
        }
      },
    });
    if (signal !== undefined) signal.addEventListener("abort", abort!, { once: true });
  });
}

/** @internal Reads a reply that has no content. */
export function none(): void {}

/** @internal Whether a reply is "nothing". */
export function isNothing(reply: Reply): boolean {
  return reply.kind === Kind.Nothing;
}

/** @internal True or false. */
export function flagOf(reply: Reply): boolean {
  return reply.kind === Kind.True;
}

/** @internal A number, or the handle before other bytes. */
export function numberOf(reply: Reply): number {
  return reply.decoder.double(reply.start);
}

/** @internal Ids that follow each other. */
export function idsOf({ decoder, start, end }: Reply): Id[] {
  const ids: Id[] = [];
  for (let at = start; at < end; at += 16) ids.push(idAt(decoder.bytes, at));
  return ids;
}

/** @internal The bytes of a reply, copied. */
export function bytesOf(reply: Reply): Buffer {
  return Buffer.from(reply.decoder.bytes.subarray(reply.start, reply.end));
}

/** @internal The bytes behind a number, copied. */
export function bytesBehindNumber(reply: Reply): Buffer {
  return Buffer.from(reply.decoder.bytes.subarray(reply.start + 8, reply.end));
}

/** @internal Text. */
export function textOf(reply: Reply): string {
  return reply.decoder.bytes.toString("utf8", reply.start, reply.end);
}
