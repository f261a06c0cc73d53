// Figures of many numbers, by numpy's rules.

/** Of sorted numbers: the value below which this share of them lies, between two neighbours by a straight line. */
export function percentile(sorted, share) {
  const at = (sorted.length - 1) * share, below = Math.floor(at), above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

export const median = (values) => percentile(Float64Array.from(values).sort(), 0.5);

/** To the nearest whole number, halves to the even one. */
export function rounded(v) {
  const low = Math.floor(v), over = v - low;
  return over < 0.5 || (over === 0.5 && low % 2 === 0) ? low : low + 1;
}
