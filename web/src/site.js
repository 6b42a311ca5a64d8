// One alert: images, why, when, where, what people said, files.
import { get } from "./api.js";
import { compare, picture } from "./compare.js";
import { announce, copyText, h, icon, replace, tierMark } from "./dom.js";
import { timeline } from "./timeline.js";
import { verdicts } from "./verdict.js";
import { day, number, said, t, word } from "./words.js";

const M2_PER_MU = 10000 / 15;
// What the service calls a format, and what people call it.
const FORMATS = [
  ["gpx", "GPX"],
  ["kml", "KML"],
  ["kmz", "KMZ"],
  ["xlsx", "XLSX"],
  ["csv", "CSV"],
  ["geojson", "GeoJSON"],
  ["geopackage", "GeoPackage"],
  ["shapefile", "Shapefile"],
  ["txt", "TXT"],
];

export class Site {
  constructor({ vocabulary, names, session, onClose, onZoom, onStep, onChanged }) {
    Object.assign(this, { vocabulary, names, session, onClose, onZoom, onStep, onChanged });
    this.drafts = new Map();
    this.element = h("aside", {
      class: "site",
      id: "site",
      tabindex: "-1",
      hidden: true,
      onkeydown: (event) => {
        if (event.key === "Escape" && !event.target.closest("select")) {
          event.stopPropagation();
          this.onClose();
        }
      },
    });
  }

  close() {
    this.id = null;
    this.abort?.abort();
    this.element.hidden = true;
    replace(this.element);
  }

  async open(id, row, { focus = false } = {}) {
    this.abort?.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    const again = id === this.id;
    this.id = id;
    this.row = row;
    this.element.hidden = false;
    this.element.setAttribute("aria-label", t("site.label"));
    if (!again) {
      this.element.scrollTop = 0;
    }
    const scrolled = this.element.scrollTop;
    if (!again) {
      replace(this.element, this.head(row), h("p", { class: "empty", role: "status" }, t("app.loading")));
    }
    if (focus) {
      this.element.focus({ preventScroll: true });
    }
    const at = `/api/alerts/${encodeURIComponent(id)}`;
    let reading;
    try {
      reading = await get(`${at}/reading`, { signal });
    } catch (error) {
      if (error.name !== "AbortError") {
        this.fail(error);
      }
      return;
    }
    if (!this.row) {
      await this.fill(id, signal);
    }
    if (signal.aborted) {
      return;
    }
    this.draw(reading, at, signal);
    if (again) {
      this.element.scrollTop = scrolled;
    } else {
      announce(said(reading, "title"));
    }
  }

  // Opened by its address before the list has it.
  async fill(id, signal) {
    try {
      const feature = await get(`/api/collections/alerts/items/${encodeURIComponent(id)}`, { signal });
      this.row = { ...feature.properties, id: feature.id, geometry: feature.geometry };
    } catch {
      // the reading has what the panel needs
    }
  }

  fail(error) {
    const missing = error.status === 404;
    replace(
      this.element,
      this.head(null),
      h(
        "div",
        { class: "block" },
        h("p", { class: "wrong", role: "alert" }, missing ? t("site.missing") : error.message),
        !missing && h("button", { type: "button", class: "button", onclick: () => this.open(this.id, this.row) }, t("app.retry"))
      )
    );
  }

  head(row, reading) {
    const step = (by, key, name) =>
      h(
        "button",
        {
          type: "button",
          class: "tool flat",
          "aria-label": t(key),
          title: t(key),
          "data-step": by,
          onclick: () => this.onStep(by),
        },
        icon(name)
      );
    const category = row
      ? this.vocabulary.said("categories", row.category)
      : reading
        ? said(reading, "category")
        : "";
    return h(
      "header",
      { class: "site-head" },
      h(
        "div",
        { class: "site-bar" },
        h("button", { type: "button", class: "tool flat back", onclick: this.onClose, "aria-label": t("app.back"), title: t("app.back") }, icon("back")),
        h(
          "h2",
          {},
          row?.rank && h("span", { class: "rank" }, String(row.rank)),
          h("span", { class: "site-title" }, category)
        ),
        step(-1, "site.previous", "up"),
        step(1, "site.next", "down"),
        h("button", { type: "button", class: "tool flat close", onclick: this.onClose, "aria-label": t("app.close"), title: t("app.close") }, icon("close"))
      )
    );
  }

  draw(reading, at, signal) {
    const { row } = this;
    const sections = [
      ["imagery", "imagery.title", this.imagery(at, signal)],
      ["why", "why.short", this.why(reading)],
      ["timeline", "timeline.title", this.timeline(at, signal)],
      ["places", "places.title", this.places(reading)],
      ["verdict", "verdict.short", this.verdict(reading)],
      ["download", "download.title", this.downloads(at)],
    ];
    const titles = { why: "why.title", verdict: "verdict.title" };
    replace(
      this.element,
      this.head(row, reading),
      this.summary(reading, row),
      h(
        "nav",
        { class: "jumps", "aria-label": t("site.sections") },
        sections.map(([name, key]) =>
          h(
            "a",
            {
              href: `#${name}`,
              onclick: (event) => {
                event.preventDefault();
                const target = this.element.querySelector(`#${name}`);
                target.scrollIntoView({ block: "start" });
                target.focus({ preventScroll: true });
              },
            },
            t(key)
          )
        )
      ),
      sections.map(([name, key, content]) =>
        h(
          "section",
          { class: "block", id: name, tabindex: "-1", "aria-labelledby": `${name}-title` },
          h("h3", { id: `${name}-title` }, t(titles[name] ?? key)),
          content
        )
      ),
      h("p", { class: "notice" }, said(reading, "notice") || t("app.notice"))
    );
  }

  summary(reading, row) {
    const id = row?.id ?? this.id;
    const mu = reading.area_mu ?? row?.area_mu;
    const counties = (reading.counties ?? []).map((each) => {
      const name = each.name || said(each, "name");
      return name && /^\d+$/.test(each.code ?? "") ? `${name} ${each.code}` : name || each.code;
    });
    const facts = [
      ["site.tier", row && [tierMark(row.tier), " ", t(`tier.${row.tier}`)]],
      ["site.certainty", row?.certainty && word(`certainty.${row.certainty}`, row.certainty)],
      ["site.area", said(reading, "area") || (mu && t("site.area_value", { mu: number(mu, 2), m2: number(row?.area_m2 ?? mu * M2_PER_MU, 0) }))],
      ["site.state", row && this.vocabulary.said("states", row.state)],
      ["site.where", counties.length ? counties.join("、") : row && this.names.place(row)],
    ];
    return h(
      "div",
      { class: "block summary" },
      h("dl", { class: "facts" }, facts.filter(([, value]) => value).map(([key, value]) => h("div", {}, h("dt", {}, t(key)), h("dd", {}, value)))),
      h(
        "div",
        { class: "ids" },
        h("p", { class: "quiet" }, h("span", { class: "code" }, t("site.id", { id })), row?.short_name && h("span", { class: "code" }, row.short_name), row && h("span", {}, t("site.version", { version: row.version }))),
        h(
          "p",
          { class: "together" },
          h("button", { type: "button", class: "plain", onclick: () => this.onZoom(id) }, t("site.zoom")),
          this.copyButton(() => new URL(`/sites/${encodeURIComponent(id)}`, location.href).href, t("site.copy_link"), t("site.copy_link"))
        )
      )
    );
  }

  copyButton(text, label, visible = null) {
    const words = visible ?? icon("copy");
    const button = h(
      "button",
      {
        type: "button",
        class: visible ? "plain" : "tool flat",
        "aria-label": label,
        title: label,
        onclick: async () => {
          const done = await copyText(text());
          announce(t(done ? "site.copied" : "site.copy_failed"));
          replace(button, t(done ? "site.copied" : "site.copy_failed"));
          setTimeout(() => replace(button, visible ?? icon("copy")), 1600);
        },
      },
      words
    );
    return button;
  }

  later(signal, path, draw, none) {
    const place = h("div", { class: "later" }, h("p", { class: "empty", role: "status" }, t("app.loading")));
    const ask = async () => {
      try {
        const content = await get(path, { signal });
        replace(place, draw(content));
      } catch (error) {
        if (error.name === "AbortError") {
          return;
        }
        replace(
          place,
          error.status === 404
            ? h("p", { class: "empty" }, t(none))
            : [
                h("p", { class: "wrong", role: "alert" }, error.message),
                h("button", { type: "button", class: "button", onclick: ask }, t("app.retry")),
              ]
        );
      }
    };
    ask();
    return place;
  }

  imagery(at, signal) {
    return this.later(
      signal,
      `${at}/imagery`,
      (content) => {
        const of = (kind) => (content.images ?? []).find((each) => each.kind === kind);
        const [before, after, evidence] = ["before", "after", "evidence"].map(of);
        const alone = before ?? after;
        return [
          before && after
            ? compare({ before, after, geometry: this.row?.geometry })
            : alone
              ? h("figure", { class: "alone" }, picture(alone, before ? "imagery.before_on" : "imagery.after_on", "only"), h("figcaption", {}, t("imagery.only"), " ", day(alone.on)))
              : h("p", { class: "empty" }, t("imagery.none")),
          evidence &&
            h(
              "details",
              { class: "evidence" },
              h("summary", {}, t("imagery.evidence")),
              h("figure", {}, picture(evidence, "imagery.evidence", "evidence-image"), h("figcaption", { class: "quiet" }, h("span", {}, said(evidence, "label")), legend(content.legend)))
            ),
          h(
            "details",
            { class: "scenes" },
            h("summary", {}, t("imagery.scenes")),
            h(
              "ul",
              {},
              [...new Set((content.images ?? []).flatMap((each) => each.scenes ?? []))].map((scene) => h("li", { class: "code" }, scene))
            )
          ),
        ];
      },
      "imagery.none"
    );
  }

  why(reading) {
    const causes = [...(reading.causes ?? [])].sort((one, other) => other.probability - one.probability);
    const decided = reading.decided_by ?? [];
    const trace = reading.trace ?? [];
    const laws = trace.filter((each) => each.rule === "basis"); // long, and the same for many
    const steps = trace.filter((each) => each.rule !== "basis");
    const lookFor = said(reading, "look_for");
    const dates = reading.dates ?? {};
    const row = this.row ?? {};
    const value = (name) => day(dates[name] ?? row[name]);
    const began = [value("began_after"), value("began_by")];
    const times = [
      ["dates.began", said(dates, "began") || (began[0] && began[1] && t("dates.began_value", { after: began[0], by: began[1] }))],
      ["dates.first_seen", value("first_seen")],
      ["dates.confirmed", value("confirmed") || t("dates.not_yet")],
      ["dates.last_seen", value("last_seen")],
      ["dates.last_clear", value("last_clear")],
      ["dates.week_said", row.week_said],
    ];
    return [
      h("ol", { class: "trace" }, steps.map((each) => h("li", {}, said(each)))),
      laws.length > 0 && h("details", {}, h("summary", {}, t("why.laws")), laws.map((each) => h("p", { class: "laws" }, said(each)))),
      causes.length > 0 && [
        h("h4", {}, t("why.causes")),
        h(
          "ul",
          { class: "causes" },
          causes.map((each) => {
            const bar = h("span", { class: "bar", "aria-hidden": "true" });
            bar.style.setProperty("--share", `${Math.round(each.probability * 100)}%`);
            return h("li", {}, h("span", {}, said(each)), bar, h("span", { class: "share" }, `${number(each.probability * 100, 0)}%`));
          })
        ),
      ],
      decided.length > 0 && [h("h4", {}, t("why.decided")), h("ul", { class: "plain-list" }, decided.map((each) => h("li", {}, said(each))))],
      h("h4", {}, t("dates.title")),
      h("dl", { class: "facts narrow" }, times.filter(([, text]) => text).map(([key, text]) => h("div", {}, h("dt", {}, t(key)), h("dd", {}, text)))),
      lookFor && [h("h4", {}, t("why.look_for")), h("p", {}, lookFor)],
    ];
  }

  timeline(at, signal) {
    return this.later(signal, `${at}/timeline`, timeline, "timeline.none");
  }

  places(reading) {
    return h(
      "dl",
      { class: "places" },
      (reading.coordinates ?? []).map(({ label, value, ...more }) => {
        const name = said(more, "label") || label;
        return h("div", {}, h("dt", {}, name), h("dd", {}, h("span", { class: "code" }, value), this.copyButton(() => value, t("site.copy", { label: name }))));
      })
    );
  }

  // The one part that changed; images and charts stay, and so does one's place.
  async renewVerdicts(id, message = "") {
    let reading;
    try {
      reading = await get(`/api/alerts/${encodeURIComponent(id)}/reading`);
    } catch (error) {
      if (error.status === 404) {
        await this.leave(id, message); // of special use, or moved out of one's areas
        return;
      }
      throw error;
    }
    const section = this.element.querySelector("#verdict");
    if (this.id !== id || !section) {
      return;
    }
    replace(section, section.querySelector("h3"), this.verdict(reading, message));
    section.scrollIntoView({ block: "start" });
    section.focus({ preventScroll: true });
  }

  // An alert that may not be shown any more goes from panel, list and map.
  async leave(id, message) {
    if (this.id === id) {
      this.abort?.abort();
      replace(
        this.element,
        this.head(null),
        h("div", { class: "block" }, h("p", { class: message ? "done" : "wrong", role: "status" }, message || t("site.missing")))
      );
    }
    await this.onChanged(id);
  }

  verdict(reading, message = "") {
    const { id, row } = this;
    if (!this.drafts.has(id)) {
      this.drafts.set(id, {});
    }
    return [
      message && h("p", { class: "done", role: "status" }, message),
      verdicts({
        reading,
        id,
        version: reading.version ?? row?.version,
        vocabulary: this.vocabulary,
        session: this.session,
        draft: this.drafts.get(id),
        onReload: async () => {
          await this.onChanged(id);
          this.row = this.names.row(id) ?? this.row;
          await this.renewVerdicts(id);
        },
        onSent: (text) => this.renewVerdicts(id, text),
      }),
    ];
  }

  downloads(at) {
    return h(
      "ul",
      { class: "downloads" },
      FORMATS.map(([format, name]) =>
        h(
          "li",
          {},
          h(
            "a",
            { href: `${at}/download/${format}`, download: true },
            icon("download"),
            h("strong", {}, name, " "),
            h("span", { class: "quiet" }, t(`download.${format}`))
          )
        )
      )
    );
  }
}

function legend(content) {
  if (!content) {
    return "";
  }
  if (content.oldest && content.newest) {
    const shade = ({ on, colour }) => {
      const mark = h("span", { class: "swatch solid", "aria-hidden": "true" });
      mark.style.setProperty("--swatch", colour);
      return h("span", { class: "legend-row" }, mark, day(on));
    };
    return [shade(content.oldest), shade(content.newest), h("span", {}, said(content, "unseen"))];
  }
  if (typeof content === "string") {
    return content;
  }
  if (Array.isArray(content)) {
    return content.map((each) => (typeof each === "string" ? each : said(each) || said(each, "label"))).join(" · ");
  }
  return said(content) || said(content, "label");
}
