// A small social network: people, who follows whom, and a wall read page by page.
import { EntityId, UniqueViolationError, f, open, patch } from "entidb";

const db = open("social.entidb");
const people = db.collection("people");
const follows = db.collection("follows");
const posts = db.collection("posts");
people.createIndex("handle", { unique: true });
follows.createIndex("who", "whom", { unique: true });
follows.createIndex("whom");
posts.createIndex("author", "-at");

const [ada, alan, grace] = people.putMany([
  { handle: "ada", name: "Ada Lovelace", followers: 0 },
  { handle: "alan", name: "Alan Turing", followers: 0 },
  { handle: "grace", name: "Grace Hopper", followers: 0 },
]);

// An edge and a counter change together, or not at all.
function follow(who, whom) {
  db.transaction((tx) => {
    tx.collection("follows").put({ who: new EntityId(who), whom: new EntityId(whom), since: new Date() });
    tx.collection("people").update(whom, patch().increment("followers"));
  });
}
follow(ada, grace);
follow(alan, grace);
follow(grace, ada);
try {
  follow(ada, grace);
  throw new Error("the same edge was stored twice");
} catch (error) {
  if (!(error instanceof UniqueViolationError)) throw error;
  console.log("already there:", error.index);
}
console.log("followers of Grace:", people.get(grace).followers);

for (let n = 0; n < 25; n++) {
  posts.put({ author: new EntityId(n % 2 ? ada : grace), text: `post ${n}`, at: new Date(Date.UTC(2026, 0, 1) + n * 60_000) });
}

// Who two people both follow: one read of the database as it is now, whatever is written meanwhile.
const snapshot = db.snapshot();
const followed = (who) => snapshot.collection("follows").find(f.who.eq(new EntityId(who))).toArray().map((edge) => edge.whom.id);
const both = followed(ada).filter((id) => followed(alan).includes(id));
console.log("Ada and Alan both follow", snapshot.collection("people").getMany(both).map((person) => person.name).join());
snapshot.close();

// The wall of Grace, ten at a time. A token is text: it may travel through a web page and come back.
const wall = posts.find(f.author.eq(new EntityId(grace))).orderBy("-at");
let token;
let seen = 0;
do {
  const page = wall.after(token).page(10);
  seen += page.entities.length;
  token = page.token;
} while (token !== undefined);
console.log(`${seen} posts of Grace, found by ${wall.explain().index}`);
if (seen !== 13) throw new Error(`13 posts were written, ${seen} found`);

const readUntil = db.position;
people.update(ada, patch().increment("followers", 1));
for (const batch of db.changes({ since: readUntil })) {
  console.log("last change:", batch.changes.map((change) => `${change.kind} in ${change.collection}`).join());
}
db.close();
