// What each look showed of one place: its area as steps, its greenness as points, the
// phases of its life behind them and what people did as marks.
import { h, svg } from "./dom.js";
import { day, number, said, t } from "./words.js";

const WIDTH = 400;
const LEFT = 38;
const RIGHT = 10;
const AREA = { top: 20, height: 78 };
const GREEN = { top: 122, height: 62 };
const AXIS = GREEN.top + GREEN.height;
const HEIGHT = AXIS + 24;
const M2_PER_MU = 10000 / 15;
const DAY_MS = 86400000;

export function timeline(content) {
  const looks = (content.looks ?? []).filter((each) => each.on);
  if (!looks.length) {
    return h("p", { class: "empty" }, t("timeline.none"));
  }
  return h(
    "div",
    { class: "timeline" },
    drawing(looks, content),
    h(
      "p",
      { class: "quiet" },
      said(content, "words") ||
        (content.last_clear && t("timeline.last_clear", { date: day(content.last_clear) }))
    ),
    events(content.events ?? []),
    table(looks)
  );
}

function drawing(looks, { phases = [], events: happened = [], ...content }) {
  const times = [
    ...looks.map((each) => ms(each.on)),
    ...happened.map((each) => ms(each.at)).filter((at) => at <= ms(looks.at(-1).on) + 400 * DAY_MS),
  ];
  const begin = Math.min(...times);
  const end = Math.max(...times, begin + DAY_MS);
  const x = (at) => LEFT + ((Math.min(Math.max(at, begin), end) - begin) / (end - begin)) * (WIDTH - LEFT - RIGHT);

  const sized = looks.filter((each) => each.area_m2 !== null && each.area_m2 !== undefined);
  const most = Math.max(...sized.map((each) => each.area_m2 / M2_PER_MU), 0.1);
  const top = nice(most);
  const yArea = (mu) => AREA.top + AREA.height * (1 - mu / top);
  let steps = "";
  let last = null;
  for (const each of sized) {
    const [px, py] = [x(ms(each.on)), yArea(each.area_m2 / M2_PER_MU)];
    steps += last === null ? `M${px} ${py}` : `H${px}V${py}`;
    last = px;
  }
  const filled = sized.length && `${steps}V${yArea(0)}H${x(ms(sized[0].on))}Z`;

  const green = looks.filter((each) => each.greenness !== null && each.greenness !== undefined);
  const low = Math.min(0, ...green.map((each) => each.greenness));
  const yGreen = (value) => GREEN.top + GREEN.height * (1 - (value - low) / (1 - low));

  const spans = phases.map((each, place) => {
    const from = x(ms(each.begin));
    const to = each.end ? x(ms(each.end)) : x(end);
    return svg(
      "g",
      {},
      svg("rect", {
        x: from,
        y: AREA.top - 14,
        width: Math.max(to - from, 1),
        height: AXIS - AREA.top + 14,
        class: place % 2 ? "phase odd" : "phase",
      }),
      to - from > 34 && svg("text", { x: from + 3, y: AREA.top - 4, class: "phase-name" }, clipped(said(each, "label"), to - from)),
      svg("title", {}, `${said(each, "label")} ${day(each.begin)} – ${day(each.end)}`)
    );
  });
  return svg(
    "svg",
    { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": said(content, "words") || t("timeline.title") },
    spans,
    yAxis(AREA, [0, top], yArea, t("timeline.area"), (value) => number(value)),
    yAxis(GREEN, [0, 0.5, 1], yGreen, t("timeline.greenness"), (value) => number(value)),
    xAxis(begin, end, x),
    filled && svg("path", { d: filled, class: "area-fill" }),
    sized.length && svg("path", { d: steps, class: "area-line" }),
    green.map((each) =>
      svg(
        "circle",
        { cx: x(ms(each.on)), cy: yGreen(each.greenness), r: 2, class: "green" },
        svg("title", {}, `${day(each.on)} NDVI ${number(each.greenness, 2)}`)
      )
    ),
    happened
      .filter((each) => ms(each.at) >= begin && ms(each.at) <= end)
      .map((each) =>
        svg(
          "path",
          { d: `M${x(ms(each.at))} ${AREA.top - 14}V${AXIS}`, class: "event" },
          svg("title", {}, `${said(each, "label")} ${day(each.at)}`)
        )
      )
  );
}

function yAxis({ top }, values, y, title, write) {
  return svg(
    "g",
    { class: "axis" },
    svg("text", { x: LEFT, y: top === AREA.top ? top - 4 : top - 6, class: top === AREA.top ? "unseen-title" : "axis-title" }, title),
    values.map((value) => [
      svg("path", { d: `M${LEFT} ${y(value)}H${WIDTH - RIGHT}` }),
      svg("text", { x: LEFT - 5, y: y(value) + 3.5, "text-anchor": "end" }, write(value)),
    ])
  );
}

function xAxis(begin, end, x) {
  const years = [];
  const months = (end - begin) / (30 * DAY_MS);
  const step = months > 60 ? 12 : months > 24 ? 6 : months > 9 ? 3 : 1;
  const from = new Date(begin);
  for (let month = 0; ; month += step) {
    const at = Date.UTC(from.getUTCFullYear(), month, 1);
    if (at > end) {
      break;
    }
    if (at >= begin) {
      years.push([at, new Date(at).toISOString().slice(0, 7)]);
    }
  }
  return svg(
    "g",
    { class: "axis" },
    years.map(([at, label]) => {
      const px = x(at);
      return [
        svg("path", { d: `M${px} ${AXIS}v4` }),
        px < WIDTH - 24 && svg("text", { x: px, y: AXIS + 16, "text-anchor": "middle" }, label),
      ];
    })
  );
}

function events(happened) {
  return (
    happened.length > 0 &&
    h(
      "ul",
      { class: "events" },
      happened.slice(-12).map((each) => h("li", {}, h("span", { class: "date" }, day(each.at)), said(each, "label")))
    )
  );
}

function table(looks) {
  const head = ["timeline.date", "timeline.area", "timeline.greenness", "timeline.clear"];
  const shown = (value, write) => (value === null || value === undefined ? "–" : write(value));
  const details = h("details", { class: "table-details" }, h("summary", {}, t("timeline.table")));
  details.addEventListener(
    "toggle",
    () => {
      if (details.open && !details.querySelector("table")) {
        details.append(
          h(
            "div",
            { class: "table-scroll", tabindex: "0" },
            h(
              "table",
              {},
              h("thead", {}, h("tr", {}, head.map((each) => h("th", { scope: "col" }, t(each))))),
              h(
                "tbody",
                {},
                [...looks].reverse().map((each) =>
                  h(
                    "tr",
                    {},
                    h("td", {}, day(each.on)),
                    h("td", {}, shown(each.area_m2, (value) => number(value / M2_PER_MU))),
                    h("td", {}, shown(each.greenness, (value) => number(value, 2))),
                    h("td", {}, shown(each.clear_share, (value) => `${number(value * 100, 0)}%`))
                  )
                )
              )
            )
          )
        );
      }
    }
  );
  return details;
}

function ms(value) {
  return Date.parse(value);
}

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((each) => each * power).find((each) => each >= value);
}

function clipped(text, width) {
  const most = Math.floor(width / (/[\u4e00-\u9fff]/.test(text) ? 11 : 6));
  return text.length > most ? `${text.slice(0, Math.max(most - 1, 1))}…` : text;
}
