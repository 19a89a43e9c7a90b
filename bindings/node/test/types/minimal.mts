// Compiles with nothing but the library of ES2022: no types of Node, no `esnext.disposable`. Not run.
import {
  type AsyncDatabase, type ChangeBatch, type Entity, EntidbError, type Id, UniqueViolationError, cbor, f, open, openAsync, openMemory,
} from "entidb";

interface User {
  name: string;
  call: string;
}

const db = open("users");
const users = db.collection<User>("users");
const id: Id = users.put({ name: "Ada", call: "a" });
const user: Entity<User> | undefined = users.get(id);
users.find(f.name.eq(user?.name).and(f.call.eq("a"), f.length.gt(1), f.other.name.eq(1))).orderBy("name").page(5).token?.length;
for (const each of users) each.version.toFixed();
db.transaction((tx) => tx.collection<User>("users").delete(id));
const feed = db.changes();
const batch: ChangeBatch | undefined = feed.next(0);
batch?.changes[0]?.document?.["name"];
db[Symbol.dispose]();
const bytes: Uint8Array = cbor.encode({ a: 1 });
try {
  openMemory().collection("x").putBytes(bytes);
} catch (error) {
  if (error instanceof UniqueViolationError) error.index;
  if (error instanceof EntidbError) error.code;
}
async function promises(): Promise<void> {
  const later: AsyncDatabase = await openAsync("users");
  const own = later.collection<User>("users");
  const found: Entity<User> | undefined = await own.get(await own.put({ name: "Ada", call: "a" }));
  for await (const each of own.find(f.name.eq(found?.name))) each.version.toFixed();
  const given: number = await later.transaction(async (tx) => tx.collection<User>("users").count());
  for await (const { changes } of await later.changes()) changes.length.toFixed(given);
  await later[Symbol.asyncDispose]();
}
void promises;
