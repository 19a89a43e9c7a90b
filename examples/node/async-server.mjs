// A server on one database: requests of many clients at once, a live view that follows the changes, and upkeep beside them. Nothing here
// blocks the loop.
import { createServer } from "node:http";
import { EntityNotFoundError, openAsync, patch } from "entidb";

const db = await openAsync("shop.entidb");
const items = db.collection("items");
await items.createIndex("name", { unique: true });
const ids = await Promise.all(["tea", "coffee", "cocoa"].map((name) => items.put({ name, left: 5 })));

/** Takes one piece off the shelf, or says that there is none: read and write are one transaction. */
async function sell(id, signal) {
  return db.transaction(
    async (tx) => {
      const shelf = tx.collection("items");
      const item = await shelf.get(id);
      if (item === undefined) throw new EntityNotFoundError(`no item ${id}`);
      if (item.left === 0) return { name: item.name, sold: false };
      await shelf.update(id, patch().increment("left", -1));
      return { name: item.name, sold: true, left: item.left - 1 };
    },
    { signal },
  );
}

// The live view: called by the commits, without a thread and without polling.
const sold = new Map();
const feed = await db.changes({ since: await db.position });
const following = (async () => {
  for await (const { changes } of feed) {
    for (const { document } of changes) if (document !== undefined) sold.set(document.name, 5 - document.left);
  }
})();

const server = createServer(async (request, response) => {
  // What a client that hung up asked for is not sold.
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  try {
    response.end(JSON.stringify(await sell(ids[Number(request.url.slice(1))], gone.signal)));
  } catch (error) {
    if (!response.destroyed) response.writeHead(500).end(String(error));
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address();

const answers = await Promise.all(
  Array.from({ length: 21 }, async (_, n) => (await fetch(`http://127.0.0.1:${port}/${n % 3}`)).json()).concat(db.checkpoint(), db.verify({ full: true })),
);
console.log(answers.slice(0, 21).filter((answer) => answer.sold).length, "sold,", answers.slice(0, 21).filter((answer) => !answer.sold).length, "too late");
console.log("verified:", answers.at(-1).ok);
for await (const { name, left } of items.find().orderBy("name")) console.log(`${name}: ${left} left, ${sold.get(name)} sold`);

await feed.close();
await following;
server.close();
server.closeAllConnections();
await db.close();
