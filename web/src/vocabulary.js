// Codes and what they are called, from the service's own tables.
import { get } from "./api.js";
import { said } from "./words.js";

export class Vocabulary {
  constructor(content) {
    this.content = content;
  }

  static async read() {
    return new Vocabulary(await get("/api/vocabulary"));
  }

  // [{code, zh, en}, ...]; a table may also come as an object by code.
  all(kind) {
    const table = this.content[kind] ?? [];
    return Array.isArray(table)
      ? table
      : Object.entries(table).map(([code, value]) => ({ code, ...value }));
  }

  said(kind, code) {
    const found = this.all(kind).find((each) => each.code === code);
    return found ? said(found) : String(code ?? "");
  }
}
