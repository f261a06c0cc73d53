// The page alone: the view, what it is given and what is taken away, and beside it a network that learns.

import { mount, unpacked } from "../../mnist_lib/widgets/inside.js";
import { follow } from "./address.js";
import { canLearn } from "./can_learn.js";
import { challenges } from "./challenges.js";
import { Keep } from "./keep.js";
import { Learning } from "./learning.js";
import { networkLinks, withChosenNetwork } from "./networks.js";
import { Photos } from "./photo/photos.js";

export async function open(root, packed) {
  const view = await mount(root, withChosenNetwork(packed)), code = document.getElementById("worker").textContent, photos = new Photos(view, new Keep(view), code);
  view.top.parentNode.append(challenges(view.net.layers));
  if (packed.others) root.before(networkLinks(packed, view));
  follow(view, location.hash);
  addEventListener("hashchange", () => follow(view, location.hash));
  if (!packed.training || !canLearn(view.network.layers)) return { view, photos };
  const images = await unpacked(packed.training.images), labels = Uint8Array.from(packed.training.labels);
  return { view, photos, learning: new Learning(view, { images, labels }, packed.training.test, code) };
}
