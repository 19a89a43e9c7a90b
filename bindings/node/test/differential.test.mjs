// Random questions to random collections: with indexes, without, and of a plain model of what docs/spec/query.md says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { all, any, f, not, openMemory } from "entidb";

const FIELDS = ["a", "b", "c", "d.e", "l.0"];
const SEEDS = process.env.ENTIDB_TIER === "full" ? 20_000 : 150;
const first = Number(process.env.ENTIDB_SEED ?? Date.now() % 2 ** 31);

/** Numbers below a bound, the same ones for a seed (mulberry32). */
function randomOf(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const SCALARS = [null, true, false, 0, -0, 1, 2, 3, 1.5, -7, 2 ** 53, 1e300, "", "a", "ab", "b", "é", "\u{1f600}", "\uffff"];

function scalarOf(random) {
  return SCALARS[random(SCALARS.length)];
}

function valueOf(random) {
  return random(4) === 0 ? Array.from({ length: random(4) }, () => (random(6) === 0 ? [scalarOf(random)] : scalarOf(random))) : scalarOf(random);
}

function documentOf(random) {
  const document = {};
  for (const name of ["a", "b", "c"]) if (random(5) !== 0) document[name] = valueOf(random);
  if (random(3) !== 0) document.d = random(5) === 0 ? valueOf(random) : { e: valueOf(random) };
  if (random(3) !== 0) document.l = random(5) === 0 ? valueOf(random) : [valueOf(random), scalarOf(random)];
  return document;
}

/** What stands at a path; undefined when nothing does. */
function at(document, path) {
  let value = document;
  for (const step of path.split(".")) {
    const isPosition = /^\d+$/.test(step);
    if (value === null || typeof value !== "object" || Array.isArray(value) !== isPosition) return undefined;
    value = Object.hasOwn(value, step) ? value[step] : undefined;
  }
  return value;
}

const CLASSES = { undefined: 0, null: 1, boolean: 2, number: 3, string: 4, array: 5, object: 6 };
const classOf = (value) => CLASSES[value === null ? "null" : Array.isArray(value) ? "array" : typeof value];

/** The order of all values; two of different classes never meet in a condition. */
function compare(a, b) {
  const apart = classOf(a) - classOf(b);
  if (apart !== 0) return apart;
  switch (typeof a) {
    case "boolean":
      return Number(a) - Number(b);
    case "number":
      return a === b ? 0 : a < b ? -1 : 1;
    case "string":
      return Buffer.compare(Buffer.from(a), Buffer.from(b));
    default:
      break;
  }
  if (!Array.isArray(a)) return 0;
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compare(a[i], b[i]);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Whether a test holds for a value or, where that is an array, for one of its elements. */
const some = (value, holds) => value !== undefined && (holds(value) || (Array.isArray(value) && value.some(holds)));
const within = (holds) => (value, operand) => classOf(value) === classOf(operand) && holds(compare(value, operand));
const TESTS = {
  eq: within((order) => order === 0),
  lt: within((order) => order < 0),
  lte: within((order) => order <= 0),
  gt: within((order) => order > 0),
  gte: within((order) => order >= 0),
};

/** A condition: as the library takes it, and as the model judges it. */
function conditionOf(random, depth) {
  if (depth > 0 && random(2) === 0) {
    const parts = Array.from({ length: 1 + random(3) }, () => conditionOf(random, depth - 1));
    const [said, judged] = [parts.map((part) => part[0]), parts.map((part) => part[1])];
    switch (random(3)) {
      case 0:
        return [all(...said), (document) => judged.every((holds) => holds(document))];
      case 1:
        return [any(...said), (document) => judged.some((holds) => holds(document))];
      default:
        return [not(said[0]), (document) => !judged[0](document)];
    }
  }
  const path = FIELDS[random(FIELDS.length)];
  const field = f(path);
  const [one, two] = [valueOf(random), valueOf(random)];
  switch (random(9)) {
    case 0:
      return [field.exists(), (document) => at(document, path) !== undefined];
    case 1:
      return [field.isNull(), (document) => at(document, path) === null];
    case 2: {
      const scalar = scalarOf(random);
      return [field.contains(scalar), (document) => Array.isArray(at(document, path)) && at(document, path).some((part) => TESTS.eq(part, scalar))];
    }
    case 3: {
      const prefix = ["", "a", "é"][random(3)];
      return [field.startsWith(prefix), (document) => some(at(document, path), (value) => typeof value === "string" && value.startsWith(prefix))];
    }
    case 4: {
      const values = Array.from({ length: random(4) }, () => valueOf(random));
      return [field.in(values), (document) => some(at(document, path), (value) => values.some((operand) => TESTS.eq(value, operand)))];
    }
    case 5:
      return [field.between(one, two), (document) => some(at(document, path), (value) => TESTS.gte(value, one) && TESTS.lte(value, two))];
    case 6:
      return [field.ne(one), (document) => !some(at(document, path), (value) => TESTS.eq(value, one))];
    default: {
      const name = Object.keys(TESTS)[random(5)];
      return [field[name](one), (document) => some(at(document, path), (value) => TESTS[name](value, one))];
    }
  }
}

function orderOf(random) {
  const count = random(3);
  const chosen = FIELDS.slice().sort(() => random(3) - 1).slice(0, count);
  return chosen.map((path) => [path, random(2) === 0]);
}

/** The answers in their order: ties as the entities were made, the other way round when the last field descends. */
function answersOf(model, holds, order) {
  const found = model.filter(({ document }) => holds(document));
  if (order.length === 0) return found;
  const direction = order.at(-1)[1] ? -1 : 1;
  return found.sort((one, other) => {
    for (const [path, descending] of order) {
      const apart = compare(at(one.document, path), at(other.document, path));
      if (apart !== 0) return descending ? -apart : apart;
    }
    return direction * (one.ordinal - other.ordinal);
  });
}

const idsOf = (found) => found.map((entity) => entity.id);

function ask(space, model, random, label) {
  const [condition, holds] = conditionOf(random, 2);
  const order = orderOf(random);
  const query = space.find(condition).orderBy(...order.map(([path, descending]) => (descending ? "-" : "") + path));
  const expected = idsOf(answersOf(model, holds, order));
  const same = (got, wanted, what) => {
    if (order.length === 0) assert.deepEqual([...got].sort(), [...wanted].sort(), `${label}: ${what}`);
    else assert.deepEqual(got, wanted, `${label}: ${what}`);
  };
  same(idsOf(query.toArray()), expected, `answers, ${query.explain().text}`);
  assert.equal(query.count(), expected.length, `${label}: count`);
  assert.equal(query.exists(), expected.length > 0, `${label}: exists`);
  if (order.length > 0) {
    const [offset, limit] = [random(4), random(6)];
    same(idsOf(query.offset(offset).limit(limit).toArray()), expected.slice(offset, offset + limit), "a part");
  }
  const size = 1 + random(5);
  const paged = [];
  let token;
  do {
    const page = query.after(token).page(size);
    paged.push(...idsOf(page.entities));
    token = page.token;
    assert.ok(paged.length <= expected.length, `${label}: the pages give too much`);
  } while (token !== undefined);
  same(paged, expected, "pages");
  return [query, expected, same];
}

test(`${SEEDS} random collections answer as the model does, with and without indexes`, () => {
  for (let seed = first; seed < first + SEEDS; seed++) {
    const label = `ENTIDB_SEED=${seed}`;
    const random = randomOf(seed);
    const db = openMemory({ durability: "none" });
    const things = db.collection("things");
    let ordinal = 0;
    const put = () => {
      const document = documentOf(random);
      return { id: things.put(document), document, ordinal: ordinal++ };
    };
    let model = Array.from({ length: 1 + random(25) }, put);
    const shuffle = () => {
      for (const entry of model) {
        if (random(4) === 0) things.replace(entry.id, (entry.document = documentOf(random)));
      }
      model = model.filter(({ id }) => random(6) !== 0 || !things.delete(id));
      if (random(2) === 0) model.push(put());
    };
    for (let n = 0; n < 4; n++) ask(things, model, random, `${label}, scan`);
    for (const path of FIELDS) {
      if (random(2) === 0) things.createIndex(path, { name: path, multi: random(2) === 0 });
    }
    if (random(2) === 0) things.createIndex("a", "-b");
    for (let n = 0; n < 6; n++) ask(things, model, random, `${label}, indexed`);
    shuffle();
    for (let n = 0; n < 4; n++) ask(things, model, random, `${label}, changed`);
    // A query in a transaction sees it as it was, whatever the loop does.
    db.transaction((tx) => {
      const inside = tx.collection("things");
      const [query, expected, same] = ask(inside, model, random, `${label}, transaction`);
      const given = [];
      for (const entity of query) {
        given.push(entity.id);
        if (random(2) === 0) inside.replace(entity.id, documentOf(random));
        else if (random(3) === 0) inside.put(documentOf(random));
        assert.ok(given.length <= expected.length, `${label}: the loop does not end`);
      }
      same(given, expected, "changes in a loop");
      tx.abort();
    });
    db.close();
  }
});
