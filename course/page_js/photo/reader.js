// From a picture file to the digits in it, or to one sentence on why there are none.

import { greyOf } from "./grey.js";
import { readPicture } from "./reading.js";

/** -> {grey, lightInk, ink, digits}, as reading.js gives them, or {sentence}. */
export async function readFile(file) {
  try {
    const { values, height, width } = await greyOf(file);
    return readPicture(values, height, width);
  } catch (error) {
    if (error instanceof RangeError) return { sentence: error.message };
    throw error;
  }
}
