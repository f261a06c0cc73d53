// Which of the networks inside the page is shown is part of its address: ?network=few, or none for the first.

import { el } from "../../mnist_lib/widgets/js/dom.js";
import { drawingOf } from "./address.js";

const name = ({ others = {} }) => {
  const named = new URLSearchParams(location.search).get("network") ?? "";
  return Object.hasOwn(others, named) ? named : "";
};

/** What the page holds, with the network that its address names in place of the first. */
export function named(packed) {
  const other = packed.others?.[name(packed)];
  if (!other) return packed;
  document.title = other.title;
  document.querySelector("h1").textContent = other.heading;
  document.querySelector("footer").innerHTML = other.about; // written by page.py, as the first one's was
  return { ...packed, network: other.network, weights: other.weights };
}

/** Links to each network, the drawing goes along: of 13,960 numbers, or of 3,502. */
export function choice(packed, view) {
  const networks = [["", packed.network], ...Object.entries(packed.others).map(([key, { network }]) => [key, network])];
  const links = networks.map(([key, { parameters }]) => {
    const search = key && `?network=${key}`, shown = key === name(packed);
    const link = el("a", { href: search || location.pathname, ...(shown && { "aria-current": "page" }) }, `${parameters.toLocaleString("en")} numbers`);
    link.onclick = () => (link.href = `${location.href.split(/[?#]/)[0]}${search}#${drawingOf(view)}`);
    return link;
  });
  return el("nav", { className: "in-networks", "aria-label": "The network" }, ...links);
}
