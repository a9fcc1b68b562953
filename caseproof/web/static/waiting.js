// Looks whether the case went on after an answer, and then shows what it asks now. Only where nothing can be typed.
"use strict";
let pause = 1500;
async function look() {
  try {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok && !page.querySelector("[data-waiting]")) return location.reload();
  } catch (down) { /* it looks again */ }
  pause = Math.min(pause * 1.2, 15000);
  setTimeout(look, pause);
}
setTimeout(look, pause);
