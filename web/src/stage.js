// The map with its buttons, legend and words.
import { announce, h, icon, replace } from "./dom.js";
import { TIER_COLOURS } from "./tiers.js";
import { day, number, said, t } from "./words.js";

export class Stage {
  constructor({ palette, vocabulary, onSelect, onBigger }) {
    this.vocabulary = vocabulary;
    this.palette = palette;
    this.onBigger = onBigger;
    this.colourBy = "tier";
    this.shown = { background: true, licences: true, districts: true };
    this.on = null;
    this.kinds = new Set();
    this.tiersAndCategories = [];
    this.canvas = h("div", { class: "map", id: "map", tabindex: "0", role: "application" });
    this.tools = h("div", { class: "tools" });
    this.legend = h("div", { class: "legend-place" });
    this.message = h("p", { class: "map-message", role: "status" });
    this.credit = h("p", { class: "credit" });
    this.element = h(
      "section",
      { class: "stage" },
      this.canvas,
      this.tools,
      this.legend,
      this.message,
      this.credit
    );
    this.onSelect = onSelect;
    this.selected = null;
    this.visible = null;
    this.map = null;
    this.relabel();
  }

  // Loads what draws, which is most of the page's bytes: on a slow line the list is there
  // long before.
  async start() {
    const { SiteMap } = await import("./map.js");
    this.map = new SiteMap(this.canvas, {
      palette: this.palette,
      onSelect: this.onSelect,
      describe: (feature) => this.describe(feature),
    });
    this.map.setVisible(this.visible);
    this.measure();
  }

  describe(feature) {
    const row = feature.get("row");
    if (row) {
      return `${row.rank} · ${this.vocabulary.said("categories", row.category)} · ${t("list.mu", { area: number(row.area_mu) })}`;
    }
    const kind = said(this.palette.kinds[feature.get("kind")]) || feature.get("kind");
    const span = [feature.get("valid_from"), feature.get("valid_to")].map(day);
    return [
      feature.get("licence_id"),
      kind,
      feature.get("holder"),
      span.some(Boolean) && `${span[0] || "…"} – ${span[1] || "…"}`,
    ]
      .filter(Boolean)
      .join(" · ");
  }

  setBackgrounds(found) {
    this.on = found.map((each) => day(each.on)).filter(Boolean).sort().at(-1) ?? null;
    this.map.setBackgrounds(found, (what) => this.say(t("map.failed", { what })));
    this.relabel();
  }

  setLicences(found) {
    this.kinds = new Set(found.map((each) => each.properties.kind));
    this.map.setLicences(found);
    this.relabel();
  }

  setAlerts(rows) {
    this.map?.setAlerts(rows);
    this.categories = [...new Set(rows.map((each) => each.category))];
    this.tiers = ["high", "medium", "low"].filter((tier) =>
      rows.some((each) => each.tier === tier)
    );
    this.relabel();
  }

  setVisible(ids) {
    this.visible = ids;
    this.map?.setVisible(ids);
    this.canvas.dataset.shown = String(ids.size);
  }

  say(text, { seconds = 8 } = {}) {
    this.message.textContent = text;
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.message.textContent = "";
    }, seconds * 1000);
  }

  relabel() {
    this.canvas.setAttribute("aria-label", t("map.label"));
    replace(
      this.tools,
      this.tool("plus", "map.in", () => this.map?.zoomBy(1)),
      this.tool("minus", "map.out", () => this.map?.zoomBy(-1)),
      this.tool("fit", "map.fit", () => this.map?.fitAll()),
      navigator.geolocation && this.tool("locate", "map.locate", () => this.locate())
    );
    this.credit.textContent = t("app.attribution");
    const open = this.legend.querySelector("details")?.open ?? innerWidth > 1240;
    replace(this.legend, this.legendBox(open));
    this.legend.querySelector("details").addEventListener("toggle", () => this.measure());
    this.measure();
  }

  // What the open legend covers is no place to show things in.
  measure() {
    if (!this.map) {
      return;
    }
    const open = this.legend.querySelector("details").open;
    const { width } = this.legend.getBoundingClientRect();
    const spare = this.element.clientWidth > 2 * width + 200;
    this.map.covered = open && spare ? width : 0;
  }

  tool(name, key, onclick) {
    return h("button", { type: "button", class: "tool", title: t(key), "aria-label": t(key), onclick }, icon(name));
  }

  legendBox(open) {
    const colours = h("div", { class: "legend-colours" });
    const draw = () => {
      const rows =
        this.colourBy === "tier"
          ? (this.tiers ?? []).map((tier) => [
              t("tier.named", { tier: t(`tier.${tier}`) }),
              TIER_COLOURS[tier],
              tier,
            ])
          : (this.categories ?? []).map((code) => [
              this.vocabulary.said("categories", code),
              this.palette.category[code],
            ]);
      replace(
        colours,
        rows.map(([label, colour, tier]) => h("p", { class: "legend-row" }, swatch(colour, tier === "low"), label))
      );
    };
    draw();
    const how = (value, key) =>
      h(
        "label",
        { class: "choice" },
        h("input", {
          type: "radio",
          name: "colour-by",
          value,
          checked: this.colourBy === value,
          onchange: () => {
            this.colourBy = value;
            this.map?.setColourBy(value);
            draw();
          },
        }),
        t(key)
      );
    const layer = (name, label) =>
      h(
        "label",
        { class: "choice" },
        h("input", {
          type: "checkbox",
          checked: this.shown[name],
          onchange: (event) => {
            this.shown[name] = event.target.checked;
            this.map?.setShown(name, event.target.checked);
          },
        }),
        label
      );
    return h(
      "details",
      { class: "legend", open },
      h("summary", {}, icon("layers"), t("map.layers")),
      h(
        "div",
        { class: "legend-body" },
        h("fieldset", {}, h("legend", {}, t("map.colour_by")), how("tier", "map.by_tier"), how("category", "map.by_category"), colours),
        layer("background", this.on ? t("map.background_on", { date: this.on }) : t("map.background")),
        layer("licences", t("map.licences")),
        [...this.kinds].sort().map((kind) =>
          h(
            "p",
            { class: "legend-row inset" },
            swatch(this.palette.kind[kind] ?? "#0072b2", true),
            said(this.palette.kinds[kind]) || kind
          )
        ),
        layer("districts", t("map.districts"))
      )
    );
  }

  locate() {
    this.say(t("map.locating"), { seconds: 30 });
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        this.map?.showHere(coords);
        const words = [t("map.located", { metres: number(coords.accuracy, 0) })];
        const metres = this.selected && this.map?.distanceTo(this.selected, coords);
        if (metres) {
          const distance = metres < 1000 ? `${number(metres, 0)} m` : `${number(metres / 1000)} km`;
          words.push(t("map.distance", { distance }));
        }
        this.say(words.join(" · "), { seconds: 20 });
      },
      (error) => {
        const why = error.code === 1 ? t("map.locate_denied") : error.message;
        this.say(t("map.locate_failed", { why }));
        announce(t("map.locate_failed", { why }));
      },
      { enableHighAccuracy: true, timeout: 20000 }
    );
  }

  // An open alert takes room from the map; what lies on it makes way.
  fold() {
    const details = this.legend.querySelector("details");
    if (details) {
      details.open = false;
      this.measure();
    }
  }

  select(id, options) {
    this.selected = id;
    this.map?.select(id, options);
  }
}

function swatch(colour, hollow) {
  const element = h("span", { class: hollow ? "swatch hollow" : "swatch", "aria-hidden": "true" });
  element.style.setProperty("--swatch", colour);
  return element;
}

