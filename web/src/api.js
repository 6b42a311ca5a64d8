// What the page asks of its own service, and of nothing else.
import { t } from "./words.js";

let csrf = null;

// What went wrong, in words for people.
export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export function keepCsrf(token) {
  csrf = token;
}

export async function get(path, { signal } = {}) {
  return (await ask("GET", path, { signal })).json();
}

export async function send(method, path, body) {
  const answer = await ask(method, path, {
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: {
      ...(csrf ? { "X-CSRF-Token": csrf } : {}),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
  });
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

async function ask(method, path, { signal, body, headers = {} }) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      body,
      headers: { Accept: "application/json, application/geo+json", ...headers },
      credentials: "same-origin",
      redirect: "error",
    });
  } catch (error) {
    if (error.name === "AbortError") {
      throw error;
    }
    throw new Problem(0, t("app.offline"));
  }
  if (!answer.ok) {
    throw await problem(answer);
  }
  return answer;
}

async function problem(answer) {
  if (answer.status === 401) {
    return new Problem(401, t("app.signed_out"));
  }
  let detail = "";
  try {
    const content = await answer.json();
    detail =
      typeof content.detail === "string" ? content.detail : String(content.title ?? "");
  } catch {
    // not JSON: the status says enough
  }
  return new Problem(answer.status, detail || t("app.failed", { status: answer.status }));
}

// Alerts in small rows, page by page, each page given to `onPage` as it comes. A service
// without the small list is asked for its features instead.
export async function eachAlert(onPage, { signal } = {}) {
  let token = null;
  let path = "/api/alerts";
  for (let pages = 0; pages < 200; pages += 1) {
    const query = new URLSearchParams({ limit: path === "/api/alerts" ? "500" : "100" });
    if (token) {
      query.set("token", token);
    }
    let answer;
    try {
      answer = await get(`${path}?${query}`, { signal });
    } catch (error) {
      if (error.status === 404 && path === "/api/alerts") {
        path = "/api/collections/alerts/items";
        continue;
      }
      throw error;
    }
    const rows = answer.alerts ?? answer.features.map(row);
    const next = answer.alerts ? answer.next : nextToken(answer.links);
    onPage(rows, answer.numberMatched, !next);
    if (!next) {
      return;
    }
    token = next;
  }
}

function row(feature) {
  return { ...feature.properties, id: feature.id, geometry: feature.geometry };
}

function nextToken(links) {
  const next = (links ?? []).find((link) => link.rel === "next");
  return next ? new URL(next.href, location.href).searchParams.get("token") : null;
}

// All features of a collection.
export async function features(collection, { signal } = {}) {
  const found = [];
  let token = null;
  do {
    const query = new URLSearchParams({ limit: "1000" });
    if (token) {
      query.set("token", token);
    }
    const answer = await get(`/api/collections/${collection}/items?${query}`, { signal });
    found.push(...answer.features);
    token = nextToken(answer.links);
  } while (token);
  return found;
}
