// Mounts the instrument of this page and shows a sentence when something breaks.

import { h } from "/shell/dom.js";

const root = document.getElementById("instrument");

function apologise(error) {
  console.error(error);
  if (root.querySelector(".broken")) return;
  root.prepend(
    h("p", { class: "broken trouble", role: "alert", text: "Something went wrong on this page. Reloading it usually helps." }),
  );
}

addEventListener("error", (event) => apologise(event.error ?? event.message));
addEventListener("unhandledrejection", (event) => apologise(event.reason));

const instrument = await import(root.dataset.module);
await instrument.mount(root);
root.dataset.ready = "true";
