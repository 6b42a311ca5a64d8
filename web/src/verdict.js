// What people said of a place, and the form that adds to it.
import { send } from "./api.js";
import { announce, h, replace } from "./dom.js";
import { day, said, t, word } from "./words.js";

const GIVES_VERDICTS = new Set(["analyst", "inspector", "administrator"]);

export function verdicts({ reading, version, vocabulary, session, id, draft, onSent, onReload }) {
  const list = h("ol", { class: "findings" });
  const findings = reading.findings ?? [];
  replace(
    list,
    findings.map((each) =>
      h(
        "li",
        {},
        h("p", {}, h("strong", {}, vocabulary.said("verdicts", each.verdict)), each.reason ? ` · ${vocabulary.said("reasons", each.reason)}` : ""),
        each.note && h("p", { class: "note" }, each.note),
        h("p", { class: "quiet" }, t("verdict.by", { role: word(`role.${each.who_role}`, each.who_role ?? ""), at: day(each.at) }))
      )
    )
  );
  return [
    findings.length ? list : h("p", { class: "empty" }, t("verdict.none")),
    GIVES_VERDICTS.has(session.role)
      ? form({ version, vocabulary, id, draft, onSent, onReload })
      : h("p", { class: "quiet" }, t("verdict.read_only")),
  ];
}

// `draft` outlives the form, so that a newer version or another language loses nothing.
function form({ version, vocabulary, id, draft, onSent, onReload }) {
  const outcome = h("div", { class: "outcome" });
  const reasonHint = h("span", { class: "hint" });
  const special = h("p", { class: "warn", hidden: true }, t("verdict.special_use"));
  const rest = h("div", { class: "verdict-rest", hidden: !draft.verdict });
  // The service's own rules: which causes a verdict cannot go with, and why.
  const choose = () => {
    const chosen = vocabulary.all("verdicts").find((each) => each.code === draft.verdict);
    const refused = chosen?.refused_reasons ?? [];
    rest.hidden = !chosen;
    special.hidden = draft.verdict !== "special_use";
    for (const option of reason.options) {
      option.disabled = refused.includes(option.value || null);
      option.hidden = option.disabled && option.value !== "";
    }
    if (reason.selectedOptions[0]?.disabled) {
      reason.value = "";
    }
    const needed = refused.includes(null);
    reason.required = needed;
    reason.options[0].textContent = t(needed ? "verdict.choose" : "verdict.unsaid");
    reasonHint.textContent = said(chosen, "rule") || t("verdict.optional");
  };
  const choices = h(
    "fieldset",
    { class: "choices" },
    h("legend", {}, t("verdict.which")),
    vocabulary.all("verdicts").map((each) =>
      h(
        "label",
        { class: "choice" },
        h("input", {
          type: "radio",
          name: "verdict",
          value: each.code,
          checked: draft.verdict === each.code,
          onchange: () => {
            draft.verdict = each.code;
            choose();
          },
        }),
        said(each)
      )
    )
  );
  const keep = (name) => (event) => {
    draft[name] = event.target.value;
  };
  const reason = h(
    "select",
    { id: "verdict-reason", name: "reason", onchange: keep("reason") },
    h("option", { value: "" }, t("verdict.unsaid")),
    vocabulary.all("reasons").map((each) => h("option", { value: each.code }, said(each)))
  );
  reason.value = draft.reason ?? "";
  const imagery = h("input", {
    id: "verdict-imagery",
    name: "decided_by_imagery",
    maxlength: "200",
    placeholder: t("verdict.imagery_hint"),
    autocomplete: "off",
    oninput: keep("imagery"),
  });
  imagery.value = draft.imagery ?? "";
  const note = h("textarea", { id: "verdict-note", name: "note", rows: "3", maxlength: "2000", oninput: keep("note") });
  note.value = draft.note ?? "";
  const button = h("button", { type: "submit", class: "button main" }, t("verdict.send"));
  put(rest);
  choose();

  function put(place) {
    place.append(
      special,
      h("div", { class: "field" }, h("label", { for: "verdict-reason" }, t("verdict.reason"), " ", reasonHint), reason),
      h("div", { class: "field" }, h("label", { for: "verdict-imagery" }, t("verdict.imagery"), " ", optional()), imagery),
      h("div", { class: "field" }, h("label", { for: "verdict-note" }, t("verdict.note"), " ", optional()), note)
    );
  }

  function say(kind, text, ...more) {
    replace(outcome, h("p", { class: kind, role: kind === "wrong" ? "alert" : "status" }, text), ...more);
  }

  async function reload() {
    try {
      await onReload();
    } catch (error) {
      say("wrong", error.message);
    }
  }

  async function submit(event) {
    event.preventDefault();
    if (!draft.verdict) {
      say("wrong", t("verdict.choose_first"));
      choices.querySelector("input")?.focus();
      return;
    }
    if (reason.required && !reason.value) {
      say("wrong", reasonHint.textContent);
      reason.focus();
      return;
    }
    button.disabled = true;
    button.textContent = t("verdict.sending");
    try {
      const answer = await send("POST", `/api/alerts/${encodeURIComponent(id)}/verdict`, {
        verdict: draft.verdict,
        reason: reason.value || null,
        note: draft.note?.trim() || null,
        decided_by_imagery: draft.imagery?.trim() || null,
        expected_version: version,
      });
      for (const each of Object.keys(draft)) {
        delete draft[each];
      }
      const text = t("verdict.sent", { seq: answer?.event_seq ?? "" });
      announce(text);
      say("done", text); // kept, whatever becomes of reading it again
      await onSent(text).catch(() => {});
    } catch (error) {
      if (error.status === 409) {
        say(
          "wrong",
          t("verdict.conflict"),
          h("p", { class: "quiet" }, error.message),
          h("button", { type: "button", class: "button", onclick: reload }, t("verdict.reload"))
        );
      } else {
        say("wrong", error.message);
      }
    } finally {
      button.disabled = false;
      button.textContent = t("verdict.send");
    }
  }

  return h(
    "form",
    { class: "verdict-form", novalidate: true, onsubmit: submit },
    h("h3", {}, t("verdict.add")),
    choices,
    rest,
    outcome,
    button
  );
}

function optional() {
  return h("span", { class: "hint" }, t("verdict.optional"));
}

