// What JavaScript values become in a document, and what is refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRequire } from "node:module";
import { inspect } from "node:util";
import vm from "node:vm";
import { Decimal, EncodingError, EntityId, Float, Tagged, Timestamp, Uuid, Vector, all, cbor, f, openMemory } from "entidb";

const { native } = createRequire(import.meta.url)("../dist/node/lib/native.js");
const ID = "00112233-4455-6677-8899-aabbccddeeff";

const back = (value, options) => cbor.decode(cbor.encode(value), options);
const hex = (value) => Buffer.from(cbor.encode(value)).toString("hex");

const same = [
  ["null", null],
  ["true", true],
  ["false", false],
  ["zero", 0],
  ["a small integer", 23],
  ["an integer of one byte", 255],
  ["an integer of two bytes", 65535],
  ["an integer of four bytes", 4294967295],
  ["the greatest safe integer", Number.MAX_SAFE_INTEGER],
  ["the least safe integer", Number.MIN_SAFE_INTEGER],
  ["a bigint beyond 2^53", 2n ** 53n],
  ["the greatest unsigned integer", 2n ** 64n - 1n],
  ["the least integer", -(2n ** 64n)],
  ["minus zero", -0],
  ["a fraction", 0.1],
  ["a fraction of 16 bits", 1.5],
  ["a fraction of 32 bits", 0.10000000149011612],
  ["the least number", 5e-324],
  ["the greatest number", Number.MAX_VALUE],
  ["the least float of 16 bits", 2 ** -24],
  ["an integral float beyond 2^53", 1e300],
  ["NaN", NaN],
  ["infinity", Infinity],
  ["minus infinity", -Infinity],
  ["an empty text", ""],
  ["a text of 47 letters", "x".repeat(47)],
  ["a long text", "é".repeat(1000)],
  ["a text outside the first plane", "😀 und 𝄞"],
  ["a text with NUL", "a\0b"],
  ["a text of 100,000 letters", "y".repeat(100_000)],
  ["an empty array", []],
  ["nested arrays", [1, [2, [3, []]]]],
  ["an empty object", {}],
  ["an object with numbers for keys", { 1: "a", 10: "b" }],
  ["keys that are not ASCII", { é: 1, ß: 2, "😀": 3 }],
  ["a key of 100 letters", { ["k".repeat(100)]: 1 }],
  ["a date", new Date("2026-01-02T03:04:05.678Z")],
  ["a date before 1970", new Date(-1)],
  ["the last date", new Date(8.64e15)],
  ["bytes", new Uint8Array([0, 255])],
  ["a vector of 32-bit floats", new Float32Array([1, -2.5])],
  ["a vector of 64-bit floats", new Float64Array([Math.PI])],
  ["a vector of bytes with signs", new Int8Array([-128, 127])],
  ["a map with integer keys", new Map([[1, "a"], [-1, "b"], ["x", "c"]])],
];
for (const [name, value] of same) {
  test(`${name} is read as it was written`, () => assert.deepStrictEqual(back(value), value));
}

test("keys are written in canonical order, whatever order they were set in", () => {
  assert.equal(hex({ bb: 1, a: 2, "": 3 }), hex({ "": 3, a: 2, bb: 1 }));
  assert.equal(hex({ b: 1, é: 2, aaa: 3 }), "a361620162c3a90263616161" + "03");
});

test("a number without fraction is an integer, and a Float is a float", () => {
  assert.equal(hex(1), "01");
  assert.equal(hex(new Float(1)), "f93c00");
  assert.equal(back(new Float(1)), 1);
  assert.deepStrictEqual(back(new Float(1), { exact: true }), new Float(1));
  assert.equal(new Float(2) + 1, 3);
});

test("undefined fields are left out", () => {
  assert.deepStrictEqual(back({ a: undefined, b: 1 }), { b: 1 });
});

test("the prototype of a document cannot be set by a key", () => {
  const document = back(JSON.parse('{"__proto__": {"admin": true}, "a": 1}'));
  assert.equal(document.admin, undefined);
  assert.deepEqual(Object.keys(document), ["a", "__proto__"]);
  assert.equal(Object.getPrototypeOf(document), Object.prototype);
});

test("objects of literals, of JSON, without a prototype and of another realm are documents", () => {
  const other = vm.runInNewContext("({ y: 2, list: [1, { z: 3 }], at: new Date(5), map: new Map([[1, 2]]) })");
  assert.deepStrictEqual(back(other), { y: 2, list: [1, { z: 3 }], at: new Date(5), map: new Map([[1, 2]]) });
  assert.deepStrictEqual(back(Object.assign(Object.create(null), { y: 2 })), { y: 2 });
  assert.deepStrictEqual(back(JSON.parse('{"a":{"b":[]}}')), { a: { b: [] } });
  assert.deepStrictEqual(back({ constructor: 1, toString: 2, hasOwnProperty: 3 }), { constructor: 1, toString: 2, hasOwnProperty: 3 });
});

test("memory that threads share is copied before it is judged", () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(5));
  bytes.set(cbor.encode({ abc: 1 }).subarray(0, 5));
  bytes.set(cbor.encode(["ab", 1]), 0);
  assert.deepStrictEqual(cbor.decode(bytes), ["ab", 1]);
  assert.deepStrictEqual(back({ bytes }), { bytes: Uint8Array.from(bytes) });
  // Another thread writes when the bytes were judged and not yet read: what was judged is read.
  const { validate } = native;
  native.validate = (given) => {
    validate(given);
    bytes.fill(0xff);
  };
  try {
    assert.deepStrictEqual(cbor.decode(bytes), ["ab", 1]);
  } finally {
    native.validate = validate;
  }
  assert.deepStrictEqual([...bytes], [255, 255, 255, 255, 255]);
});

test("what a structured clone would make a plain object of is not cloned, and says what to do", () => {
  const values = [new Uuid(ID), new EntityId(ID), Decimal.parse("1.5"), new Timestamp(1), new Float(1), new Vector("f16", new Uint8Array(2)), new Tagged(1000, 1)];
  for (const value of values) {
    assert.throws(() => structuredClone({ value }), (error) => error.name === "DataCloneError" && error.message.includes(value.constructor.name) && error.message.includes("cbor.encode"));
    assert.deepStrictEqual(cbor.decode(structuredClone(cbor.encode({ value })), { exact: true }), { value });
  }
});

test("values show what they hold, and different ones are not equal", () => {
  const other = ID.replace("0", "1");
  assert.equal(inspect({ id: new EntityId(ID), uuid: new Uuid(ID) }), `{\n  id: EntityId(${ID}),\n  uuid: Uuid(${ID})\n}`);
  assert.equal(inspect([Decimal.parse("1.50"), new Timestamp(1), new Float(1)]), "[ Decimal(1.50), Timestamp(1970-01-01T00:00:00.000001Z), Float(1) ]");
  assert.equal(inspect(new Tagged(1000, { a: 1 })), "Tagged(1000, { a: 1 })");
  assert.equal(inspect(new Vector("f16", new Uint8Array([0, 60]))), "Vector(f16, [ 1 ])");
  assert.notDeepStrictEqual(new Uuid(ID), new Uuid(other));
  assert.notDeepStrictEqual(new EntityId(ID), new EntityId(other));
  assert.deepStrictEqual(new EntityId(ID), new EntityId(ID.toUpperCase()));
});

test("buffers and views of part of a buffer are bytes", () => {
  const whole = Buffer.from("0123456789");
  assert.deepStrictEqual(back(whole.subarray(2, 4)), new Uint8Array([50, 51]));
  assert.deepStrictEqual(back(new Uint8Array([1, 2]).buffer), new Uint8Array([1, 2]));
});

test("bytes that were read are a copy of their own", () => {
  const bytes = cbor.encode({ b: new Uint8Array([1, 2, 3]) });
  const { b } = cbor.decode(bytes);
  bytes.fill(0);
  assert.deepStrictEqual(b, new Uint8Array([1, 2, 3]));
  assert.equal(b.buffer.byteLength, 3);
});

test("a timestamp keeps its microseconds", () => {
  const moment = new Timestamp(1_700_000_000_123_456n);
  assert.equal(back(moment).micros, moment.micros);
  assert.equal(moment.toString(), "2023-11-14T22:13:20.123456Z");
  assert.deepStrictEqual(back(Timestamp.from(new Date(7))), new Date(7));
  assert.equal(new Timestamp(-1).toString(), "1969-12-31T23:59:59.999999Z");
});

test("a decimal keeps its digits", () => {
  for (const text of ["0", "1.0", "1.00", "-19.90", "0.001", "170141183460469231731687303715884105727"]) {
    assert.equal(back(Decimal.parse(text)).toString(), text);
  }
  assert.equal(Decimal.parse("1.5e3").toNumber(), 1500);
  assert.throws(() => Decimal.parse("1,5"), { code: "INVALID_ARGUMENT" });
  assert.throws(() => new Decimal(2n ** 127n, 0), { code: "INVALID_ARGUMENT" });
});

test("uuids and entity ids inside a document are values of their own", () => {
  const text = "00112233-4455-6677-8899-aabbccddeeff";
  assert.ok(back(new Uuid(text)) instanceof Uuid);
  assert.ok(back(new Uuid(text)).equals(new Uuid(text.toUpperCase())));
  assert.equal(back(new EntityId(text)).id, text);
  assert.equal(JSON.stringify({ id: new EntityId(text) }), `{"id":"${text}"}`);
});

test("a vector of 16-bit floats is read by its numbers", () => {
  const vector = back(new Vector("f16", new Uint8Array([0, 0x3c, 0, 0xc0])));
  assert.deepEqual(vector.toArray(), [1, -2]);
  assert.equal(vector.length, 2);
  assert.throws(() => new Vector("f16", new Uint8Array(3)), { code: "INVALID_ARGUMENT" });
});

test("a tag without a meaning is carried through, and one with a meaning is judged", () => {
  assert.deepStrictEqual(back(new Tagged(1000, ["x"])), new Tagged(1000n, ["x"]));
  assert.throws(() => cbor.encode(new Tagged(37, "no bytes")), { code: "INVALID_TAG_CONTENT" });
});

const circle = { a: { b: [] } };
circle.a.b.push(circle);
let deep = 1;
for (let i = 0; i < 65; i++) deep = [deep];
const transferred = (value) => {
  structuredClone(value, { transfer: [value.buffer ?? value] });
  return value;
};
const refusals = [
  ["a field named by a symbol", { a: { b: 1, [Symbol("s")]: 2 } }, "UNREPRESENTABLE", /^a has a field named by Symbol\(s\)/],
  ["a field of an array named by a symbol", { a: Object.assign([1], { [Symbol("s")]: 2 }) }, "UNREPRESENTABLE", /^a has a field named by Symbol\(s\)/],
  ["a field of a Map named by a symbol", { a: Object.assign(new Map(), { [Symbol("s")]: 2 }) }, "UNREPRESENTABLE", /^a has a field named by Symbol\(s\)/],
  ["a field beside the elements of an array", { a: ["x".match(/x/)] }, "UNREPRESENTABLE", /^a\.0 has the field "index" beside its elements; store \[\.\.\.array\]/],
  ["a field beside the elements of a long array", { a: Object.assign(Array(500).fill(1), { more: 2 }) }, "UNREPRESENTABLE", /^a has the field "more" beside/],
  ["a field beside the entries of a Map", { a: Object.assign(new Map([[1, 2]]), { more: 2 }) }, "UNREPRESENTABLE", /^a has the field "more" beside its entries/],
  ["a hole in an array", { a: [1, , 2] }, "UNREPRESENTABLE", /^a\.1 is undefined/],
  ["a hole in a long array", { a: Object.assign(Array(500).fill(1, 1)) }, "UNREPRESENTABLE", /^a\.0 is undefined/],
  ["bytes whose buffer was transferred", { a: [transferred(new Uint8Array(4))] }, "UNREPRESENTABLE", /^a\.0 is a Uint8Array whose buffer was transferred/],
  ["a vector whose buffer was transferred", { v: transferred(new Float32Array(4)) }, "UNREPRESENTABLE", /^v is a Float32Array whose buffer/],
  ["a buffer that was transferred", { b: transferred(new ArrayBuffer(4)) }, "UNREPRESENTABLE", /^b is an ArrayBuffer whose buffer/],
  ["undefined in an array", { a: [1, undefined] }, "UNREPRESENTABLE", /^a\.1 is undefined/],
  ["undefined as the document", undefined, "UNREPRESENTABLE", /^the document is undefined/],
  ["a function", { a: { run() {} } }, "UNREPRESENTABLE", /^a\.run is a function/],
  ["a symbol", { s: Symbol("x") }, "UNREPRESENTABLE", /^s is a symbol/],
  ["a Set", { tags: new Set() }, "UNREPRESENTABLE", /^tags is a Set, which has no form in a document; store \[\.\.\.set\]/],
  ["a promise", { p: Promise.resolve() }, "UNREPRESENTABLE", /^p is a Promise/],
  ["a regular expression", { r: /x/ }, "UNREPRESENTABLE", /^r is a RegExp/],
  ["an error", { e: new Error("x") }, "UNREPRESENTABLE", /^e is an Error/],
  ["a boxed number", { n: Object(1) }, "UNREPRESENTABLE", /^n is a Number/],
  ["a URL", { site: { home: new URL("https://example.org") } }, "UNREPRESENTABLE", /^site\.home is a URL, .*store its href/],
  ["headers", { h: new Headers([["a", "b"]]) }, "UNREPRESENTABLE", /^h is a Headers, .*Object\.fromEntries/],
  ["search parameters", { q: new URLSearchParams("a=1") }, "UNREPRESENTABLE", /^q is a URLSearchParams, .*Object\.fromEntries/],
  ["a blob", { b: new Blob(["x"]) }, "UNREPRESENTABLE", /^b is a Blob, .*arrayBuffer/],
  ["a form", { f: new FormData() }, "UNREPRESENTABLE", /^f is a FormData/],
  ["an instance of a class", { points: [new (class Point { x = 1; #y = 2; get sum() { return this.x + this.#y; } })()] }, "UNREPRESENTABLE", /^points\.0 is a Point, .*plain object/],
  ["an instance of a class without a name", { o: new (class {})() }, "UNREPRESENTABLE", /^o is an instance of a class without a name/],
  ["an instance as the document", new (class Note { title = "x"; })(), "UNREPRESENTABLE", /^the document is a Note/],
  ["an object with fields in its prototype", { o: Object.create({ lost: 1 }) }, "UNREPRESENTABLE", /^o is an object, which has no form/],
  ["a generator", { g: (function* numbers() { yield 1; })() }, "UNREPRESENTABLE", /^g is a Generator, .*array/],
  ["an async generator", { g: (async function* numbers() { yield 1; })() }, "UNREPRESENTABLE", /^g is an AsyncGenerator/],
  ["an iterator", { i: [1].values() }, "UNREPRESENTABLE", /^i is an Array Iterator, .*array/],
  ["the keys of a map", { k: new Map([[1, 2]]).keys() }, "UNREPRESENTABLE", /^k is a Map Iterator/],
  ["a WeakRef", { w: new WeakRef({}) }, "UNREPRESENTABLE", /^w is a WeakRef/],
  ["a field of a query", { n: f.other }, "UNREPRESENTABLE", /^n is a Field/],
  ["a condition", { c: all() }, "UNREPRESENTABLE", /^c is a Condition/],
  ["an error of one's own", { e: new (class Mine extends TypeError {})() }, "UNREPRESENTABLE", /^e is a Mine, .*message/],
  ["an invalid date", { at: new Date(NaN) }, "UNREPRESENTABLE", /^at is an invalid date/],
  ["a view without a meaning", { v: new Uint16Array(1) }, "UNREPRESENTABLE", /^v is a Uint16Array/],
  ["an object that contains itself", circle, "UNREPRESENTABLE", /^a\.b\.0 contains itself/],
  ["half of a surrogate pair", { t: ["\ud800"] }, "INVALID_UTF8", /^t\.0 holds half/],
  ["half of a pair in a long text", { t: "x".repeat(99) + "\udc00" }, "INVALID_UTF8", /^t holds half/],
  ["half of a pair in a key", { "\ud800": 1 }, "INVALID_UTF8", /key/],
  ["a bigint beyond 64 bits", { n: 2n ** 64n }, "NUMBER_OUT_OF_RANGE", /^n is an integer/],
  ["a bigint below −2^64", { n: -(2n ** 64n) - 1n }, "NUMBER_OUT_OF_RANGE", /^n is an integer/],
  ["a Map with an object for a key", new Map([[{}, 1]]), "INVALID_KEY", /keys of a Map/],
  ["a Map with a fraction for a key", new Map([[1.5, 1]]), "INVALID_KEY", /keys of a Map/],
  ["a Map with 1 and 1n", new Map([[1, 1], [1n, 2]]), "DUPLICATE_KEY", /key 1 twice/],
  ["nesting beyond 64", deep, "TOO_DEEP", /more than 64 deep/],
];
for (const [name, value, code, message] of refusals) {
  test(`${name} is refused with the path to it`, () => {
    assert.throws(() => cbor.encode(value), (error) => {
      assert.ok(error instanceof EncodingError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    });
  });
}

test("a getter that uses the database does not disturb the document around it", () => {
  const db = openMemory();
  const notes = db.collection("notes");
  const id = notes.put({ first: "x".repeat(100), get second() { return notes.put({ inner: "y".repeat(500) }); }, third: 3 });
  const stored = notes.get(id);
  assert.equal(stored.first, "x".repeat(100));
  assert.equal(stored.third, 3);
  assert.equal(notes.get(stored.second).inner.length, 500);
  db.close();
});

test("a million keys do not fill the memory of keys", () => {
  const document = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`key${i}`, i]));
  assert.deepStrictEqual(back(document), document);
});

test("random documents are read as they were written", () => {
  const seed = Number(process.env.ENTIDB_SEED ?? Date.now() % 2 ** 31);
  let state = seed;
  const random = (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const value = (depth) => {
    switch (random(depth > 4 ? 7 : 9)) {
      case 0: return null;
      case 1: return random(2) === 0;
      case 2: return random(2 ** 31) * (random(2) ? 1 : -2_000_000);
      case 3: return (random(2 ** 30) + 0.5) / (1 + random(100));
      case 4: return "aé😀x".repeat(random(30)).slice(0, random(40)).toWellFormed();
      case 5: return new Uint8Array(random(40)).map(() => random(256));
      case 6: return BigInt(random(2 ** 31)) * 2n ** 30n + 2n ** 53n;
      case 7: return Array.from({ length: random(6) }, () => value(depth + 1));
      default: return Object.fromEntries(Array.from({ length: random(8) }, () => [`${"kéy".slice(0, random(4))}${random(100)}`, value(depth + 1)]));
    }
  };
  for (let i = 0; i < 2000; i++) {
    const document = value(0);
    const bytes = cbor.encode(document);
    assert.deepStrictEqual(cbor.decode(bytes), document, `seed ${seed}`);
    assert.deepEqual(cbor.canonicalise(bytes), bytes, `seed ${seed}`);
  }
});

test("bytes that claim more than they hold cost what they hold", () => {
  // 60 arrays in each other, each of which announces everything that follows.
  const [size, heads] = [8 << 20, 60];
  const bytes = Buffer.alloc(5 * heads + size);
  for (let at = 0; at < 5 * heads; at += 5) {
    bytes[at] = 0x9a;
    bytes.writeUInt32BE(bytes.length - at - 5, at + 1);
  }
  const before = process.memoryUsage().rss;
  assert.throws(() => cbor.decode(bytes), { code: "TRUNCATED" });
  assert.throws(() => cbor.canonicalise(bytes), { code: "TRUNCATED" });
  const grown = process.memoryUsage().rss - before;
  assert.ok(grown < 64 << 20, `${grown} bytes for ${bytes.length}`);
});

test("what is not enumerable is not looked at, and arrays of every length and kind are stored", () => {
  const hidden = Object.defineProperty({ a: 1 }, Symbol("s"), { value: 2 });
  assert.deepStrictEqual(back(hidden), { a: 1 });
  class List extends Array {}
  for (const length of [0, 1, 5, 99, 100, 101, 5000]) {
    const numbers = Array.from({ length }, (_, n) => n);
    assert.deepStrictEqual(back(numbers), numbers);
    assert.deepStrictEqual(back(List.from(numbers)), numbers);
    assert.deepStrictEqual(back(new Proxy(numbers, {})), numbers);
    assert.deepStrictEqual(back(Object.defineProperty([...numbers], "hidden", { value: 1 })), numbers);
  }
});

test("an array whose parts say nothing about fields is not slow to look at", () => {
  // inspect would say otherwise in a Node that shows arrays in another way, and every element would be listed.
  const shown = inspect(Array(1000).fill(1), { maxArrayLength: 0, depth: 0, customInspect: false, breakLength: Infinity });
  assert.equal(shown, "[ ... 1000 more items ]");
});

test("bytes whose buffer was transferred are no document", () => {
  const db = openMemory();
  assert.throws(() => db.collection("notes").putBytes(transferred(cbor.encode({ a: 1 }))), { code: "INVALID_ARGUMENT" });
  assert.deepEqual(cbor.encode({ a: new Uint8Array(0), b: new ArrayBuffer(0) }), cbor.encode({ a: new Uint8Array(0), b: new Uint8Array(0) }));
  db.close();
});
