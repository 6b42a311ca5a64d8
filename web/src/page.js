// The page: list, map and alert beside each other, and what each tells the others.
import "ol/ol.css";
import "./style.css";
import { eachAlert, features, get, keepCsrf } from "./api.js";
import { restoreContrast } from "./contrast.js";
import { coverage } from "./coverage.js";
import { announce, h, icon, replace } from "./dom.js";
import { headBar } from "./head.js";
import { List } from "./list.js";
import { Names } from "./names.js";
import { Site } from "./site.js";
import { Stage } from "./stage.js";
import { Vocabulary } from "./vocabulary.js";
import { weekly } from "./weekly.js";
import { rememberedLanguage, said, setLanguage, t } from "./words.js";

const TABS = ["alerts", "weekly", "coverage"];
const DRAWN_WITHIN_S = [2, 4, 8, 16, 30];
const app = document.getElementById("app");
const palette = JSON.parse(document.body.dataset.palette);

class Page {
  constructor(session, vocabulary) {
    this.session = session;
    this.tab = "alerts";
    this.rows = [];
    this.districts = 0;
    this.names = new Names(session.areas);
    this.list = new List({
      vocabulary,
      names: this.names,
      onSelect: (id) => this.open(id, { focus: true }),
      onFilter: (ids) => this.stage?.setVisible(ids),
    });
    this.stage = new Stage({
      palette,
      vocabulary,
      onSelect: (id) => this.open(id, { focus: true, fly: false }),
    });
    this.site = new Site({
      vocabulary,
      names: this.names,
      session,
      onClose: () => this.close(),
      onZoom: (id) => {
        this.showMap();
        this.stage.map?.zoomTo(id);
      },
      onStep: (by) => this.step(by),
      onChanged: () => this.readAlerts(),
    });
    this.side = h("section", { class: "side" });
    this.head = h("div", { class: "head-place" });
    this.banner = h("section", { class: "banner-place" });
    this.foot = h("footer", { class: "foot" });
    this.sizer = h("button", {
      type: "button",
      class: "sizer",
      "aria-controls": "map",
      onclick: () => {
        this.work.classList.toggle("map-large");
        this.drawSizer();
      },
    });
    this.work = h("main", { class: "work" }, this.side, this.stage.element, this.sizer, this.site.element);
    this.skip = h("a", { class: "skip", href: "#tab-content", onclick: (event) => this.skipTo(event) });
    replace(app, this.skip, this.head, this.banner, this.work, this.foot);
    app.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.site.id) {
        this.close();
      }
    });
    addEventListener("popstate", () => this.follow());
    this.draw();
  }

  // All words again, for another language; what was read stays.
  draw() {
    const { session } = this;
    document.title = `${t("app.title")} · rsmonitor`;
    this.skip.textContent = t("app.skip");
    replace(
      this.head,
      headBar(session, () => {
        this.draw();
        this.list.draw();
        this.list.select(this.site.id, { scroll: false });
        this.stage.relabel();
        if (this.site.id) {
          this.site.open(this.site.id, this.site.row);
        }
      })
    );
    this.banner.setAttribute("aria-label", t("app.notices"));
    replace(
      this.banner,
      session.invented_licences && h("p", { class: "banner", role: "note" }, t("app.invented"))
    );
    replace(
      this.foot,
      h("p", {}, said(session, "notice") || t("app.notice")),
      h("a", { href: document.body.dataset.licences }, t("app.licences"))
    );
    this.drawSide();
    this.drawSizer();
  }

  drawSide() {
    const content =
      this.tab === "weekly"
        ? weekly()
        : this.tab === "coverage"
          ? coverage({
              names: this.names,
              onShow: (box) => {
                this.showMap();
                this.stage.map?.zoomToBox(box);
              },
            })
          : this.list.element;
    const tabs = TABS.map((name) =>
      h(
        "button",
        {
          type: "button",
          role: "tab",
          class: "tab",
          id: `tab-${name}`,
          "aria-selected": String(this.tab === name),
          "aria-controls": "tab-content",
          tabindex: this.tab === name ? "0" : "-1",
          onclick: () => this.turnTo(name),
        },
        t(`tab.${name}`)
      )
    );
    replace(
      this.side,
      h(
        "div",
        {
          class: "tabs",
          role: "tablist",
          "aria-label": t("tab.label"),
          onkeydown: (event) => {
            const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
            if (by) {
              this.turnTo(TABS[(TABS.indexOf(this.tab) + by + TABS.length) % TABS.length]);
              event.preventDefault();
            }
          },
        },
        tabs
      ),
      h("div", { class: "tab-content", id: "tab-content", tabindex: "-1", role: "tabpanel", "aria-labelledby": `tab-${this.tab}` }, content)
    );
  }

  turnTo(tab) {
    this.tab = tab;
    this.drawSide();
    document.getElementById(`tab-${tab}`).focus();
  }

  drawSizer() {
    const large = this.work.classList.contains("map-large");
    this.sizer.setAttribute("aria-expanded", String(large));
    replace(this.sizer, icon(large ? "up" : "down"), t(large ? "map.smaller" : "map.bigger"));
  }

  showMap() {
    if (matchMedia("(max-width: 760px)").matches) {
      this.work.scrollTo?.({ top: 0 });
    }
  }

  skipTo(event) {
    event.preventDefault();
    if (this.site.id) {
      this.site.element.focus();
    } else if (this.tab === "alerts" && this.rows.length) {
      this.list.focusSelected();
    } else {
      document.getElementById("tab-content").focus();
    }
  }

  async read() {
    await this.readAlerts();
    announce(t("list.count", { shown: this.rows.length }));
    this.follow();
    try {
      await this.stage.start();
    } catch (error) {
      this.stage.say(t("map.failed", { what: error.message }));
      return;
    }
    this.stage.setAlerts(this.rows);
    this.stage.map.fitAll({ animate: false });
    this.stage.select(this.site.id, { fly: false });
    if (this.site.id) {
      this.stage.map.zoomTo(this.site.id);
    }
    await this.readLayers();
  }

  async readAlerts() {
    const rows = [];
    try {
      await eachAlert((page, matched, complete) => {
        rows.push(...page);
        rows.sort((one, other) => (one.rank ?? Infinity) - (other.rank ?? Infinity) || (one.id < other.id ? -1 : 1));
        this.rows = rows;
        this.names.keep(rows);
        this.list.setRows([...rows], matched, complete);
      });
    } catch (error) {
      this.list.fail(error, () => this.readAlerts());
      if (error.status === 401) {
        this.signedOut();
      }
      return;
    }
    this.stage.setAlerts(rows);
    this.stage.select(this.site.id, { fly: false });
  }

  // Less urgent than the list: borders, licences, then the heavy background.
  async readLayers() {
    const sources = [
      ["map.districts", async () => {
        const found = await features("districts");
        this.names.addDistricts(found);
        this.districts = found.length;
        this.stage.map.setDistricts(found);
        this.list.apply({ quiet: true });
        if (!this.site.id && !this.stage.map.moved) {
          this.stage.map.fitAll({ animate: false });
        }
      }],
      ["map.licences", async () => this.stage.setLicences(await features("licences"))],
      ["map.background", () => this.readBackgrounds()],
    ];
    for (const [key, read] of sources) {
      try {
        await read();
      } catch (error) {
        if (error.status !== 404) {
          this.stage.say(t("map.failed", { what: `${t(key)} (${error.message})` }));
        }
      }
    }
  }

  // A background that is not drawn yet is asked for again: drawing takes the service
  // some seconds a district.
  async readBackgrounds([wait, ...later] = DRAWN_WITHIN_S) {
    const found = await get("/api/backgrounds");
    this.stage.setBackgrounds(found);
    if (wait && found.length < this.districts) {
      setTimeout(() => {
        this.readBackgrounds(later).catch(() => {
          // the map works without it
        });
      }, wait * 1000);
    }
  }

  // What the address says is what is open.
  follow() {
    const found = /^\/sites\/([^/]+)$/.exec(location.pathname);
    if (found) {
      this.show(decodeURIComponent(found[1]));
    } else {
      this.hide();
    }
  }

  open(id, { focus = false, fly = true } = {}) {
    if (this.site.id !== id) {
      const state = { within: true };
      const address = `/sites/${encodeURIComponent(id)}`;
      this.site.id ? history.replaceState(history.state, "", address) : history.pushState(state, "", address);
    }
    this.show(id, { focus, fly });
  }

  show(id, { focus = false, fly = true } = {}) {
    const first = !this.work.classList.contains("has-site");
    if (first) {
      this.stage.fold();
    }
    this.work.classList.add("has-site");
    this.work.classList.remove("map-large");
    this.drawSizer();
    this.list.select(id);
    this.site.open(id, this.names.row(id) ?? null, { focus });
    // the panel takes room from the map first
    requestAnimationFrame(() => {
      this.stage.map?.map.updateSize();
      if (first && this.stage.map && !this.stage.map.moved) {
        this.stage.map.fitAll({ animate: false });
      }
      this.stage.select(id, { fly });
    });
  }

  close() {
    if (history.state?.within) {
      history.back(); // the way back stays short
    } else {
      history.replaceState(null, "", "/");
      this.hide({ focus: true });
    }
  }

  hide() {
    const had = this.site.id;
    this.site.close();
    this.work.classList.remove("has-site");
    this.stage.select(null);
    if (had) {
      this.list.select(had);
      this.list.focusSelected();
      this.list.select(null);
    }
  }

  step(by) {
    const next = this.list.beside(this.site.id, by);
    if (next) {
      this.open(next);
    }
  }

  signedOut() {
    replace(
      this.banner,
      h(
        "p",
        { class: "banner", role: "alert" },
        t("app.signed_out"),
        " ",
        h("a", { href: `/login?next=${encodeURIComponent(location.pathname)}` }, t("app.sign_in"))
      )
    );
  }
}

async function start() {
  restoreContrast();
  setLanguage(rememberedLanguage() ?? "zh");
  try {
    const [session, vocabulary] = await Promise.all([get("/api/session"), Vocabulary.read()]);
    keepCsrf(session.csrf);
    if (!rememberedLanguage() && session.language) {
      setLanguage(session.language);
    }
    await new Page(session, vocabulary).read();
  } catch (error) {
    if (error.status === 401) {
      location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
      return;
    }
    replace(
      app,
      h(
        "div",
        { class: "opening" },
        h("p", { class: "wrong", role: "alert" }, error.message),
        h("button", { type: "button", class: "button", onclick: () => location.reload() }, t("app.retry"))
      )
    );
    throw error;
  }
}

start();
