// Numbers as colours: blue above zero, orange below, purple for NaN; ink on paper for images. The tones are the style sheet's.

const TONES = ["ink", "paper", "above", "below", "dead", "mark", "quiet"];

/** The colours that hold for `root` now; `before`, if they are still the same. */
export function colours(root, before = null) {
  const style = getComputedStyle(root);
  const tones = TONES.map((name) => style.getPropertyValue(`--${name}`).trim()), key = tones.join();
  if (before?.key === key) return before;
  const named = Object.fromEntries(TONES.map((name, i) => [name, tones[i]]));
  const [ink, paper, above, below, dead] = tones.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  const word = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  const mix = (a, b, share) => a.map((v, i) => Math.round(v + (b[i] - v) * share));
  // from paper over the colour towards ink
  const ramp = (colour, share) => (share < 0.7 ? mix(paper, colour, share / 0.7) : mix(colour, ink, (share - 0.7) * 1.6));
  const table = Uint32Array.from({ length: 511 }, (_, i) => word(i < 255 ? ramp(below, (255 - i) / 255) : ramp(above, (i - 255) / 255)));
  const grey = Uint32Array.from({ length: 256 }, (_, i) => word(mix(paper, ink, i / 255)));
  return { key, ...named, table, grey, deadWord: word(dead) };
}

/** values -> words, from -top to top. */
export function paint({ table, deadWord }, words, values, top) {
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    words[i] = v !== v ? deadWord : table[255 + Math.round((255 * v) / top)];
  }
}

/** An image, 0 paper to 1 ink -> words. */
export function paintInk({ grey }, words, image) {
  image.forEach((v, i) => (words[i] = grey[Math.round(255 * Math.min(1, Math.max(0, v)))]));
}

/** The largest size among numbers, so that none of them is painted beyond the ends; never 0. */
export function largest(values) {
  let top = 1e-6;
  for (const v of values) top = Math.max(top, Math.abs(v));
  return top;
}
