// The bar above every page: what it is, its language, its contrast, who is signed in.
import { accountMenu } from "./account.js";
import { isContrast, toggleContrast } from "./contrast.js";
import { h, icon } from "./dom.js";
import { language, setLanguage, t } from "./words.js";

export function headBar(session, onLanguage, ...more) {
  return h(
    "header",
    { class: "head" },
    h("a", { class: "brand", href: "/" }, h("h1", {}, h("span", { class: "wide-only" }, t("app.title")), h("span", { class: "narrow-only" }, t("app.short")))),
    more,
    h("span", { class: "grow" }),
    h(
      "button",
      {
        type: "button",
        class: "head-button",
        id: "contrast",
        "aria-pressed": String(isContrast()),
        "aria-label": t("app.contrast"),
        title: t("app.contrast"),
        onclick: (event) => {
          event.currentTarget.setAttribute("aria-pressed", String(toggleContrast()));
        },
      },
      icon("contrast"),
      h("span", { class: "wide-only" }, t("app.contrast"))
    ),
    h(
      "button",
      {
        type: "button",
        class: "head-button",
        id: "language",
        lang: language() === "zh" ? "en" : "zh-Hans",
        "aria-label": t("app.language_label"),
        onclick: () => {
          setLanguage(language() === "zh" ? "en" : "zh");
          onLanguage();
          document.getElementById("language").focus();
        },
      },
      t("app.language")
    ),
    accountMenu(session)
  );
}
