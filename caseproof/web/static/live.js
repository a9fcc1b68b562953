// Shows how an emergency stands by now: each part of the page that is marked so is taken anew, but for one in use.
"use strict";
const EVERY = 3000;
const HERE = document.querySelector("[data-live]").dataset.live;
async function look() {
  try {
    const answer = await fetch(HERE, { headers: { Accept: "text/html" } });
    if (answer.redirected) return location.assign(HERE); // logged out meanwhile
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok) for (const part of document.querySelectorAll("[data-live]")) renew(part, page.getElementById(part.id));
  } catch (down) { /* it looks again */ }
  setTimeout(look, document.hidden ? 5 * EVERY : EVERY);
}
function renew(part, now) {
  if (!now) part.replaceChildren();
  else if (part.innerHTML !== now.innerHTML && !part.contains(document.activeElement)) part.innerHTML = now.innerHTML;
}
setTimeout(look, EVERY);
