// What places are called: counties and districts, from the session's areas and borders.
import { said } from "./words.js";

export class Names {
  constructor(areas = []) {
    this.areas = new Map(areas.map((each) => [each.code, each]));
    this.rows = new Map();
  }

  addDistricts(features) {
    for (const { properties: each, id } of features) {
      const code = each.code ?? each.district ?? id;
      if (!this.areas.has(code)) {
        this.areas.set(code, each);
      }
    }
  }

  keep(rows) {
    this.rows = new Map(rows.map((each) => [each.id, each]));
  }

  row(id) {
    return this.rows.get(id);
  }

  of(code) {
    return said(this.areas.get(code), "name") || code;
  }

  district(code) {
    return this.of(code);
  }

  place(row) {
    const codes = row.county_codes?.length ? row.county_codes : [row.district];
    return codes.filter(Boolean).map((code) => this.of(code)).join("、");
  }

  words(row) {
    return [...(row.county_codes ?? []), row.district].flatMap((code) => {
      const area = this.areas.get(code);
      return area ? [area.name_zh, area.name_en] : [];
    });
  }
}
