// What is seen, written into the page's address, so that a link shows it again.

const GRID = 2; // pixels of the pad to a unit: every place fits a byte
const FAR = 3; // pixels; points nearer to the last one are left out

/** Strokes as text: of each its pen, how many points, and the points. */
export function written(strokes) {
  const bytes = strokes.flatMap(({ width, points }) => {
    const kept = points.filter(([x, y], i) => i === 0 || i === points.length - 1 || Math.hypot(x - points[i - 1][0], y - points[i - 1][1]) >= FAR);
    const places = kept.slice(0, 65535).flat().map((v) => Math.min(255, Math.max(0, Math.round(v / GRID))));
    return [width, (places.length / 2) >> 8, (places.length / 2) & 255, ...places];
  });
  return asText(bytes);
}

const asText = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const asBytes = (text) => Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

export function strokesOf(text) {
  const bytes = asBytes(text), strokes = [];
  for (let at = 0; at < bytes.length; ) {
    const [width, high, low] = bytes.slice(at, at + 3), count = 256 * high + low;
    at += 3;
    if (!count || at + 2 * count > bytes.length) throw new RangeError("A stroke is cut off.");
    strokes.push({ width, points: Array.from({ length: count }, (_, i) => [GRID * bytes[at + 2 * i], GRID * bytes[at + 2 * i + 1]]) });
    at += 2 * count;
  }
  return strokes;
}

/** The digit that is seen now, and the tab: what suits any network. */
export function drawingOf({ pad, tab }) {
  const state = new URLSearchParams();
  if (pad.chosen !== null) state.set("digit", pad.chosen);
  else if (pad.given) state.set("image", asText(pad.given.map((v) => Math.round(255 * v))));
  else if (pad.strokes.length) state.set("strokes", written(pad.strokes));
  state.set("tab", tab);
  return state;
}

/** The address of what is seen now. A network that has learnt in the page is not part of it. */
export function addressOf(view) {
  const { unit: { layer, map, row, col }, net, epoch } = view, state = drawingOf(view);
  state.set("unit", [net.layers[layer].name, map, row, col].join());
  if (epoch !== null) state.set("epoch", epoch);
  return `${location.href.split("#")[0]}#${state}`;
}

/** Show what an address says; what it does not say, or says wrongly, stays as it is. */
export function follow(view, hash) {
  const state = new URLSearchParams(hash.replace(/^#/, "")), number = (key) => (/^\d+$/.test(state.get(key) ?? "") ? +state.get(key) : -1);
  const [name, ...place] = (state.get("unit") ?? "").split(","), [map, row, col] = place.map(Number);
  const layer = view.net.layers.findIndex((one) => one.name === name);
  if (layer >= 0) view.setUnit({ layer, map, row, col });
  if (Object.hasOwn(view.tabs, state.get("tab") ?? "")) view.showTab(state.get("tab"));
  view.setEpoch(number("epoch"));
  const digit = number("digit");
  if (digit >= 0 && digit < view.network.labels.length) view.take(digit);
  try {
    const image = asBytes(state.get("image") ?? "");
    if (image.length === view.net.input.length) view.pad.give(Float32Array.from(image, (v) => v / 255));
    if (state.get("strokes")) view.pad.put(strokesOf(state.get("strokes")));
  } catch {} // a link that was cut short
}
