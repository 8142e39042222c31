// What a page does by itself: ages that count on, and honesty about being live.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  let skew = 0;

  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  function age(seconds) {
    for (const [size, unit] of units) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
    return "0 s";
  }

  function duration(seconds) {
    for (let i = 0; i < units.length; i++) {
      const [size, unit] = units[i];
      if (seconds < size) continue;
      const smaller = units[i + 1];
      const more = smaller ? Math.floor((seconds % size) / smaller[0]) : 0;
      return `${Math.floor(seconds / size)} ${unit}` + (more ? ` ${more} ${smaller[1]}` : "");
    }
    return "0 s";
  }

  function learnTime() {
    const said = document.querySelector("[data-now]");
    if (said) skew = Date.parse(said.dataset.now) - Date.now();
  }

  function count() {
    const now = Date.now() + skew;
    for (const time of document.querySelectorAll("time[data-age], time[data-for]")) {
      const seconds = Math.max(0, Math.floor((now - Date.parse(time.dateTime)) / 1000));
      const text = "age" in time.dataset ? age(seconds) : duration(seconds);
      if (time.textContent !== text) time.textContent = text;
    }
  }

  learnTime();
  setInterval(count, 1000);

  for (const select of document.querySelectorAll("select[data-submit]")) {
    select.addEventListener("change", () => select.form.submit());
  }

  const live = document.getElementById("live");
  if (!live || !window.htmx) return;

  function say(on) {
    live.classList.toggle("on", on);
    live.classList.toggle("off", !on);
    root.classList.toggle("stale", !on);
    const at = new Date().toLocaleTimeString();
    live.textContent = on ? "live" : `not live since ${at}`;
  }

  let on = null;
  function heard(now) {
    if (now !== on) say(now);
    on = now;
  }

  document.body.addEventListener("htmx:sseOpen", () => heard(true));
  document.body.addEventListener("htmx:sseError", () => heard(false));
  document.body.addEventListener("htmx:sendError", () => heard(false));
  document.body.addEventListener("htmx:timeout", () => heard(false));
  document.body.addEventListener("htmx:responseError", () => heard(false));
  document.body.addEventListener("htmx:afterSwap", () => { heard(true); learnTime(); });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) htmx.trigger("#page", "resume");
  });

  // A chart and what is drawn below it belong to their own script; everything else is brought up to date in place.
  if (window.Idiomorph) {
    const callbacks = Idiomorph.defaults.callbacks;
    callbacks.beforeNodeMorphed = (old) => !(old instanceof Element && old.classList.contains("chart"));
    callbacks.beforeNodeRemoved = (old) => !(old instanceof Element && old.classList.contains("drawn"));
    callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.tagName === "DETAILS");
  }
})();
