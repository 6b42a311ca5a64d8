// What goes out each week, to be fetched: one package an area.
import { get } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { number, said, t } from "./words.js";

export function weekly() {
  const place = h("div", { class: "pane-body" }, h("p", { class: "empty", role: "status" }, t("app.loading")));
  fill(place);
  return h("div", { class: "pane" }, h("h2", {}, t("weekly.title")), h("p", { class: "about" }, t("weekly.about")), place);
}

async function fill(place) {
  try {
    const content = await get("/api/weeks");
    const weeks = content.weeks ?? [];
    replace(place, weeks.length ? weeks.map(oneWeek) : h("p", { class: "empty" }, t("weekly.none")));
  } catch (error) {
    replace(
      place,
      error.status === 404
        ? h("p", { class: "empty" }, t("weekly.none"))
        : [
            h("p", { class: "wrong", role: "alert" }, error.message),
            h("button", { type: "button", class: "button", onclick: () => fill(place) }, t("app.retry")),
          ]
    );
  }
}

function oneWeek({ week, areas = [] }, place) {
  return h(
    "details",
    { class: "week", open: place === 0 },
    h("summary", {}, week),
    areas.map((area) => {
      const { code, files = [] } = area;
      const name = said(area, "name") || code;
      return h(
        "section",
        { class: "package" },
        h("h3", {}, name, name !== code && h("span", { class: "code quiet" }, ` ${code}`)),
        area.zip &&
          h(
            "p",
            {},
            h(
              "a",
              {
                class: "button",
                href: area.zip.url,
                download: true,
                "aria-label": t("weekly.package_label", { area: name, week }),
              },
              icon("download"),
              t("weekly.package"),
              h("span", { class: "quiet" }, kilobytes(area.zip.bytes))
            )
          ),
        files.length > 0 &&
          h(
            "details",
            {},
            h("summary", {}, t("weekly.files", { count: files.length })),
            h(
              "ul",
              { class: "files" },
              files.map((each) =>
                h(
                  "li",
                  {},
                  h("a", { href: each.url, download: true }, each.name),
                  h("span", { class: "quiet" }, kilobytes(each.bytes))
                )
              )
            )
          )
      );
    })
  );
}

function kilobytes(bytes) {
  return bytes >= 1e6 ? `${number(bytes / 1e6)} MB` : `${number(Math.max(bytes / 1000, 0.1))} kB`;
}
