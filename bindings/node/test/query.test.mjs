// Indexes and queries.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Query, all, any, f, fields, idOf, idToBytes, not, openMemory } from "entidb";

function people() {
  const db = openMemory();
  const collection = db.collection("people");
  collection.putMany([
    { n: 1, name: "Ada", age: 36, tags: ["math", "first"], home: { city: "London" } },
    { n: 2, name: "Alan", age: 41, tags: ["math"], home: { city: "London" }, note: null },
    { n: 3, name: "Grace", age: 85, tags: [], home: { city: "Arlington" } },
    { n: 4, name: "Linus", age: 20, lines: [{ q: 5 }, { q: 7 }] },
    { n: 5, name: "Ümit", age: 18.5, "we.ird": 1, eq: 2 },
  ]);
  return collection;
}
const numbers = (query) => query.toArray().map((one) => one.n).sort();

const cases = [
  ["eq", f.age.eq(36), [1]],
  ["ne", f.age.ne(36), [2, 3, 4, 5]],
  ["lt", f.age.lt(20), [5]],
  ["lte", f.age.lte(20), [4, 5]],
  ["gt", f.age.gt(41), [3]],
  ["gte", f.age.gte(41), [2, 3]],
  ["in", f.age.in([20, 36, 99]), [1, 4]],
  ["between", f.age.between(20, 41), [1, 2, 4]],
  ["exists", f.note.exists(), [2]],
  ["isNull", f.note.isNull(), [2]],
  ["contains", f.tags.contains("math"), [1, 2]],
  ["startsWith", f.name.startsWith("A"), [1, 2]],
  ["startsWith of letters beyond ASCII", f.name.startsWith("Ü"), [5]],
  ["and", f.age.gte(18).and(f.age.lt(40), f.name.startsWith("A")), [1]],
  ["or", f.n.eq(1).or(f.n.eq(3)), [1, 3]],
  ["not", f.n.eq(1).not(), [2, 3, 4, 5]],
  ["not of or", not(any(f.n.eq(1), f.n.eq(2))), [3, 4, 5]],
  ["all of nothing", all(), [1, 2, 3, 4, 5]],
  ["any of nothing", any(), []],
  ["all of two", all(f.n.gt(1), f.n.lt(4)), [2, 3]],
  ["a field below a field", f.home.city.eq("London"), [1, 2]],
  ["a field with dots", f("home.city").eq("London"), [1, 2]],
  ["a position", f.lines[1].q.eq(7), [4]],
  ["a key with a dot", f["we.ird"].eq(1), [5]],
  ["a key with a dot by steps", f(["we.ird"]).eq(1), [5]],
  ["a key called like a method", f(["eq"]).eq(2), [5]],
  ["eq of a bigint", f.n.eq(3n), [3]],
];
for (const [name, condition, expected] of cases) {
  test(`find by ${name} gives the same with and without an index`, () => {
    const collection = people();
    assert.deepEqual(numbers(collection.find(condition)), expected);
    for (const field of ["age", "name", "n"]) collection.createIndex(field);
    collection.createIndex("tags", { multi: true });
    assert.deepEqual(numbers(collection.find(condition)), expected);
    assert.equal(collection.find(condition).count(), expected.length);
    assert.equal(collection.find(condition).exists(), expected.length > 0);
  });
}

test("a function is given the fields, and gives the condition", () => {
  const collection = people();
  assert.deepEqual(numbers(collection.find((one) => one.age.gt(40).and(one.home.city.eq("London")))), [2]);
  assert.deepEqual(numbers(collection.find(fields().lines[0].q.eq(5))), [4]);
  for (const wrong of [() => undefined, () => true, (one) => one.age, f, f.age, null, async () => all()]) {
    assert.throws(() => collection.find(wrong), { code: "INVALID_ARGUMENT", message: /takes conditions/ });
  }
});

test("fields may be called as members of functions and objects are", () => {
  const names = ["name", "length", "call", "apply", "bind", "arguments", "caller", "prototype", "constructor", "toString", "valueOf", "hasOwnProperty"];
  const collection = openMemory().collection("c");
  collection.put(Object.fromEntries(names.map((name, n) => [name, { [name]: n }])));
  for (const [n, name] of names.entries()) {
    assert.equal(collection.find(f[name][name].eq(n)).count(), 1, name);
    assert.equal(collection.find(f[name][name].eq(-1)).count(), 0, name);
  }
});

test("order, limit and offset", () => {
  const collection = people();
  const names = (query) => query.toArray().map((one) => one.name);
  assert.deepEqual(names(collection.find().orderBy("-age")), ["Grace", "Alan", "Ada", "Linus", "Ümit"]);
  assert.deepEqual(names(collection.find().orderBy("home.city", "-n").limit(2).offset(1)), names(collection.find().orderBy("home.city", "-n")).slice(1, 3));
  assert.equal(collection.find().orderBy("age").first().name, "Ümit");
  assert.equal(collection.find(f.n.eq(99)).first(), undefined);
  assert.equal(collection.find().limit(0).first(), undefined);
  assert.equal(collection.find().limit(0).exists(), false);
});

test("a query is a value: its methods give new ones", () => {
  const query = people().find(f.age.gt(18));
  assert.ok(query instanceof Query);
  assert.equal(query.limit(1).toArray().length, 1);
  assert.equal(query.toArray().length, 5);
  assert.equal([...query].length, 5);
});

test("pages go on where the last one ended, with an order and without", () => {
  const collection = openMemory().collection("items");
  collection.putMany(Array.from({ length: 500 }, (_, n) => ({ n, k: n % 7 })));
  for (const query of [collection.find(), collection.find().orderBy("-k", "n"), collection.find(f.k.eq(3)).orderBy("n")]) {
    const whole = query.toArray().map((one) => one.n);
    const paged = [];
    let token;
    do {
      const page = query.after(token).page(60);
      paged.push(...page.entities.map((one) => one.n));
      token = page.token;
    } while (token !== undefined);
    assert.deepEqual(paged, whole);
  }
});

function pages(query, size) {
  const answers = [];
  const sizes = [];
  for (let token; ; ) {
    const page = query.after(token).page(size);
    answers.push(...page.entities);
    sizes.push(page.entities.length);
    if (page.token === undefined) return { answers, sizes };
    token = page.token;
  }
}

test("limit and offset are of the whole answer, and a full last page has no token", () => {
  const collection = openMemory().collection("items");
  collection.putMany(Array.from({ length: 40 }, (_, n) => ({ n })));
  const query = collection.find().orderBy("n");
  assert.deepEqual(pages(query, 10).sizes, [10, 10, 10, 10]);
  assert.deepEqual(pages(query.limit(25), 10).sizes, [10, 10, 5]);
  assert.deepEqual(pages(query.offset(5), 20).answers.map((one) => one.n), Array.from({ length: 35 }, (_, n) => n + 5));
  assert.throws(() => query.limit(10).after(query.page(10).token).toArray(), { code: "PAGE_TOKEN_INVALID" });
  assert.throws(() => query.page(0), { code: "QUERY_INVALID" });
  assert.equal(query.limit(0).first(), undefined);
  assert.equal(query.limit(0).exists(), false);
});

test("conditions joined in a loop are one group", () => {
  const collection = people();
  for (const join of [(a, b) => a.or(b), (a, b) => b.or(a)]) {
    let either = f.age.eq(20);
    for (let n = 0; n < 10_000; n++) either = join(either, n % 2 === 0 ? f.age.eq(n * 100 + 85) : f.name.eq(`x${n}`));
    assert.deepEqual(numbers(collection.find(either)), [3, 4]);
  }
  let both = f.age.exists();
  for (let n = 0; n < 10_000; n++) both = both.and(f.age.ne(n));
  assert.deepEqual(numbers(collection.find(both)), [5]);
  let turned = f.age.eq(20);
  for (let n = 0; n < 1001; n++) turned = turned.not();
  assert.deepEqual(numbers(collection.find(turned)), [1, 2, 3, 5]);
});

test("a path reads back from what it prints, with integer keys and names that look like them", () => {
  const db = openMemory();
  const cases = [["m.[5]", ["m", [5]]], ["m.[-5]", ["m", [-5]]], ["m.\\[5]", ["m", "[5]"]], ["[]", [""]], ["m.\\5", ["m", "5"]]];
  cases.forEach(([written, steps], at) => {
    const collection = db.collection(`c${at}`);
    collection.createIndex(written, { unique: true });
    const document = steps.reduceRight((inner, step) => (Array.isArray(step) ? new Map([[step[0], inner]]) : { [step]: inner }), 1);
    collection.put(document);
    assert.throws(() => collection.put(document), { code: "UNIQUE_VIOLATION" });
    for (const path of [written, steps]) {
      assert.equal(collection.find(f(path).eq(1)).count(), 1, written);
      assert.equal(collection.find(f(path).eq(1)).explain().scan, false, written);
    }
    assert.deepEqual(collection.indexes()[0].columns, [written]);
  });
});

function chance(seed) {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function randomDocument(random) {
  const scalars = [null, true, 1, 2, -1, 2 ** 53, NaN, 0.5, "", "x", "xy", "é", "y".repeat(5000)];
  const value = () => scalars[random(scalars.length)];
  const fields = { n: random(6), a: random(3) === 0 ? [value(), value()] : value(), b: value() };
  return Object.fromEntries(Object.entries(fields).filter(() => random(5) > 0));
}

function randomQuery(random, collection) {
  const condition = () => {
    const field = f[["n", "a", "b"][random(3)]];
    const operand = [0, 1, 2, null, "x", "y".repeat(5000), [1], true][random(8)];
    return [field.eq(operand), field.ne(operand), field.gte(operand), field.lt(operand), field.in([0, 1, operand]), field.exists()][random(6)];
  };
  return collection.find(condition().and(condition())).orderBy(...[["n"], ["-a", "b"], ["b", "-n"]][random(3)]);
}

for (const within of [false, true]) {
  test(`random queries agree with and without indexes ${within ? "inside" : "outside"} a transaction`, () => {
    for (let seed = 0; seed < 150; seed++) {
      const db = openMemory();
      const random = chance(seed);
      const space = within ? db.begin() : db;
      const [plain, indexed] = [space.collection("plain"), space.collection("indexed")];
      indexed.createIndex(["n", "a", "-b"][random(3)], { name: "one" });
      indexed.createIndex("a", { multi: true, name: "two" });
      const put = (document) => indexed.put(document, { id: plain.put(document) });
      for (let n = random(12); n >= 0; n--) put(randomDocument(random));
      for (let round = 0; round < 5; round++) {
        const ask = seed * 100 + round;
        const wanted = randomQuery(chance(ask), plain).toArray().map((one) => String(one.id));
        const query = randomQuery(chance(ask), indexed);
        assert.deepEqual(query.toArray().map((one) => String(one.id)), wanted, `seed ${seed}`);
        assert.deepEqual(pages(query, 2).answers.map((one) => String(one.id)), wanted, `seed ${seed}`);
        if (!within) continue;
        const given = [];
        for (const one of query) {
          given.push(String(one.id));
          for (const each of [plain, indexed]) each.update(one.id, { n: 3, a: [1, 2], b: "x" });
          put({ n: 1 });
        }
        assert.deepEqual(given, wanted, `seed ${seed}: what the loop changes shows in none of its answers`);
      }
      if (within) space.abort();
      db.close();
    }
  });
}

test("the token of a cursor is that of the entity it gave last", () => {
  const collection = openMemory().collection("items");
  collection.putMany(Array.from({ length: 100 }, (_, n) => ({ n })));
  const cursor = collection.find().orderBy("n").cursor();
  assert.equal(cursor.token, undefined);
  for (let n = 0; n < 40; n++) cursor.next();
  const { token } = cursor;
  assert.equal(cursor.toArray().length, 60);
  assert.equal(cursor.token, undefined, "nothing follows the last");
  assert.equal(collection.find().orderBy("n").after(token).first().n, 40);
  assert.throws(() => collection.find().orderBy("-n").after(token).toArray(), { code: "PAGE_TOKEN_INVALID" });
  assert.throws(() => collection.find().after("rubbish").toArray(), { code: "PAGE_TOKEN_INVALID" });
});

test("delete removes the answers", () => {
  const collection = people();
  assert.equal(collection.find(f.tags.contains("math")).delete(), 2);
  assert.equal(collection.count(), 3);
});

test("explain tells of the index", () => {
  const collection = people();
  assert.equal(collection.find(f.age.gt(1)).explain().scan, true);
  collection.createIndex("age");
  const explanation = collection.find(f.age.gt(1)).explain();
  assert.deepEqual([explanation.index, explanation.scan, explanation.collection], ["age", false, "people"]);
  assert.match(explanation.text, /index age of people/);
});

test("keys of a manual index are what the program gives", () => {
  const collection = people();
  assert.equal(collection.createIndex({ kind: "manual", name: "by_phone", unique: true }), true);
  const index = collection.manualIndex("by_phone");
  const ids = collection.scan({ limit: 3 }).toArray().map(idOf);
  assert.equal(index.insert("b", ids[0]), true);
  assert.equal(index.insert("b", ids[0]), false);
  index.insert(["a", 1], ids[1]);
  index.insert(2, idToBytes(ids[2]));
  assert.deepEqual(index.lookup("b"), [ids[0]]);
  assert.deepEqual(index.lookup("c"), []);
  assert.deepEqual([...index], [[2, ids[2]], ["b", ids[0]], [["a", 1], ids[1]]]);
  assert.deepEqual([...index.range({ from: 1, to: "z" })].map(([key]) => key), [2, "b"]);
  assert.deepEqual([...index.range({ from: 2, fromOpen: true })], []);
  assert.deepEqual([...index.range({ reverse: true, limit: 2 })].map(([key]) => key), [["a", 1], "b"]);
  assert.equal(index.size, 3);
  assert.throws(() => index.insert("b", ids[1]), { code: "UNIQUE_VIOLATION", id: ids[0], index: "by_phone" });
  assert.throws(() => index.insert("d", "0".repeat(32)), { code: "ENTITY_NOT_FOUND" });
  assert.throws(() => index.range({ form: 1 }), { code: "UNKNOWN_OPTION" });
  assert.throws(() => index.range({ limit: -1 }), { code: "INVALID_ARGUMENT" });
  assert.throws(() => collection.createIndex({ kind: "manual" }), { code: "INVALID_ARGUMENT" });
  assert.throws(() => collection.createIndex({ kind: "manual", name: "x", multi: true }), { code: "UNKNOWN_OPTION" });
  assert.equal(index.remove("b", ids[0]), true);
  assert.equal(index.remove("b", ids[0]), false);
  collection.delete(ids[2]);
  assert.deepEqual([...index].map(([, id]) => id), [ids[1]]);
  collection.createIndex("age");
  assert.throws(() => collection.manualIndex("age"), { code: "INVALID_ARGUMENT" });
  assert.throws(() => collection.manualIndex("none"), { code: "INDEX_NOT_FOUND" });
  for (let number = 0; number < 1200; number++) index.insert(number, ids[0]);
  const numbers = Array.from({ length: 1200 }, (_, number) => number);
  assert.deepEqual([...index.range({ from: 0 })].map(([key]) => key), numbers);
  assert.deepEqual([...index.range({ from: 0, limit: 0 })], []);
  // A loop that changes keys behind its walk did not end.
  const rekey = (held) => {
    const seen = [];
    for (const [key, id] of held.range({ from: 0, to: 5000 })) {
      if (key < 20 || key > 1190) {
        held.remove(key, id);
        held.insert(key + 2000, id);
      }
      seen.push(key);
    }
    return seen;
  };
  assert.deepEqual(rekey(index), numbers);
  const moved = [...index.range({ from: 0, to: 5000 })].map(([key]) => key);
  assert.deepEqual(moved.length, 1200);
  const walk = index.range({ from: 0 });
  walk.next();
  walk.return();
});

test("a walk over keys in a transaction is of the state at its begin", () => {
  const db = openMemory();
  const items = db.collection("items");
  items.createIndex({ kind: "manual", name: "keys" });
  const id = items.put({});
  db.transaction((tx) => {
    const keys = tx.collection("items").manualIndex("keys");
    for (let number = 0; number < 1100; number++) keys.insert(number, id);
    let count = 0;
    for (const [key] of keys.range({ from: 0 })) {
      keys.insert(key + 10_000, id);
      count += 1;
    }
    assert.equal(count, 1100);
    assert.equal(keys.size, 2200);
  });
  const walk = items.manualIndex("keys").range();
  walk.next();
  db.close();
  assert.throws(() => [...walk], { code: "CLOSED" });
});

test("indexes are declared, listed and dropped", () => {
  const collection = people();
  assert.equal(collection.createIndex("home.city", "-age", { name: "place" }), true);
  assert.equal(collection.createIndex("home.city", "-age", { name: "place" }), false);
  assert.throws(() => collection.createIndex("name", { name: "place" }), { code: "INDEX_EXISTS", index: "place" });
  assert.deepEqual(collection.indexes(), [{ columns: ["home.city", "-age"], kind: "ordered", multi: false, name: "place", unique: false }]);
  collection.dropIndex("place");
  assert.deepEqual(collection.indexes(), []);
  assert.throws(() => collection.dropIndex("place"), { code: "INDEX_NOT_FOUND" });
});

test("a unique index names itself and the entity that is there", () => {
  const collection = people();
  collection.createIndex("name", { unique: true });
  const { id } = collection.find(f.name.eq("Ada")).first();
  assert.throws(() => collection.put({ name: "Ada" }), { code: "UNIQUE_VIOLATION", index: "name", id });
  assert.throws(() => collection.createIndex("home.city", { unique: true }), { code: "UNIQUE_VIOLATION" });
});

for (const [name, use] of [
  ["a condition that is none", (c) => c.find({ age: 1 })],
  ["and with a value", () => f.a.eq(1).and(true)],
  ["eq of undefined", () => f.a.eq(undefined)],
  ["in without an array", () => f.a.in(1)],
  ["startsWith of a number", () => f.a.startsWith(1)],
  ["a limit that is no number", (c) => c.find().limit("3")],
  ["an order that is no text", (c) => c.find().orderBy(1)],
  ["a path with an empty step", () => f("a..b")],
  ["steps that are no steps", () => f([{}])],
  ["an assignment to a field", () => { f.a.b = 1; }],
  ["a token that is no text", (c) => c.find().after(1)],
]) {
  test(`${name} is refused`, () => assert.throws(() => use(people()), { code: "INVALID_ARGUMENT" }));
}
