// Takes the steps of tests/conformance: the runner of Node, as the README there describes one, for both surfaces. Awaiting what is no
// promise changes nothing.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  AsyncTransaction, EntidbError, Transaction, all, any, cbor, f, idOf, not, open, openAsync, openMemory, openMemoryAsync, patch, restore,
  restoreAsync, restoreMemory, restoreMemoryAsync, validateBackup, validateBackupAsync,
} from "entidb";

import { fromJson, hex } from "./diagnostic.mjs";

/** The functions of the two surfaces. */
export const SYNC = { open, openMemory, restore, restoreMemory, validateBackup };
export const ASYNC = {
  open: openAsync, openMemory: openMemoryAsync, restore: restoreAsync, restoreMemory: restoreMemoryAsync, validateBackup: validateBackupAsync,
};

const exact = { exact: true };

const idOfNumber = (number) => BigInt(number).toString(16).padStart(32, "0");
const numberOfId = (id) => BigInt(`0x${id.replaceAll("-", "")}`).toString();
const shown = (entity) => `${numberOfId(idOf(entity))} ${hex(cbor.encode(entity))}`;
const joined = (parts, by) => (parts.length === 0 ? "empty" : parts.join(by));
const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const options = (json) => Object.fromEntries(Object.entries(fromJson(json ?? {})).map(([name, value]) => [camel(name), value]));

function condition(json) {
  const [name, ...parts] = json;
  const field = () => f(parts[0]);
  const value = (at) => fromJson(parts[at]);
  switch (name) {
    case "all":
      return all();
    case "eq":
    case "ne":
    case "lt":
    case "gt":
    case "contains":
      return field()[name](value(1));
    case "le":
      return field().lte(value(1));
    case "ge":
      return field().gte(value(1));
    case "in":
      return field().in(value(1));
    case "between":
      return field().between(value(1), value(2));
    case "exists":
      return field().exists();
    case "is_null":
      return field().isNull();
    case "starts_with":
      return field().startsWith(parts[1]);
    case "and":
      return all(...parts.map(condition));
    case "or":
      return any(...parts.map(condition));
    case "not":
      return not(condition(parts[0]));
    default:
      throw new Error(`no condition ${name}`);
  }
}

function patchOf(json) {
  const made = patch();
  for (const [verb, where, value] of json) {
    if (verb === "remove") made.remove(where);
    else made[verb](where, fromJson(value));
  }
  return made;
}

const keyOf = (json) => {
  const given = fromJson(json);
  return given instanceof Uint8Array ? { key: given } : { password: given };
};

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function report(found) {
  const fields = Object.entries(found).map(([name, value]) => [snake(name), value]);
  return fields.map(([name, value]) => `${name} ${name === "sequence" ? value : value > 0 ? "+" : "0"}`).sort().join(", ");
}

/** Changes the byte in the middle of the largest segment. */
function damage(backup) {
  const place = path.join(backup, "seg");
  const files = readdirSync(place).map((name) => path.join(place, name));
  const largest = files.reduce((a, b) => (statSync(b).size > statSync(a).size ? b : a));
  const bytes = readFileSync(largest);
  bytes[bytes.length >> 1] ^= 0xff;
  writeFileSync(largest, bytes);
}

/** A database and what the steps on it have remembered; in memory without a place. */
export class Run {
  static async begin(surface, given, place) {
    const run = new Run(surface, given, place);
    run.db = await run.open(run.options);
    return run;
  }

  constructor(surface, given, place) {
    this.surface = surface;
    this.options = options(given);
    this.place = place;
    this.transactions = new Map();
    this.savepoints = new Map();
    this.versions = new Map();
    this.commits = new Map();
    this.feeds = new Map();
  }

  open(given, place = this.place) {
    return place === undefined ? this.surface.openMemory(given) : this.surface.open(place, given);
  }

  /** The folder of a place. */
  at(name) {
    return `${this.place}-${name}`;
  }

  async end() {
    for (const transaction of this.transactions.values()) await transaction.close();
    await this.db.close();
  }

  async run(step) {
    try {
      return String((await this.step(step)) ?? "ok");
    } catch (error) {
      if (error instanceof EntidbError) return `error ${error.code}`;
      throw error;
    }
  }

  query(step) {
    const { where, order = [], limit, offset } = step.query;
    let query = this.collection(step).find(condition(where)).orderBy(...order);
    if (limit !== undefined) query = query.limit(limit);
    return offset === undefined ? query : query.offset(offset);
  }

  async answers(step) {
    const query = this.query(step);
    if (step.pages === undefined) return query.toArray();
    const found = [];
    for (let token; ; ) {
      const page = await query.after(token).page(step.pages);
      found.push(...page.entities);
      if (page.token === undefined) return found;
      token = page.token;
      assert.ok(found.length < 10_000, "the pages do not end");
    }
  }

  collection(step) {
    return this.space(step).collection(step.in, exact);
  }

  space(step) {
    return step.tx === undefined ? this.db : this.transactions.get(step.tx);
  }

  async step(step) {
    const id = step.id === undefined ? undefined : idOfNumber(step.id);
    const version = step.if === undefined ? undefined : { version: this.versions.get(step.if) };
    const notes = () => this.collection(step);
    switch (step.do) {
      case "put":
        return void (await notes().put(fromJson(step.doc), { id }));
      case "insert":
        return void (await notes().insert(fromJson(step.doc), { id }));
      case "replace":
        return notes().replace(id, fromJson(step.doc), version);
      case "update":
        return notes().update(id, patchOf(step.patch));
      case "delete":
        return notes().delete(id, version);
      case "delete_many":
        return notes().deleteMany(step.ids.map(idOfNumber));
      case "put_many":
        return void (await notes().putMany(step.docs.map(([, doc]) => fromJson(doc)), { ids: step.docs.map(([at]) => idOfNumber(at)) }));
      case "get": {
        const found = await (step.at === undefined ? notes().get(id) : notes().get(id, { at: this.commits.get(step.at) }));
        if (found !== undefined && step.remember !== undefined) this.versions.set(step.remember, found.version);
        return found === undefined ? "none" : shown(found);
      }
      case "history": {
        const versions = await notes().history(id);
        return joined(versions.map(({ entity, until }) => `${shown(entity)}${until === undefined ? "" : " ended"}`), "; ");
      }
      case "get_many":
        return joined((await notes().getMany(step.ids.map(idOfNumber))).map((found) => (found === undefined ? "none" : shown(found))), "; ");
      case "exists":
        return notes().exists(id);
      case "count":
        return notes().count();
      case "scan": {
        const after = step.after === undefined ? undefined : idOfNumber(step.after);
        return joined((await notes().scan({ after, reverse: step.reverse, limit: step.limit }).toArray()).map(shown), "; ");
      }
      case "find":
        return joined((await this.answers(step)).map(shown), "; ");
      case "find_ids": {
        const numbers = (await this.answers(step)).map((found) => BigInt(numberOfId(idOf(found))));
        return joined(numbers.sort((a, b) => (a < b ? -1 : 1)), " ");
      }
      case "find_count":
        return this.query(step).count();
      case "find_delete":
        return this.query(step).delete();
      case "explain":
        return (await this.query(step).explain()).text;
      case "create_index":
        if (step.kind !== undefined) return notes().createIndex({ kind: step.kind, name: step.name, unique: step.unique });
        return notes().createIndex(...step.fields, { name: step.name, unique: step.unique, multi: step.multi });
      case "drop_index":
        return notes().dropIndex(step.name);
      case "insert_key":
        return (await notes().manualIndex(step.index)).insert(fromJson(step.key), id);
      case "remove_key":
        return (await notes().manualIndex(step.index)).remove(fromJson(step.key), id);
      case "lookup_key":
        return joined((await (await notes().manualIndex(step.index)).lookup(fromJson(step.key))).map(numberOfId), ", ");
      case "range_keys": {
        const range = { fromOpen: step.from_open, toOpen: step.to_open, reverse: step.reverse, limit: step.limit };
        if (step.from !== undefined) range.from = fromJson(step.from);
        if (step.to !== undefined) range.to = fromJson(step.to);
        const numbers = [];
        for await (const [, at] of (await notes().manualIndex(step.index)).range(range)) numbers.push(numberOfId(at));
        return joined(numbers, ", ");
      }
      case "count_keys":
        return (await notes().manualIndex(step.index)).size;
      case "indexes":
        return joined((await notes().indexes()).map((index) => index.name), ", ");
      case "collections":
        return joined(await this.space(step).collections(), ", ");
      case "create_collection":
        return this.space(step).createCollection(step.name);
      case "drop_collection":
        return this.space(step).dropCollection(step.name);
      case "rename_collection":
        return this.space(step).renameCollection(step.from, step.to);
      case "begin":
        return void this.transactions.set(step.as, await (step.read ? this.snapshot(step) : this.db.begin({ timeoutMs: 0 })));
      case "commit": {
        const transaction = this.transactions.get(step.tx);
        if (transaction instanceof Transaction || transaction instanceof AsyncTransaction) await transaction.commit();
        else await transaction.close();
        return;
      }
      case "abort":
        return this.transactions.get(step.tx).close();
      case "savepoint":
        return void this.savepoints.set(step.as, await this.transactions.get(step.tx).savepoint());
      case "rollback":
        return this.transactions.get(step.tx).rollbackTo(this.savepoints.get(step.to));
      case "changes":
        return this.changes(step);
      case "mark":
        return void this.commits.set(step.as, this.db.lastSequence);
      case "trim":
        return this.db.trimChanges(this.commits.get(step.through));
      case "checkpoint":
      case "compact": {
        const done = await this.db[step.do]();
        return step.report === true ? report(done) : undefined;
      }
      case "collection_stats": {
        const { id: number, name, entities, indexes } = await notes().stats();
        return `${number ?? "none"} ${name} ${entities}${indexes.map(({ index, kind, rows }) => `; ${index} ${kind} ${rows}`).join("")}`;
      }
      case "key_list":
        return (await this.db.keys()).map(({ slot, kind }) => `${slot} ${kind}`).join(", ");
      case "key_add":
        return this.db.addKey(keyOf(step.key), keyOf(step.new));
      case "key_change":
        return this.db.changeKey(keyOf(step.key), keyOf(step.new));
      case "key_remove":
        return this.db.removeKey(keyOf(step.key));
      case "key_rotate":
        return this.db.rotateKey();
      case "key_rekey":
        return this.db.rekey();
      case "backup":
        return report(await this.db.backup(this.at(step.to)));
      case "validate_backup":
        return (await this.surface.validateBackup(this.at(step.from), options(step.options))).ok;
      case "restore":
        return report(await this.surface.restore(this.at(step.from), this.at(step.to), options(step.options)));
      case "restore_memory":
        await this.end();
        this.db = await this.surface.restoreMemory(this.at(step.from), options(step.options));
        return;
      case "damage":
        return damage(this.at(step.place));
      case "close":
        return this.db.close({ abort: false });
      case "reopen":
        for (const transaction of this.transactions.values()) await transaction.close();
        this.transactions.clear();
        await this.db.close();
        this.db = await this.open({ ...this.options, ...options(step.options) }, step.place === undefined ? this.place : this.at(step.place));
        return;
      case "config":
        return String(this.db.config()[camel(step.name)]);
      case "verify":
        return (await this.db.verify({ full: true })).ok;
      default:
        throw new Error(`no step ${step.do}`);
    }
  }

  snapshot({ at }) {
    return at === undefined ? this.db.snapshot() : this.db.snapshot({ at: this.commits.get(at) });
  }

  async changes({ since, before = false }) {
    if (!this.feeds.has(since)) this.feeds.set(since, await this.db.changes({ ...exact, before }));
    const commits = [];
    const feed = this.feeds.get(since);
    for (let commit = await feed.next(0); commit !== undefined; commit = await feed.next(0)) {
      const changes = commit.changes.map((change) => {
        const id = change.id === undefined ? "" : ` ${numberOfId(change.id)}`;
        const document = "document" in change ? ` ${hex(cbor.encode(change.document))}` : "";
        const old = "before" in change ? ` before ${hex(cbor.encode(change.before))}` : "";
        const key = change.kind.startsWith("key_") ? ` ${hex(cbor.encode({ index: change.name, key: change.key }))}` : "";
        return `${change.kind} ${change.collection}${id}${document}${key}${old}`;
      });
      commits.push(changes.join(" + "));
    }
    return joined(commits, " | ");
  }
}
