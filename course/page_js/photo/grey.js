// A picture file as a plane of greys, upright, and at most 1,000 pixels long: mnist_lib/data/picture_files.py.

import { rounded } from "./figures.js";
import { Refused } from "./refused.js";

const LONGEST = 1000, LARGEST_PICTURE = 100_000_000, STRIP = 64; // pixels: length, area, and rows that are looked at at once

/** -> {values: Float64Array, 0 black to 255 white, height, width}. The message of a Refused is a sentence that says what to do. */
export async function greyOf(file) {
  const picture = await opened(file), { width, height } = picture;
  if (width * height > LARGEST_PICTURE)
    throw new Refused("The picture has over 100 million pixels: make it smaller, or crop it to the digits.");
  const share = Math.min(1, LONGEST / Math.max(width, height)), [high, wide] = [height, width].map((side) => Math.max(1, rounded(side * share)));
  const grey = new Float64Array(high * wide), opacity = new Float64Array(high * wide);
  const across = spans(width, wide), line = { grey: new Uint8Array(wide), opacity: new Uint8Array(wide) };
  spans(height, high).forEach(([first, last], y) => {
    for (let row = first; row <= last; row++) {
      shrinkRow(rowOf(picture, row), across, line);
      for (let x = 0; x < wide; x++) grey[y * wide + x] += line.grey[x], opacity[y * wide + x] += line.opacity[x];
    }
    for (let i = y * wide; i < (y + 1) * wide; i++) for (const values of [grey, opacity]) values[i] = Math.round(values[i] / (last - first + 1));
  });
  picture.close();
  return { values: onPaper(grey, opacity), height: high, width: wide };
}

async function opened(file) {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    const name = file.name || "The file";
    throw new Refused(/\.hei[cf]$/i.test(name) ? `${name} is HEIC, which this browser cannot read: save it as JPEG or PNG and use that.`
      : `${name} is not a picture that this browser can read: use a JPEG or PNG file.`);
  }
}

// The first and the last of the old pixels that each new one is the mean of, in whole pixels: Pillow's BOX filter, which decides so
// where the middle of an old one lies on an edge.
function spans(old, now) {
  const scale = old / now, within = (k, centre) => (k - centre + 0.5) * (1 / scale);
  return Array.from({ length: now }, (_, i) => {
    const centre = (i + 0.5) * scale;
    let first = Math.max(0, Math.floor(centre - 0.5 * scale + 0.5)), last = Math.min(old, Math.floor(centre + 0.5 * scale + 0.5)) - 1;
    if (within(first, centre) <= -0.5) first++;
    if (within(last, centre) > 0.5) last--;
    return [first, last];
  });
}

// One row of a picture as bytes, red, green, blue, opacity; a large picture is not held as bytes in whole.
function rowOf(picture, row) {
  const { width, height } = picture, first = row - (row % STRIP);
  if (picture.first !== first) {
    picture.ink ??= new OffscreenCanvas(width, Math.min(STRIP, height)).getContext("2d", { willReadFrequently: true });
    picture.ink.clearRect(0, 0, width, STRIP);
    picture.ink.drawImage(picture, 0, -first);
    picture.bytes = picture.ink.getImageData(0, 0, width, Math.min(STRIP, height)).data;
    picture.first = first;
  }
  return picture.bytes.subarray(4 * (row - first) * width, 4 * (row - first + 1) * width);
}

// Luminance as television weighs it, times opacity: the means over each span.
function shrinkRow(bytes, across, { grey, opacity }) {
  across.forEach(([first, last], x) => {
    let light = 0, clear = 0;
    for (let i = 4 * first; i <= 4 * last; i += 4) {
      clear += bytes[i + 3];
      light += (((bytes[i] * 19595 + bytes[i + 1] * 38470 + bytes[i + 2] * 7471 + 32768) >> 16) * bytes[i + 3]) / 255;
    }
    grey[x] = Math.round(light / (last - first + 1));
    opacity[x] = Math.round(clear / (last - first + 1));
  });
}

// Under what is transparent lies white, or black where the opaque rest is light.
function onPaper(grey, opacity) {
  const sum = (values) => values.reduce((a, b) => a + b, 0), paper = sum(grey) * 255 > 127.5 * sum(opacity) ? 0 : 255;
  return grey.map((v, i) => v + paper * (1 - opacity[i] / 255));
}
