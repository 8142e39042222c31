// Brings in what is new and leaves the rest as it is: what a reader has unfolded stays so.
"use strict";
(() => {
  async function renew() {
    const response = await fetch("inbox", { cache: "no-store" });
    const next = new DOMParser().parseFromString(await response.text(), "text/html");
    const main = document.querySelector("main");
    const fresh = [...next.querySelector("main").children];
    const wanted = new Set(fresh.map((one) => one.dataset.key));
    for (const old of [...main.children]) if (!wanted.has(old.dataset.key)) old.remove();
    const held = new Map([...main.children].map((one) => [one.dataset.key, one]));
    let place = main.firstElementChild;
    for (const one of fresh) {
      const kept = held.get(one.dataset.key);
      if (kept) place = kept.nextElementSibling;
      else main.insertBefore(document.adoptNode(one), place);
    }
    document.title = next.title;
    document.querySelector("header").replaceWith(document.adoptNode(next.querySelector("header")));
  }

  setInterval(() => renew().catch(() => {}), 3000);
})();
