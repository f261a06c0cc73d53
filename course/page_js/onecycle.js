// The learning rate of every step: up from a tenth of the largest within the first 40 %, then down to nearly nothing, each along
// half a cosine, as torch's OneCycleLR.

const RISE = 0.4, FIRST_SHARE = 10, LAST_SHARE = 1000; // of the largest rate: a tenth, a thousandth

export function oneCycle(step, steps, largest) {
  const peak = RISE * steps - 1, half = (from, to, share) => to + ((from - to) / 2) * (1 + Math.cos(Math.PI * share));
  if (step <= peak) return half(largest / FIRST_SHARE, largest, peak ? step / peak : 1);
  return half(largest, largest / LAST_SHARE, (step - peak) / (steps - 1 - peak));
}
