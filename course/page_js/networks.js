// Which of the networks inside the page is shown is part of its address: ?network=few, or none for the first.

import { el } from "../../mnist_lib/widgets/js/dom.js";
import { drawingOf } from "./address.js";

const chosenName = ({ others = {} }) => {
  const name = new URLSearchParams(location.search).get("network") ?? "";
  return Object.hasOwn(others, name) ? name : "";
};

/** What the page holds, with the network that its address names in place of the first. */
export function withChosenNetwork(packed) {
  const other = packed.others?.[chosenName(packed)];
  if (!other) return packed;
  document.title = other.title;
  document.querySelector("h1").textContent = other.heading;
  document.querySelector("footer").innerHTML = other.about; // written by page.py, as the first one's was
  return { ...packed, network: other.network, weights: other.weights };
}

/** A link to each network; the drawing goes along. */
export function networkLinks(packed, view) {
  const networks = [["", packed.network], ...Object.entries(packed.others).map(([key, { network }]) => [key, network])];
  const links = networks.map(([key, { parameters }]) => {
    const search = key && `?network=${key}`, shown = key === chosenName(packed);
    const link = el("a", { href: search || location.pathname, ...(shown && { "aria-current": "page" }) }, `${parameters.toLocaleString("en")} numbers`);
    if (!shown) link.onclick = () => (link.href = `${location.href.split(/[?#]/)[0]}${search}#${drawingOf(view)}`);
    return link;
  });
  return el("nav", { className: "in-networks", "aria-label": "The network" }, ...links);
}
