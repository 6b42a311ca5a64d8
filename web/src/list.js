// The list of alerts in the order of attention, with its filters.
import { announce, h, icon, replace, tierMark } from "./dom.js";
import { day, number, t } from "./words.js";

const FORMATS = ["xlsx", "gpx", "kml", "geojson", "csv"];
const TIERS = ["high", "medium", "low"];
const WAIT_MS = 200; // between the last key of a search and the search
const FIRST = 60; // rows drawn at once; the rest as one scrolls

export class List {
  constructor({ vocabulary, names, onSelect, onFilter }) {
    Object.assign(this, { vocabulary, names, onSelect, onFilter });
    this.rows = [];
    this.shown = [];
    this.matched = null;
    this.complete = false;
    this.failure = null;
    this.selected = null;
    this.filters = { text: "", tier: "", category: "", state: "", week: "" };
    this.drawn = FIRST;
    this.filtersOpen = false;
    this.element = h("div", { class: "list-pane" });
    this.draw();
  }

  draw() {
    this.count = h("p", { class: "count", role: "status", id: "count" });
    this.form = h("form", {
      class: "filters",
      role: "search",
      "aria-label": t("filter.label"),
      onsubmit: (event) => event.preventDefault(),
    });
    this.items = h("ol", {
      class: "items",
      id: "list",
      "aria-label": t("list.label"),
      onkeydown: (event) => this.key(event),
    });
    this.files = h("details", { class: "list-files" });
    this.rest = h("div", { class: "rest" });
    this.scroller = h("div", { class: "scroller" }, this.items, this.rest);
    this.scroller.addEventListener("scroll", () => this.drawRest(), { passive: true });
    replace(this.element, this.form, h("div", { class: "count-row" }, this.count, this.files), this.scroller);
    this.drawFilters();
    this.apply({ quiet: true });
  }

  setRows(rows, matched, complete) {
    this.rows = rows;
    this.matched = matched;
    this.complete = complete;
    this.failure = null;
    this.drawFilters();
    this.apply({ quiet: true });
  }

  fail(problem, again) {
    this.failure = { problem, again };
    this.apply({ quiet: true });
  }

  drawFilters() {
    const had = document.activeElement?.closest?.(".filters") ? document.activeElement.id : null;
    const search = h("input", {
      type: "search",
      id: "filter-text",
      placeholder: t("filter.search"),
      "aria-label": t("filter.search"),
      autocomplete: "off",
      spellcheck: "false",
      oninput: (event) => {
        clearTimeout(this.waiting);
        this.waiting = setTimeout(() => this.filter("text", event.target.value), WAIT_MS);
      },
    });
    search.value = this.filters.text;
    const choice = (name, options) => {
      const select = h(
        "select",
        { id: `filter-${name}`, onchange: (event) => this.filter(name, event.target.value) },
        h("option", { value: "" }, t("filter.all")),
        options.map(([value, label]) => h("option", { value }, label))
      );
      select.value = options.some(([value]) => value === this.filters[name]) ? this.filters[name] : "";
      return h("div", { class: "field" }, h("label", { for: `filter-${name}` }, t(`filter.${name}`)), select);
    };
    const values = (name) => [...new Set(this.rows.map((each) => each[name]).filter(Boolean))];
    const named = (name, kind) =>
      values(name)
        .map((code) => [code, this.vocabulary.said(kind, code)])
        .sort(([, one], [, other]) => one.localeCompare(other));
    this.more = h(
      "div",
      { class: "filter-fields", id: "filter-fields", hidden: !this.filtersOpen },
      choice("tier", TIERS.filter((each) => values("tier").includes(each)).map((each) => [each, t(`tier.${each}`)])),
      choice("category", named("category", "categories")),
      choice("state", named("state", "states")),
      choice("week", values("week_said").sort().reverse().map((each) => [each, each])),
      h("button", { type: "button", class: "plain", onclick: () => this.clear() }, t("filter.clear"))
    );
    const active = ["tier", "category", "state", "week"].filter((each) => this.filters[each]).length;
    const toggle = h(
      "button",
      {
        type: "button",
        class: "tool filter-toggle",
        id: "filter-toggle",
        "aria-expanded": String(this.filtersOpen),
        "aria-controls": "filter-fields",
        "aria-label": t("filter.show"),
        title: t("filter.show"),
        onclick: () => {
          this.filtersOpen = !this.filtersOpen;
          this.drawFilters();
          document.getElementById("filter-toggle").focus();
        },
      },
      icon("filter"),
      active > 0 && h("span", { class: "badge" }, String(active))
    );
    replace(this.form, h("div", { class: "search-row" }, search, toggle), this.more);
    if (had) {
      document.getElementById(had)?.focus();
    }
  }

  filter(name, value) {
    this.filters[name] = value;
    this.drawn = FIRST;
    if (name !== "text") {
      this.drawFilters();
    }
    this.apply();
  }

  clear() {
    this.filters = { text: "", tier: "", category: "", state: "", week: "" };
    this.drawFilters();
    this.apply();
  }

  matches(row) {
    const { text, tier, category, state, week } = this.filters;
    return (
      (!tier || row.tier === tier) &&
      (!category || row.category === category) &&
      (!state || row.state === state) &&
      (!week || row.week_said === week) &&
      text
        .toLowerCase()
        .split(/\s+/)
        .every((part) => !part || this.words(row).includes(part))
    );
  }

  words(row) {
    if (!row.words) {
      const labels = this.vocabulary
        .all("categories")
        .filter((each) => each.code === row.category)
        .flatMap((each) => [each.zh, each.en]);
      row.words = [
        row.id,
        row.short_name,
        row.category,
        row.district,
        ...labels,
        ...(row.county_codes ?? []),
        ...this.names.words(row),
      ]
        .filter(Boolean)
        .join(" ")
        .toLowerCase();
    }
    return row.words;
  }

  apply({ quiet = false } = {}) {
    this.shown = this.rows.filter((each) => this.matches(each));
    this.drawItems();
    if (!quiet) {
      announce(this.count.textContent);
    }
    this.onFilter(new Set(this.shown.map((each) => each.id)));
  }

  drawItems() {
    const { shown, rows } = this;
    this.count.textContent =
      shown.length === rows.length
        ? t("list.count", { shown: shown.length })
        : t("list.count_of", { shown: shown.length, all: rows.length });
    if (!this.complete && !this.failure) {
      this.count.textContent = rows.length ? t("list.more", { count: rows.length }) : t("app.loading");
    }
    this.drawFiles();
    const had = document.activeElement?.closest?.(".item")?.dataset.id;
    replace(this.items);
    this.inItems = 0;
    this.drawRest();
    if (had) {
      this.focus(this.buttons().find((each) => each.dataset.id === had)); // it stays put
    }
    if (this.failure) {
      replace(
        this.rest,
        h("p", { class: "wrong", role: "alert" }, this.failure.problem.message),
        h("button", { type: "button", class: "button", onclick: this.failure.again }, t("app.retry"))
      );
    } else if (!shown.length && this.complete) {
      replace(this.rest, h("p", { class: "empty" }, t(rows.length ? "list.empty" : "list.none")));
    } else {
      replace(this.rest);
    }
  }

  // The same filters, as files.
  drawFiles() {
    const { text, ...filters } = this.filters;
    const query = new URLSearchParams(
      Object.entries({ ...filters, q: text.trim() }).filter(([, value]) => value)
    );
    this.files.hidden = !this.shown.length;
    replace(
      this.files,
      h("summary", { "aria-label": t("list.download"), title: t("list.download") }, icon("download")),
      h(
        "ul",
        {},
        FORMATS.map((format) =>
          h("li", {}, h("a", { class: "menu-item", href: `/api/alerts/download/${format}?${query}`, download: true, "aria-label": t("download.label", { format: format.toUpperCase() }) }, format.toUpperCase()))
        )
      )
    );
  }

  // Rows are drawn as they come near the window, so that ten thousand cost nothing.
  drawRest(upTo = this.drawn) {
    const near = this.scroller.scrollTop + this.scroller.clientHeight * 2;
    this.drawn = Math.max(upTo, near > this.items.scrollHeight ? this.inItems + FIRST : 0);
    const next = this.shown.slice(this.inItems, this.drawn);
    this.inItems += next.length;
    this.items.append(...next.map((row) => this.item(row)));
    this.rove();
  }

  item(row) {
    const category = this.vocabulary.said("categories", row.category);
    const tier = t("tier.named", { tier: t(`tier.${row.tier}`) });
    return h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          class: "item",
          "data-id": row.id,
          tabindex: "-1",
          "aria-current": row.id === this.selected ? "true" : null,
          onclick: () => this.onSelect(row.id),
        },
        h("span", { class: "rank" }, String(row.rank ?? "")),
        h(
          "span",
          { class: "item-body" },
          h("span", { class: "item-title" }, category),
          h(
            "span",
            { class: "item-line" },
            tierMark(row.tier),
            h("span", {}, tier),
            h("span", {}, t("list.mu", { area: number(row.area_mu) })),
            h("span", {}, this.vocabulary.said("states", row.state))
          ),
          h(
            "span",
            { class: "item-line quiet" },
            h("span", {}, this.names.place(row)),
            h("span", {}, t("list.first_seen", { date: day(row.first_seen) }))
          )
        )
      )
    );
  }

  buttons() {
    return [...this.items.querySelectorAll(".item")];
  }

  // One row is in the order of the Tab key; arrows reach the others.
  rove() {
    const all = this.buttons();
    if (all.length && !all.some((each) => each.tabIndex === 0)) {
      const current = all.find((each) => each.dataset.id === this.selected) ?? all[0];
      current.tabIndex = 0;
    }
  }

  key(event) {
    const all = this.buttons();
    const at = all.indexOf(document.activeElement);
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1, PageDown: at + 8, PageUp: at - 8 };
    if (at < 0 || !(event.key in steps)) {
      return;
    }
    event.preventDefault();
    if (steps[event.key] >= all.length - 1) {
      this.drawRest(this.inItems + FIRST);
    }
    const now = this.buttons();
    this.focus(now[Math.min(Math.max(steps[event.key], 0), now.length - 1)]);
  }

  focus(button) {
    for (const each of this.buttons()) {
      each.tabIndex = each === button ? 0 : -1;
    }
    button?.focus();
    button?.scrollIntoView({ block: "nearest" });
  }

  select(id, { scroll = true } = {}) {
    this.selected = id;
    const at = this.shown.findIndex((each) => each.id === id);
    if (at >= this.inItems) {
      this.drawRest(at + FIRST);
    }
    for (const each of this.buttons()) {
      const current = each.dataset.id === id;
      current ? each.setAttribute("aria-current", "true") : each.removeAttribute("aria-current");
      if (id) {
        each.tabIndex = current ? 0 : -1;
      }
      if (current && scroll) {
        each.scrollIntoView({ block: "nearest" });
      }
    }
    this.rove();
  }

  focusSelected() {
    const button = this.buttons().find((each) => each.dataset.id === this.selected) ?? this.buttons()[0];
    if (button) {
      this.focus(button);
    }
  }

  beside(id, step) {
    const at = this.shown.findIndex((each) => each.id === id);
    return at < 0 ? null : (this.shown[at + step]?.id ?? null);
  }
}
