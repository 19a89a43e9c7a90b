/**
 * The frames in which many documents cross at once, with their ids.
 *
 * Always: what is refused is named by its position in the list. Does not know: how the library stores them.
 */
import { refused } from "./argument";
import { type Encoder, encodeInto } from "./encode";
import { placeOf } from "./entity";
import { type IdLike, packIds, writeId } from "./id";
import { PUT_FRAME_HEAD_BYTES } from "./interface.g";

/** The length of the document and whether an id follows: what stands before a document without an id. */
const BARE_HEAD_BYTES = PUT_FRAME_HEAD_BYTES - 16;

/** @internal The ids that were given for documents, 16 bytes each. */
export function idsGivenFor(documents: readonly unknown[], ids: Iterable<IdLike> | undefined): Uint8Array | undefined {
  const packed = ids === undefined ? undefined : packIds(ids);
  if (packed !== undefined && packed.length !== documents.length * 16) {
    throw refused(`putMany was given ${documents.length} documents and ${packed.length / 16} ids`);
  }
  return packed;
}

/** @internal Writes a frame for each document: with the id that was given for it, or with its own when it is an entity. */
export function writePutFrames(encoder: Encoder, documents: readonly unknown[], ids: Uint8Array | undefined): void {
  documents.forEach((document, position) => {
    const start = encoder.at;
    const place = ids === undefined ? placeOf(document) : undefined;
    const hasId = ids !== undefined || place !== undefined;
    encoder.reserve(PUT_FRAME_HEAD_BYTES);
    encoder.bytes[start + 4] = hasId ? 1 : 0;
    encoder.at = start + (hasId ? PUT_FRAME_HEAD_BYTES : BARE_HEAD_BYTES);
    if (ids !== undefined) encoder.bytes.set(ids.subarray(position * 16, position * 16 + 16), start + BARE_HEAD_BYTES);
    else if (place !== undefined) writeId(place, encoder.bytes, start + BARE_HEAD_BYTES);
    const from = encoder.at;
    encodeInto(encoder, document, position);
    encoder.bytes.writeUInt32LE(encoder.at - from, start);
  });
}
