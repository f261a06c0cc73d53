// The page alone: the view, and beside it a network that learns.

import { mount, unpacked } from "../../mnist_lib/widgets/inside.js";
import { follow } from "./address.js";
import { canLearn } from "./can_learn.js";
import { challenges } from "./challenges.js";
import { Keep } from "./keep.js";
import { Learning } from "./learning.js";

export async function open(root, packed) {
  const view = await mount(root, packed);
  new Keep(view);
  view.pad.node.parentNode.append(challenges());
  follow(view, location.hash);
  addEventListener("hashchange", () => follow(view, location.hash));
  if (!packed.training || !canLearn(view.network.layers)) return { view };
  const images = await unpacked(packed.training.images), labels = Uint8Array.from(packed.training.labels);
  return { view, learning: new Learning(view, { images, labels }, packed.training.test, document.getElementById("worker").textContent) };
}
