// From a picture file to the digits in it, or to one sentence on why there are none.

import { greyOf } from "./grey.js";
import { readPicture } from "./reading.js";
import { Refused } from "./refused.js";

/** -> {grey, lightInk, ink, digits}, as reading.js gives them, or {sentence}. */
export async function readFile(file) {
  try {
    const { values, height, width } = await greyOf(file);
    return readPicture(values, height, width);
  } catch (error) {
    return { sentence: error instanceof Refused ? error.message : `The picture could not be read (${error.message}): take a smaller one.` };
  }
}
