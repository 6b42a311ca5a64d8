// What was not seen: where there is no alert because nobody could look.
import { features } from "./api.js";
import { h, replace } from "./dom.js";
import { number, t } from "./words.js";

const LITTLE = 0.5; // share seen below which it is said in colour

export function coverage({ names, onShow }) {
  const place = h("div", { class: "pane-body" }, h("p", { class: "empty", role: "status" }, t("app.loading")));
  fill(place, names, onShow);
  return h("div", { class: "pane" }, h("h2", {}, t("coverage.title")), h("p", { class: "about" }, t("coverage.about")), place);
}

async function fill(place, names, onShow) {
  try {
    const found = await features("coverage");
    const rows = found.map((each) => ({ ...each.properties, bbox: each.bbox ?? boxOf(each.geometry) }));
    rows.sort((one, other) => (one.share_seen ?? 0) - (other.share_seen ?? 0));
    replace(place, rows.length ? rows.map((each) => one(each, names, onShow)) : h("p", { class: "empty" }, t("coverage.none")));
  } catch (error) {
    replace(
      place,
      h("p", { class: "wrong", role: "alert" }, error.message),
      h("button", { type: "button", class: "button", onclick: () => fill(place, names, onShow) }, t("app.retry"))
    );
  }
}

function one(row, names, onShow) {
  const name = names.district(row.district);
  const missed = Math.round((1 - (row.share_seen ?? 0)) * 100);
  const bar = h("span", { class: "bar seen-bar", "aria-hidden": "true" });
  bar.style.setProperty("--share", `${100 - missed}%`);
  const percent = (value) => (value === null || value === undefined ? "–" : `${number(value * 100, 0)}%`);
  const days = row.median_days_since_clear;
  const facts = [
    ["coverage.seen", percent(row.share_seen)],
    ["coverage.monitored", percent(row.share_monitored)],
    ["coverage.days", days === null || days === undefined ? t("coverage.never") : t("coverage.days_value", { days: number(days, 0) })],
    ["coverage.scenes", row.scenes_used === undefined ? null : t("coverage.scenes_value", { used: row.scenes_used, cloudy: row.scenes_without_clear ?? 0 })],
  ];
  return h(
    "section",
    { class: "package" },
    h("h3", {}, name, h("span", { class: "quiet" }, ` ${row.week ?? ""}`)),
    h("p", { class: (row.share_seen ?? 0) < LITTLE ? "not-seen little" : "not-seen" }, t("coverage.not_seen", { percent: missed })),
    bar,
    h("dl", { class: "facts narrow" }, facts.filter(([, value]) => value).map(([key, value]) => h("div", {}, h("dt", {}, t(key)), h("dd", {}, value)))),
    row.bbox && h("button", { type: "button", class: "plain", onclick: () => onShow(row.bbox) }, t("coverage.show", { name }))
  );
}

function boxOf(geometry) {
  const points = geometry?.coordinates?.flat(Infinity) ?? [];
  if (points.length < 4) {
    return null;
  }
  const xs = points.filter((_, place) => place % 2 === 0);
  const ys = points.filter((_, place) => place % 2 === 1);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
