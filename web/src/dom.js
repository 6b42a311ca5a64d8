// Elements made of data: text is only ever text, never markup.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) {
      continue;
    }
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  put(element, ...children);
  return element;
}

export function put(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) {
      element.append(child); // a string becomes a text node
    }
  }
  return element;
}

export function replace(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

const PATHS = {
  close: "M5 5l10 10M15 5L5 15",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  fit: "M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4",
  locate: "M10 2v4M10 14v4M2 10h4M14 10h4M10 6a4 4 0 1 0 0 8a4 4 0 1 0 0-8",
  layers: "M10 3l8 4-8 4-8-4zM2 11l8 4 8-4",
  filter: "M3 5h14M6 10h8M9 15h2",
  account: "M10 10a3.2 3.2 0 1 0 0-6.4a3.2 3.2 0 1 0 0 6.4M3.5 17c.8-3.4 3.2-5 6.5-5s5.700 1.600 6.500 5",
  download: "M10 3v9M6 9l4 4 4-4M4 16h12",
  back: "M12 4l-6 6 6 6",
  up: "M4 12l6-6 6 6",
  down: "M4 8l6 6 6-6",
  next: "M8 4l6 6-6 6",
  copy: "M7 7h9v9H7zM4 13V4h9",
  contrast: "M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14M10 3v14",
};

export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 20 20", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: PATHS[name] })
  );
}

// High: filled; medium: half; low: empty. To be told apart without colour.
export function tierMark(tier) {
  const shape =
    tier === "high"
      ? [svg("rect", { x: 1.5, y: 1.5, width: 11, height: 11, class: "full" })]
      : [
          tier === "medium" &&
            svg("path", { d: "M1.5 12.500V1.500L12.500 12.500z", class: "full" }),
          svg("rect", {
            x: 1.5,
            y: 1.5,
            width: 11,
            height: 11,
            "stroke-dasharray": tier === "low" ? "2.500 2" : null,
          }),
        ];
  return svg(
    "svg",
    { class: `tier tier-${tier}`, viewBox: "0 0 14 14", "aria-hidden": "true" },
    shape
  );
}

// Says a thing to people who do not see the page.
export function announce(text) {
  let live = document.getElementById("live");
  if (!live) {
    live = h("div", { id: "live", class: "unseen", role: "status", "aria-live": "polite" });
    document.body.append(live);
  }
  live.textContent = "";
  requestAnimationFrame(() => {
    live.textContent = text;
  });
}

export async function copyText(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // tried the old way below
    }
  }
  const field = h("textarea", { class: "unseen", readonly: true });
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
