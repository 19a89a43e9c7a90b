/**
 * EntiDB: an embedded entity database.
 *
 * ```ts
 * import { open } from "entidb";
 * using db = open("notes.entidb");
 * const notes = db.collection<{ title: string; tags: string[] }>("notes");
 * const id = notes.put({ title: "Hello", tags: ["first"] });
 * for (const note of notes.find((note) => note.tags.contains("first"))) console.log(note.title);
 * ```
 *
 * Always: installs the native half before anything else is loaded. Does not know: what is exported; `bindings/js` does.
 */
import "./native";

export * from "../../js/lib/index";
