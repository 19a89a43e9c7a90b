// Values as lossless JSON, as the vectors and the conformance cases write them (tests/vectors/README.md).
import assert from "node:assert/strict";
import { Decimal, EntityId, Float, Tagged, Timestamp, Uuid, Vector } from "entidb";

export const hex = (bytes) => Buffer.from(bytes).toString("hex");
export const unhex = (text) => new Uint8Array(Buffer.from(text, "hex"));

function float(text) {
  const value = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity }[text] ?? Number(text);
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? new Float(value) : value;
}

export function fromJson(json) {
  if (json === null || typeof json !== "object") return json;
  if (Array.isArray(json)) return json.map(fromJson);
  const [kind, content] = Object.entries(json)[0] ?? [""];
  if (!kind.startsWith("$")) {
    return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, fromJson(value)]));
  }
  switch (kind) {
    case "$int":
      return BigInt(content);
    case "$float":
      return float(content);
    case "$bytes":
      return unhex(content);
    case "$timestamp":
      return new Timestamp(BigInt(content));
    case "$uuid":
      return new Uuid(content);
    case "$id":
      return new EntityId(content);
    case "$decimal":
      return new Decimal(BigInt(content[0]), BigInt(content[1]));
    case "$vector":
      return new Vector(content[0], unhex(content[1]));
    case "$tag":
      return new Tagged(BigInt(content[0]), fromJson(content[1]));
    case "$map":
      return new Map(content.map(([key, value]) => [fromJson(key), fromJson(value)]));
    default:
      throw new assert.AssertionError({ message: `no kind of value ${kind}` });
  }
}
