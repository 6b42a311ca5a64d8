// Colours of the tiers on the map; style.css has the same for their marks.
export const TIER_COLOURS = { high: "#c8390b", medium: "#b97a00", low: "#3f6f9e" };
