// Accounts, for who keeps them: list, add, change, set a password, remove.
import "./style.css";
import { get, keepCsrf, send } from "./api.js";
import { restoreContrast } from "./contrast.js";
import { announce, h, icon, replace } from "./dom.js";
import { headBar } from "./head.js";
import { day, rememberedLanguage, setLanguage, t } from "./words.js";

const ROLES = ["bureau", "analyst", "inspector", "administrator"];
const LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"; // none look alike
const PASSWORD_LENGTH = 16;

const app = document.getElementById("app");
const outcome = h("div", { class: "outcome" });
const table = h("div", { class: "table-scroll" });
let session;

async function start() {
  restoreContrast();
  setLanguage(rememberedLanguage() ?? "zh");
  try {
    session = await get("/api/session");
  } catch (error) {
    if (error.status === 401) {
      location.assign("/login?next=/accounts");
      return;
    }
    replace(app, h("p", { class: "opening wrong", role: "alert" }, error.message));
    return;
  }
  keepCsrf(session.csrf);
  if (!rememberedLanguage() && session.language) {
    setLanguage(session.language);
  }
  draw();
}

function draw() {
  document.title = `${t("admin.title")} · rsmonitor`;
  replace(outcome);
  replace(
    app,
    headBar(session, draw),
    session.role === "administrator"
      ? h(
          "main",
          { class: "admin" },
          h("p", {}, h("a", { href: "/" }, t("admin.to_map"))),
          h("h2", {}, t("admin.title")),
          outcome,
          h("section", { class: "card" }, h("h3", {}, t("admin.list")), table),
          h("section", { class: "card" }, h("h3", {}, t("admin.add")), addForm())
        )
      : h("main", { class: "admin" }, h("p", { class: "wrong", role: "alert" }, t("admin.forbidden")))
  );
  list();
}

function say(kind, text) {
  replace(outcome, h("p", { class: kind, role: kind === "wrong" ? "alert" : "status" }, text));
  outcome.scrollIntoView({ block: "nearest" });
}

async function list() {
  if (session.role !== "administrator") {
    return;
  }
  try {
    const { accounts } = await get("/api/accounts");
    const heads = ["admin.name", "admin.role", "admin.areas", "admin.created", "admin.password_set"];
    replace(
      table,
      h(
        "table",
        { class: "accounts" },
        h("thead", {}, h("tr", {}, heads.map((key) => h("th", { scope: "col" }, t(key))), h("td", {}))),
        h("tbody", {}, accounts.map(row))
      )
    );
  } catch (error) {
    replace(table, h("p", { class: "wrong", role: "alert" }, error.message));
  }
}

function row(account) {
  const { name } = account;
  const own = name === session.name;
  const cell = (key, ...content) => h("td", { "data-label": t(key) }, ...content);
  const button = (key, label, onclick) =>
    h("button", { type: "button", class: "button", "aria-label": t(label, { name }), onclick }, t(key));
  const line = h(
    "tr",
    {},
    h("th", { scope: "row" }, name, own && h("span", { class: "quiet" }, ` ${t("admin.you")}`)),
    cell("admin.role", t(`role.${account.role}`)),
    cell("admin.areas", h("span", { class: "code" }, account.scope.join(", "))),
    cell("admin.created", day(account.created_at)),
    cell("admin.password_set", day(account.password_set_at)),
    h(
      "td",
      { class: "actions" },
      !own && button("admin.change", "admin.change_label", () => below(line, changeForm(account))),
      !own && button("admin.reset", "admin.reset_label", () => below(line, passwordForm(account))),
      !own && button("admin.remove", "admin.remove_label", () => remove(account))
    )
  );
  return line;
}

// A form in the row below the account that it changes.
function below(line, form) {
  table.querySelectorAll(".form-row").forEach((each) => each.remove());
  line.after(h("tr", { class: "form-row" }, h("td", { colspan: "6" }, form)));
  form.querySelector("input, select").focus();
}

function cancel() {
  return h("button", { type: "button", class: "plain", onclick: list }, t("admin.cancel"));
}

function roleField(id, chosen) {
  const select = h("select", { id }, ROLES.map((each) => h("option", { value: each }, t(`role.${each}`))));
  select.value = chosen;
  return [h("div", { class: "field" }, h("label", { for: id }, t("admin.role")), select), select];
}

function areasField(id, areas) {
  const input = h("input", { id, required: true, autocomplete: "off", spellcheck: "false", "aria-describedby": `${id}-hint`, list: "known-areas" });
  input.value = areas.join(", ");
  const hint = h("span", { class: "hint", id: `${id}-hint` }, t("admin.areas_hint"));
  return [h("div", { class: "field" }, h("label", { for: id }, t("admin.areas")), input, hint), input];
}

function passwordField(id, label) {
  const input = h("input", { id, type: "text", required: true, minlength: "12", maxlength: "1024", autocomplete: "off", spellcheck: "false", class: "code", "aria-describedby": `${id}-hint` });
  const suggest = h(
    "button",
    {
      type: "button",
      class: "button",
      onclick: () => {
        input.value = suggested();
        input.focus();
      },
    },
    t("admin.suggest")
  );
  const hint = h("span", { class: "hint", id: `${id}-hint` }, t("admin.password_hint"));
  return [h("div", { class: "field" }, h("label", { for: id }, label), h("div", { class: "together" }, input, suggest), hint), input];
}

function suggested() {
  const found = [];
  while (found.length < PASSWORD_LENGTH) {
    const [value] = crypto.getRandomValues(new Uint8Array(1));
    if (value < 256 - (256 % LETTERS.length)) {
      found.push(LETTERS[value % LETTERS.length]); // each letter equally likely
    }
  }
  return found.join("");
}

function codes(input) {
  return input.value.split(/[,，、\s]+/).filter(Boolean);
}

function addForm() {
  const name = h("input", { id: "new-name", required: true, maxlength: "64", pattern: "[a-z0-9][a-z0-9._\\-]{1,63}", autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
  const [roles, role] = roleField("new-role", "bureau");
  const [areas, scope] = areasField("new-areas", []);
  const [passwords, password] = passwordField("new-password", t("admin.password"));
  return h(
    "form",
    {
      class: "inline-form",
      onsubmit: (event) => {
        event.preventDefault();
        act(
          () => send("POST", "/api/accounts", { name: name.value.trim(), role: role.value, scope: codes(scope), password: password.value }),
          t("admin.added", { name: name.value.trim() }),
          () => event.target.reset()
        );
      },
    },
    h("div", { class: "field" }, h("label", { for: "new-name" }, t("admin.name")), name),
    roles,
    areas,
    passwords,
    h("button", { type: "submit", class: "button main" }, icon("plus"), t("admin.add"))
  );
}

function changeForm(account) {
  const [roles, role] = roleField("change-role", account.role);
  const [areas, scope] = areasField("change-areas", account.scope);
  return rowForm([roles, areas], () =>
    act(
      () => send("PATCH", path(account), { role: role.value, scope: codes(scope) }),
      t("admin.changed", { name: account.name })
    )
  );
}

function passwordForm(account) {
  const [field, input] = passwordField("reset-password", t("admin.new_password", { name: account.name }));
  return rowForm([field], () =>
    act(
      () => send("POST", `${path(account)}/password`, { password: input.value }),
      t("admin.reset_done", { name: account.name })
    )
  );
}

function rowForm(fields, onsubmit) {
  return h(
    "form",
    {
      class: "inline-form",
      onsubmit: (event) => {
        event.preventDefault();
        onsubmit();
      },
    },
    fields,
    h("div", { class: "together" }, h("button", { type: "submit", class: "button main" }, t("admin.save")), cancel())
  );
}

function remove(account) {
  if (confirm(t("admin.remove_sure", { name: account.name }))) {
    act(() => send("DELETE", path(account)), t("admin.removed", { name: account.name }));
  }
}

function path({ name }) {
  return `/api/accounts/${encodeURIComponent(name)}`;
}

async function act(what, done, after) {
  try {
    await what();
    after?.();
    await list();
    say("done", done);
    announce(done);
  } catch (error) {
    say("wrong", error.message);
  }
}

start();
