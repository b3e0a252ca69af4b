// Keeps the part of a page that has data-live up to date. Forms are outside of it, so
// that nothing moves under somebody's finger.
"use strict";
(() => {
  const live = document.getElementById("live");
  if (!live || !live.dataset.live) return;
  const every = 3000;
  let last = "";
  const ask = async () => {
    if (document.hidden) return;
    const answer = await fetch(live.dataset.live, {headers: {"X-Fragment": "1"}, credentials: "same-origin", redirect: "error"});
    if (answer.status === 401 || answer.status === 404) { location.reload(); return; }
    if (!answer.ok) return;
    const text = await answer.text();
    if (text === last) return;
    last = text;
    const page = new DOMParser().parseFromString(text, "text/html");
    live.replaceChildren(...[...page.body.childNodes].map((n) => document.importNode(n, true)));
    const decide = document.getElementById("decide");
    if (decide && !live.querySelector(".state.pending")) decide.remove();
  };
  setInterval(() => ask().catch(() => {}), every);
  document.addEventListener("visibilitychange", () => ask().catch(() => {}));
})();
