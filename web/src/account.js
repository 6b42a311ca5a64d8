// Who is signed in: the menu in the corner, and one's tokens for programs.
import { get, send } from "./api.js";
import { announce, copyText, h, icon, replace } from "./dom.js";
import { day, t, word } from "./words.js";

export function accountMenu(session) {
  const list = h("div", { class: "menu", id: "menu", hidden: true });
  const button = h(
    "button",
    {
      type: "button",
      class: "head-button",
      "aria-expanded": "false",
      "aria-controls": "menu",
      "aria-label": t("menu.label", { name: session.name }),
      onclick: () => toggle(list.hidden),
    },
    icon("account"),
    h("span", { class: "wide-only" }, session.name)
  );
  const place = h("div", { class: "menu-place" }, button, list);
  const toggle = (open) => {
    list.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
  };
  place.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      toggle(false);
      button.focus();
    }
  });
  place.addEventListener("focusout", (event) => {
    if (!place.contains(event.relatedTarget)) {
      toggle(false);
    }
  });
  replace(
    list,
    h(
      "dl",
      { class: "facts narrow" },
      h("div", {}, h("dt", {}, t("menu.role")), h("dd", {}, word(`role.${session.role}`, session.role))),
      h("div", {}, h("dt", {}, t("menu.areas")), h("dd", {}, areasOf(session)))
    ),
    h(
      "button",
      {
        type: "button",
        class: "menu-item",
        onclick: () => {
          toggle(false);
          openTokens(session, button);
        },
      },
      t("menu.tokens")
    ),
    h(
      "button",
      {
        type: "button",
        class: "menu-item",
        onclick: () => {
          toggle(false);
          openPassword(session, button);
        },
      },
      t("menu.password")
    ),
    session.role === "administrator" && h("a", { class: "menu-item", href: "/accounts" }, t("menu.accounts")),
    h("button", { type: "button", class: "menu-item", onclick: signOut }, t("menu.sign_out"))
  );
  return place;
}

export async function signOut() {
  try {
    await send("POST", "/logout");
  } finally {
    location.assign("/login");
  }
}

function areasOf({ scope, areas = [] }) {
  const list = Array.isArray(scope) ? scope : (scope?.areas ?? []);
  return list
    .map((code) => {
      const known = areas.find((each) => each.code === code);
      return code === "*" ? t("menu.everything") : known ? `${known.name_zh ?? ""} ${code}`.trim() : code;
    })
    .join("、");
}

// A dialog of the browser's own: Escape closes it, and the keyboard stays inside.
function openDialog(name, title, opener, ...content) {
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": `${name}-title` },
    h(
      "div",
      { class: "site-bar" },
      h("h2", { id: `${name}-title` }, title),
      h("button", { type: "button", class: "tool flat", "aria-label": t("app.close"), title: t("app.close"), onclick: () => dialog.close() }, icon("close"))
    ),
    content
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function openPassword(session, opener) {
  const outcome = h("div", { class: "outcome" });
  const field = (id, autocomplete, hint) => {
    const input = h("input", { id, type: "password", required: true, maxlength: "1024", autocomplete });
    return [h("div", { class: "field" }, h("label", { for: id }, t(`password.${id}`), " ", hint && h("span", { class: "hint" }, hint)), input), input];
  };
  const [presentField, present] = field("present", "current-password");
  const [nextField, next] = field("next", "new-password", t("password.hint"));
  const [againField, again] = field("again", "new-password");
  const fail = (text) => replace(outcome, h("p", { class: "wrong", role: "alert" }, text));
  const onsubmit = async (event) => {
    event.preventDefault();
    if (next.value !== again.value) {
      fail(t("password.differ"));
      return;
    }
    try {
      await send("POST", `/api/accounts/${encodeURIComponent(session.name)}/password`, {
        present: present.value,
        password: next.value,
      });
      location.assign("/login");
    } catch (error) {
      fail(error.message);
    }
  };
  openDialog(
    "password",
    t("menu.password"),
    opener,
    h("p", { class: "about" }, t("password.about")),
    h("form", { class: "inline-form", onsubmit }, presentField, nextField, againField, outcome, h("button", { type: "submit", class: "button main" }, t("menu.password")))
  );
}

function openTokens(session, opener) {
  const list = h("div", {});
  const outcome = h("div", { class: "outcome" });
  openDialog("tokens", t("tokens.title"), opener, h("p", { class: "about" }, t("tokens.about")), form(), outcome, list);
  draw();

  function form() {
    const label = h("input", { id: "token-label", maxlength: "100", required: true, autocomplete: "off" });
    const days = h("input", { id: "token-days", type: "number", min: "1", max: "366", value: "90", required: true });
    const scope = Array.isArray(session.scope) ? session.scope : (session.scope?.areas ?? []);
    const areas = h("input", { id: "token-areas", autocomplete: "off", spellcheck: "false" });
    areas.value = scope.join(", ");
    return h(
      "form",
      {
        class: "inline-form",
        onsubmit: async (event) => {
          event.preventDefault();
          try {
            const made = await send("POST", "/api/tokens", {
              label: label.value.trim(),
              days: Number(days.value),
              scope: areas.value.split(/[,，、\s]+/).filter(Boolean),
            });
            const secret = made.token;
            replace(
              outcome,
              h("p", { class: "done", role: "status" }, t("tokens.secret")),
              h("p", { class: "secret code" }, secret),
              h(
                "button",
                {
                  type: "button",
                  class: "button",
                  onclick: async () => announce(t((await copyText(secret)) ? "site.copied" : "site.copy_failed")),
                },
                t("tokens.copy")
              )
            );
            label.value = "";
            await draw();
          } catch (error) {
            replace(outcome, h("p", { class: "wrong", role: "alert" }, error.message));
          }
        },
      },
      h("div", { class: "field" }, h("label", { for: "token-label" }, t("tokens.label")), label),
      h("div", { class: "field" }, h("label", { for: "token-areas" }, t("tokens.areas"), " ", h("span", { class: "hint" }, t("tokens.areas_hint"))), areas),
      h("div", { class: "field short" }, h("label", { for: "token-days" }, t("tokens.days")), days),
      h("button", { type: "submit", class: "button main" }, t("tokens.make"))
    );
  }

  async function draw() {
    try {
      const { tokens } = await get("/api/tokens");
      const mine = tokens.filter((each) => each.owner === session.name);
      replace(
        list,
        mine.length
          ? h(
              "ul",
              { class: "tokens" },
              mine.map((each) =>
                h(
                  "li",
                  {},
                  h("div", {}, h("strong", {}, each.label || each.id), h("p", { class: "quiet" }, (each.scope ?? []).join(", ")), h("p", { class: "quiet" }, `${t("tokens.expires", { date: day(each.expires_at) })} · ${each.used_at ? t("tokens.used", { date: day(each.used_at) }) : t("tokens.unused")}`)),
                  each.valid
                    ? h("button", { type: "button", class: "button", "aria-label": t("tokens.revoke_label", { label: each.label || each.id }), onclick: () => revoke(each) }, t("tokens.revoke"))
                    : h("span", { class: "quiet" }, t("tokens.revoked"))
                )
              )
            )
          : h("p", { class: "empty" }, t("tokens.none"))
      );
    } catch (error) {
      replace(list, h("p", { class: "wrong", role: "alert" }, error.message));
    }
  }

  async function revoke(token) {
    if (!confirm(t("tokens.revoke_sure", { label: token.label || token.id }))) {
      return;
    }
    try {
      await send("DELETE", `/api/tokens/${encodeURIComponent(token.id)}`);
      await draw();
    } catch (error) {
      replace(outcome, h("p", { class: "wrong", role: "alert" }, error.message));
    }
  }
}
