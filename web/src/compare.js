// Two images of one place with a border between them that one moves: with the pointer on
// the images, or with the keyboard on the slider below.
import { h, icon, svg } from "./dom.js";
import { day, t } from "./words.js";

export function compare({ before, after, geometry }) {
  const first = picture(before, "imagery.before_on", "before");
  const second = picture(after, "imagery.after_on", "after");
  const border = h("span", { class: "border", "aria-hidden": "true" }, h("span", { class: "grip" }, icon("back"), icon("next")));
  const line = geometry && before.bounds ? outline(geometry, before.bounds) : null;
  const frame = h("div", { class: "compare" }, second, first, line, border);
  fitted(frame, before.bounds);
  const slider = h("input", {
    type: "range",
    min: "0",
    max: "100",
    step: "1",
    value: "50",
    class: "compare-slider",
    "aria-label": t("imagery.slider"),
    oninput: () => move(Number(slider.value)),
  });
  const move = (percent) => {
    frame.style.setProperty("--border", `${percent}%`);
    slider.setAttribute("aria-valuetext", t("imagery.slider_value", { percent: Math.round(percent) }));
  };
  const follow = (event) => {
    const { left, width } = frame.getBoundingClientRect();
    const percent = Math.min(Math.max(((event.clientX - left) / width) * 100, 0), 100);
    slider.value = String(percent);
    move(percent);
  };
  frame.addEventListener("pointerdown", (event) => {
    frame.setPointerCapture(event.pointerId);
    follow(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (event.buttons && frame.hasPointerCapture(event.pointerId)) {
      follow(event);
    }
  });
  move(50);
  return h(
    "figure",
    { class: "comparison" },
    frame,
    slider,
    h(
      "figcaption",
      { class: "ends" },
      h("span", {}, t("imagery.before_on", { date: day(before.on) })),
      line &&
        h(
          "label",
          { class: "choice" },
          h("input", {
            type: "checkbox",
            checked: true,
            onchange: (event) => line.classList.toggle("off", !event.target.checked),
          }),
          t("imagery.outline")
        ),
      h("span", {}, t("imagery.after_on", { date: day(after.on) }))
    )
  );
}

// The images are drawn in Web Mercator: its northing by latitude, in degrees.
function northing(latitude) {
  return (Math.log(Math.tan(Math.PI / 4 + (latitude * Math.PI) / 360)) * 180) / Math.PI;
}

function fitted(frame, bounds) {
  if (bounds) {
    const [west, south, east, north] = bounds;
    const ratio = (east - west) / (northing(north) - northing(south));
    frame.style.setProperty("--ratio", String(Math.min(Math.max(ratio, 0.5), 2)));
  }
}

// Where the alert lies on its images.
function outline(geometry, [west, south, east, north]) {
  const top = northing(north);
  const tall = top - northing(south);
  const at = ([longitude, latitude]) =>
    `${(((longitude - west) / (east - west)) * 1000).toFixed(1)} ${(((top - northing(latitude)) / tall) * 1000).toFixed(1)}`;
  const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
  const d = polygons.flatMap((rings) => rings.map((ring) => `M${ring.map(at).join("L")}Z`)).join("");
  return svg(
    "svg",
    { class: "outline", viewBox: "0 0 1000 1000", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { d, class: "outline-under" }),
    svg("path", { d })
  );
}

export function picture(image, key, name) {
  const element = h("img", {
    src: image.url,
    alt: t(key, { date: day(image.on) }),
    class: name,
    loading: "lazy",
    decoding: "async",
    draggable: "false",
    onerror: () => element.replaceWith(h("p", { class: `wrong ${name}` }, t("imagery.broken"))),
  });
  return element;
}
