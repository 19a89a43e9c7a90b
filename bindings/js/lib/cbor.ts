/**
 * The encoding of documents, by itself.
 *
 * Always: bytes that come in are judged by the library, as everywhere. Does not know: collections.
 * Format: docs/spec/encoding.md.
 */
import { kindOf, refused } from "./argument";
import { decodeValue } from "./decode";
import { encodeInto, withEncoder } from "./encode";
import { types } from "./host";
import { call, raw } from "./raw";

/** What is judged is what is read: memory that another thread may write to is copied first. */
function bytesOf(bytes: unknown): Uint8Array {
  if (bytes instanceof Uint8Array) return types.isSharedArrayBuffer(bytes.buffer) ? Uint8Array.from(bytes) : bytes;
  throw refused(`a document is bytes, not ${kindOf(bytes)}`);
}

/** Canonical CBOR: the bytes of documents, the same in every language. */
export const cbor = {
  /** The bytes of a value. @throws EncodingError with the path to what has no form in a document. */
  encode(value: unknown): Uint8Array {
    return withEncoder((encoder) => {
      encodeInto(encoder, value);
      const bytes = new Uint8Array(encoder.bytes.subarray(0, encoder.at));
      if (encoder.tagged) call(() => raw.validate(bytes));
      return bytes;
    });
  },

  /**
   * The value of bytes. With `exact`, floats without a fraction are `Float`.
   *
   * @throws EncodingError with the offset, when the bytes are not one document in canonical form.
   */
  decode(bytes: Uint8Array, options?: { exact?: boolean | undefined }): unknown {
    const given = bytesOf(bytes);
    call(() => raw.validate(given));
    return decodeValue(given, options?.exact === true);
  },

  /** The canonical form of any well-formed CBOR. @throws EncodingError for what is wrong in more than form. */
  canonicalise(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(call(() => raw.canonicalise(bytesOf(bytes))));
  },
};
