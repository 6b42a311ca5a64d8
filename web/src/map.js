// The map: our own Sentinel-2 composite below, districts, licences, alerts on top. It is
// drawn on a canvas with the system's own typeface; nothing comes from elsewhere.
import OlMap from "ol/Map.js";
import Overlay from "ol/Overlay.js";
import View from "ol/View.js";
import ScaleLine from "ol/control/ScaleLine.js";
import { createEmpty, extend, getCenter, isEmpty } from "ol/extent.js";
import Feature from "ol/Feature.js";
import GeoJSON from "ol/format/GeoJSON.js";
import CircleShape from "ol/geom/Circle.js";
import Point from "ol/geom/Point.js";
import { defaults as interactions } from "ol/interaction/defaults.js";
import ImageLayer from "ol/layer/Image.js";
import VectorLayer from "ol/layer/Vector.js";
import { fromLonLat, toLonLat, transformExtent } from "ol/proj.js";
import Static from "ol/source/ImageStatic.js";
import VectorSource from "ol/source/Vector.js";
import { getDistance } from "ol/sphere.js";
import Circle from "ol/style/Circle.js";
import Fill from "ol/style/Fill.js";
import RegularShape from "ol/style/RegularShape.js";
import Stroke from "ol/style/Stroke.js";
import Style from "ol/style/Style.js";
import Text from "ol/style/Text.js";
import { TIER_COLOURS } from "./tiers.js";

const TIER_DASH = { high: null, medium: null, low: [6, 4] };
const M2_PER_MU = 10000 / 15;
const SMALLEST_OUTLINE_PX = 16; // below that, a mark says more than an outline
const FONT = '600 12px "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif';
const HIT_PX = 10;

const format = new GeoJSON({ featureProjection: "EPSG:3857" });

export class SiteMap {
  constructor(element, { palette, onSelect, describe }) {
    this.palette = palette;
    this.describe = describe;
    this.colourBy = "tier";
    this.selected = null;
    this.visible = null;
    this.styles = new Map();
    this.backgrounds = [];
    this.covered = 0; // pixels on the left that something lies on
    this.alerts = new VectorSource();
    this.licences = new VectorSource();
    this.districts = new VectorSource();
    this.here = new VectorSource();
    this.layers = {
      districts: layer(this.districts, 5, districtStyle),
      licences: layer(this.licences, 10, (f, r) => this.licenceStyle(f, r)),
      alerts: layer(this.alerts, 20, (f, r) => this.alertStyle(f, r), {
        declutter: true,
        // where labels meet, the first in the list is named
        renderOrder: (one, other) => (one.get("row").rank ?? 0) - (other.get("row").rank ?? 0),
      }),
      here: layer(this.here, 30, hereStyle),
    };
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.overlay = new Overlay({
      element: this.tip,
      offset: [0, -14],
      positioning: "bottom-center",
      stopEvent: false,
    });
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.duration = still ? 0 : 350;
    this.map = new OlMap({
      target: element,
      layers: Object.values(this.layers),
      overlays: [this.overlay],
      controls: [new ScaleLine({ minWidth: 70 })],
      interactions: interactions({
        altShiftDragRotate: false,
        pinchRotate: false,
        zoomDuration: this.duration,
      }),
      view: new View({ center: [0, 0], zoom: 2, minZoom: 3, maxZoom: 20 }),
    });
    this.map.on("click", (event) => {
      const alert = this.at(event.pixel, this.layers.alerts);
      if (alert) {
        onSelect(alert.getId());
      }
      this.showTip(event, alert);
    });
    this.map.on("pointermove", (event) => {
      if (event.dragging || event.originalEvent.pointerType === "touch") {
        return;
      }
      const alert = this.at(event.pixel, this.layers.alerts);
      element.classList.toggle("over", Boolean(alert));
      this.showTip(event, alert);
    });
    for (const each of ["pointerdown", "wheel", "keydown"]) {
      element.addEventListener(each, () => {
        this.moved = true; // a view that somebody chose stays
      }, { passive: true });
    }
    element.addEventListener("pointerleave", () => this.overlay.setPosition(undefined));
    new ResizeObserver(() => this.map.updateSize()).observe(element);
  }

  at(pixel, wanted) {
    return this.map.forEachFeatureAtPixel(pixel, (feature) => feature, {
      hitTolerance: HIT_PX,
      layerFilter: (each) => each === wanted,
    });
  }

  showTip(event, alert) {
    const feature = alert ?? this.at(event.pixel, this.layers.licences);
    this.tip.textContent = feature ? this.describe(feature) : "";
    this.overlay.setPosition(this.tip.textContent ? event.coordinate : undefined);
  }

  setBackgrounds(found, onFail) {
    for (const each of this.backgrounds) {
      this.map.removeLayer(each);
    }
    this.backgrounds = found.map(({ url, coordinates, district }) => {
      const points = coordinates.map((each) => fromLonLat(each));
      const xs = points.map(([x]) => x);
      const ys = points.map(([, y]) => y);
      const source = new Static({
        url,
        imageExtent: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)],
        projection: "EPSG:3857",
      });
      source.on("imageloaderror", () => onFail(district));
      const added = new ImageLayer({ source, zIndex: 0 });
      this.map.addLayer(added);
      return added;
    });
  }

  setShown(name, shown) {
    if (name === "background") {
      this.backgrounds.forEach((each) => each.setVisible(shown));
    } else {
      this.layers[name].setVisible(shown);
    }
  }

  setColourBy(how) {
    this.colourBy = how;
    this.redraw();
  }

  setAlerts(rows) {
    this.alerts.clear();
    this.alerts.addFeatures(
      rows.filter((each) => each.geometry ?? each.point).map((each) => {
        const geometry = each.geometry
          ? format.readGeometry(each.geometry)
          : new Point(fromLonLat(each.point));
        const feature = new Feature({ geometry });
        feature.setId(each.id);
        feature.set("row", each, true);
        feature.set("middle", new Point(middleOf(geometry)), true);
        return feature;
      })
    );
  }

  setVisible(ids) {
    this.visible = ids;
    this.redraw();
  }

  setLicences(features) {
    this.licences.clear();
    this.licences.addFeatures(format.readFeatures(collection(features)));
  }

  setDistricts(features) {
    this.districts.clear();
    this.districts.addFeatures(format.readFeatures(collection(features)));
  }

  redraw() {
    this.layers.alerts.changed();
  }

  select(id, { fly = true } = {}) {
    this.selected = id;
    this.redraw();
    const feature = id && this.alerts.getFeatureById(id);
    if (!feature || !fly) {
      return;
    }
    const extent = feature.getGeometry().getExtent();
    const view = this.map.getView();
    const [west, south, east, north] = view.calculateExtent(this.map.getSize());
    const [x, y] = getCenter(extent);
    const inside =
      x > west + (east - west) * 0.1 &&
      x < east - (east - west) * 0.1 &&
      y > south + (north - south) * 0.1 &&
      y < north - (north - south) * 0.1;
    if (!inside) {
      view.animate({ center: [x, y], duration: this.duration });
    }
  }

  zoomTo(id) {
    const feature = this.alerts.getFeatureById(id);
    if (feature) {
      this.fit(feature.getGeometry().getExtent(), 17);
    }
  }

  zoomToBox(box) {
    this.fit(transformExtent(box, "EPSG:4326", "EPSG:3857"), 17);
  }

  zoomToFeature(id) {
    const feature = this.districts.getFeatureById(id);
    if (feature) {
      this.fit(feature.getGeometry().getExtent(), 17);
    }
    return Boolean(feature);
  }

  fitAll({ animate = true } = {}) {
    const all = createEmpty();
    for (const source of [this.alerts, this.districts]) {
      if (source.getFeatures().length) {
        extend(all, source.getExtent());
      }
    }
    if (isEmpty(all)) {
      for (const each of this.backgrounds) {
        extend(all, each.getSource().getImageExtent());
      }
    }
    if (!isEmpty(all)) {
      this.fit(all, 17, animate ? this.duration : 0);
    }
  }

  fit(extent, maxZoom, duration = this.duration) {
    const padding = [36, 60, 44, 36 + this.covered];
    this.map.getView().fit(extent, { padding, maxZoom, duration });
  }

  zoomBy(steps) {
    const view = this.map.getView();
    view.animate({ zoom: view.getZoom() + steps, duration: this.duration });
  }

  showHere({ longitude, latitude, accuracy }) {
    this.here.clear();
    const centre = fromLonLat([longitude, latitude]);
    const stretch = 1 / Math.cos((latitude * Math.PI) / 180);
    this.here.addFeatures([
      new Feature(new CircleShape(centre, accuracy * stretch)),
      new Feature(new Point(centre)),
    ]);
    this.map.getView().animate({ center: centre, duration: this.duration });
  }

  // Metres from a position to the middle of an alert.
  distanceTo(id, { longitude, latitude }) {
    const feature = this.alerts.getFeatureById(id);
    if (!feature) {
      return null;
    }
    const there = toLonLat(feature.get("middle").getCoordinates());
    return getDistance([longitude, latitude], there);
  }

  alertStyle(feature, resolution) {
    const row = feature.get("row");
    if (this.visible && !this.visible.has(row.id) && row.id !== this.selected) {
      return null;
    }
    const selected = row.id === this.selected;
    const colour = this.colourOf(row);
    const across = Math.sqrt(row.area_mu * M2_PER_MU) / resolution;
    const small = across < SMALLEST_OUTLINE_PX || feature.getGeometry().getType() === "Point";
    const named = small ? resolution < 12 || selected : true;
    const key = [colour, row.tier, selected, small, named && row.rank].join();
    if (!this.styles.has(key)) {
      this.styles.set(key, small ? mark(colour, row, selected, named) : outline(colour, row, selected));
    }
    const styles = this.styles.get(key);
    if (small) {
      styles.forEach((each) => each.setGeometry((f) => f.get("middle")));
    }
    return styles;
  }

  colourOf(row) {
    return this.colourBy === "category"
      ? (this.palette.category[row.category] ?? "#777777")
      : (TIER_COLOURS[row.tier] ?? "#777777");
  }

  licenceStyle(feature, resolution) {
    const colour = this.palette.kind[feature.get("kind")] ?? "#0072b2";
    const [west, , east] = feature.getGeometry().getExtent();
    const named = (east - west) / resolution > 60;
    return [
      new Style({ stroke: new Stroke({ color: "rgba(255,255,255,.85)", width: 4 }) }),
      new Style({
        stroke: new Stroke({ color: colour, width: 2, lineDash: [9, 5] }),
        fill: new Fill({ color: "rgba(255,255,255,0.02)" }), // so that a pointer finds it
        text: named
          ? new Text({
              text: String(feature.get("licence_id") ?? ""),
              font: FONT,
              fill: new Fill({ color: colour }),
              stroke: new Stroke({ color: "#fff", width: 4 }),
              placement: "point",
              textBaseline: "top",
              overflow: true,
            })
          : undefined,
      }),
    ];
  }
}

function layer(source, zIndex, style, more = {}) {
  return new VectorLayer({ source, zIndex, style, ...more });
}

function collection(features) {
  return { type: "FeatureCollection", features };
}

function middleOf(geometry) {
  switch (geometry.getType()) {
    case "Polygon":
      return geometry.getInteriorPoint().getCoordinates().slice(0, 2);
    case "MultiPolygon": {
      const largest = geometry
        .getPolygons()
        .reduce((most, each) => (each.getArea() > most.getArea() ? each : most));
      return largest.getInteriorPoint().getCoordinates().slice(0, 2);
    }
    default:
      return getCenter(geometry.getExtent());
  }
}

function outline(colour, row, selected) {
  const width = selected ? 4 : row.tier === "high" ? 2.5 : 2;
  return [
    new Style({
      stroke: new Stroke({ color: selected ? "#0a1f2b" : "#fff", width: width + 4 }),
      zIndex: selected ? 2 : 0,
    }),
    new Style({
      stroke: new Stroke({
        color: selected ? "#ffd84d" : colour,
        width,
        lineDash: TIER_DASH[row.tier],
      }),
      fill: new Fill({ color: `${colour}1f` }),
      text: label(row, selected, 0),
      zIndex: selected ? 3 : 1,
    }),
  ];
}

function mark(colour, row, selected, named) {
  const stroke = new Stroke({ color: selected ? "#0a1f2b" : "#fff", width: selected ? 3 : 2 });
  const fill = new Fill({ color: selected ? "#ffd84d" : colour });
  const radius = selected ? 10 : 7;
  const always = { declutterMode: "none" }; // labels give way, marks never
  const image =
    row.tier === "low"
      ? new Circle({
          radius: radius - 1,
          stroke: new Stroke({ color: selected ? "#0a1f2b" : colour, width: 3 }),
          fill: new Fill({ color: selected ? "#ffd84d" : "#fff" }),
          ...always,
        })
      : row.tier === "medium"
        ? new RegularShape({ points: 3, radius: radius + 2, fill, stroke, ...always })
        : new RegularShape({ points: 4, radius: radius + 1, angle: Math.PI / 4, fill, stroke, ...always });
  return [
    new Style({
      image,
      text: named ? label(row, selected, 14) : undefined,
      zIndex: selected ? 3 : 1,
    }),
  ];
}

function label(row, selected, offsetX) {
  return new Text({
    text: String(row.rank ?? ""),
    font: FONT,
    offsetX,
    textAlign: offsetX ? "left" : "center",
    fill: new Fill({ color: "#0a1f2b" }),
    stroke: new Stroke({ color: selected ? "#ffd84d" : "#fff", width: 4 }),
    overflow: true,
    declutterMode: selected ? "obstacle" : "declutter",
  });
}

function districtStyle() {
  return [
    new Style({ stroke: new Stroke({ color: "rgba(255,255,255,.9)", width: 4 }) }),
    new Style({ stroke: new Stroke({ color: "#33424d", width: 1.5 }) }),
  ];
}

function hereStyle(feature) {
  return feature.getGeometry().getType() === "Point"
    ? new Style({
        image: new Circle({
          radius: 8,
          fill: new Fill({ color: "#1666d0" }),
          stroke: new Stroke({ color: "#fff", width: 3 }),
        }),
      })
    : new Style({
        fill: new Fill({ color: "rgba(22,102,208,.14)" }),
        stroke: new Stroke({ color: "#1666d0", width: 1 }),
      });
}
