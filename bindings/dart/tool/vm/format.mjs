// Compares Dart files with what the formatter makes of them; `--write` writes them.
import { readFileSync, writeFileSync } from "node:fs";
import { format } from "@wasm-fmt/dart_fmt";

const write = process.argv.includes("--write");
const wrong = [];
for (const file of process.argv.slice(2).filter((argument) => argument !== "--write")) {
  const text = readFileSync(file, "utf8");
  const formatted = format(text, file, { line_width: 120, language_version: "3.7.0" });
  if (formatted === text) continue;
  wrong.push(file);
  if (write) writeFileSync(file, formatted);
}
if (wrong.length > 0 && !write) {
  console.error(`not formatted: ${wrong.join(", ")}\nrun: node bindings/dart/tool/vm/format.mjs --write FILES`);
  process.exit(1);
}
