// Keeps the part of a page that has data-live up to date. Forms are outside of it, so
// that nothing moves under somebody's finger; and as long as nothing but the time that is
// left changes, nothing is replaced under somebody's eyes, focus or reading aloud.
"use strict";
(() => {
  const live = document.getElementById("live");
  if (!live || !live.dataset.live) return;
  const every = 3000;
  const status = document.getElementById("status");

  // taken takes the times that are left out of an element, and gives them.
  const taken = (from) => [...from.querySelectorAll("[data-left]")].map((n) => {
    const text = n.textContent;
    n.textContent = "";
    return text;
  });
  const still = live.cloneNode(true);
  taken(still);
  let last = still.innerHTML.trim();

  // replace keeps the focus and how far statements are scrolled.
  const replace = (nodes) => {
    const at = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const scrolled = [...live.querySelectorAll("pre")].map((n) => n.scrollTop);
    live.replaceChildren(...nodes);
    [...live.querySelectorAll("pre")].forEach((n, i) => { n.scrollTop = scrolled[i] || 0; });
    if (at) live.querySelector(`a[href="${CSS.escape(at)}"]`)?.focus();
  };
  const ask = async () => {
    if (document.hidden) return;
    const answer = await fetch(live.dataset.live, {headers: {"X-Fragment": "1"}, credentials: "same-origin", redirect: "error"});
    if (answer.status === 401 || answer.status === 404) { location.reload(); return; }
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html").body;
    const told = page.querySelector("[data-status]");
    if (told) {
      told.remove();
      if (status && status.textContent !== told.textContent) status.textContent = told.textContent;
      document.title = told.dataset.status;
    }
    const left = taken(page);
    const now = page.innerHTML.trim();
    if (now !== last) {
      last = now;
      replace([...page.childNodes].map((n) => document.importNode(n, true)));
      const decide = document.getElementById("decide");
      if (decide && !live.querySelector(".state.pending")) decide.remove();
    }
    live.querySelectorAll("[data-left]").forEach((n, i) => { n.textContent = left[i]; });
  };
  setInterval(() => ask().catch(() => {}), every);
  document.addEventListener("visibilitychange", () => ask().catch(() => {}));
})();
