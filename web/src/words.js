// The language of the page: words by key, and the right half of what the server says.
import en from "./words_en.js";
import zh from "./words_zh.js";

const TABLES = { zh, en };
const KEY = "rsmonitor-language";

let current = remembered() ?? "zh";

export function language() {
  return current;
}

export function setLanguage(next) {
  current = next in TABLES ? next : "zh";
  try {
    localStorage.setItem(KEY, current);
  } catch {
    // a browser that keeps nothing still switches
  }
  document.documentElement.lang = current === "zh" ? "zh-Hans" : "en";
}

export function rememberedLanguage() {
  return remembered();
}

export function t(key, values = {}) {
  const text = TABLES[current][key];
  if (text === undefined) {
    throw new Error(`no word for ${key}`);
  }
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

// A word that may be missing from the table, such as of a code that is new.
export function word(key, otherwise) {
  return TABLES[current][key] ?? otherwise;
}

// What the server says in both languages: {zh, en}, or {name_zh, name_en} with a name.
export function said(record, name = "") {
  if (!record) {
    return "";
  }
  const prefix = name && `${name}_`;
  const other = current === "zh" ? "en" : "zh";
  return record[prefix + current] || record[prefix + other] || "";
}

export function number(value, digits = 1) {
  return Number(value).toLocaleString(current === "zh" ? "zh-CN" : "en", {
    maximumFractionDigits: digits,
  });
}

export function day(value) {
  return value ? String(value).slice(0, 10) : "";
}

function remembered() {
  const asked = new URLSearchParams(location.search).get("lang");
  if (asked in TABLES) {
    return asked;
  }
  try {
    const kept = localStorage.getItem(KEY);
    return kept in TABLES ? kept : null;
  } catch {
    return null;
  }
}
