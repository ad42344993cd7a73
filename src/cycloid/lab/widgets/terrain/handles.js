// The two things a person can hold: the ball and the tip of the arrow. Both work by pointer and by keyboard.

import { h } from "/shell/dom.js";

/** Call `move` while the pointer drags the element, `done` when it lets go. */
export function drags(element, move, done = () => {}) {
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    element.classList.add("held");
    move(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) move(event);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    element.addEventListener(name, () => {
      element.classList.remove("held");
      done();
    });
  }
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export function ballHandle(events, primary) {
  return handle("ball", primary, {
    "aria-label": "The ball. Arrow keys move it, Enter makes a step.",
    "aria-roledescription": "movable ball",
    role: "button",
    keydown(event) {
      const way = ARROWS[event.key];
      if (way) events.nudgeBall(way[0] * (event.shiftKey ? 0.2 : 1), way[1] * (event.shiftKey ? 0.2 : 1));
      return Boolean(way);
    },
    events,
  });
}

export function arrowHandle(events, primary) {
  return handle("tip", primary, {
    "aria-label": "Your arrow. Left and right keys turn it, Enter makes a step.",
    role: "slider",
    "aria-valuemin": 0,
    "aria-valuemax": 359,
    "aria-valuenow": 0,
    keydown(event) {
      const way = ARROWS[event.key];
      if (way) events.turn((way[0] + way[1]) * (event.shiftKey ? 1 : 5));
      return Boolean(way);
    },
    events,
  });
}

function handle(name, primary, { keydown, events, ...attributes }) {
  return h("div", {
    class: `handle ${name}`,
    ...(primary ? { ...attributes, tabindex: 0 } : { "aria-hidden": "true" }),
    on: {
      keydown(event) {
        if (event.key === "Enter") events.step();
        else if (!keydown(event)) return;
        event.preventDefault();
      },
    },
  });
}
