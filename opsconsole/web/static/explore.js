// The explore page: a query runs without a reload and puts itself into the address; words are completed as they are typed.
"use strict";
(() => {
  const form = document.getElementById("explore");
  const field = document.getElementById("query");
  const list = document.getElementById("completions");
  const answer = document.getElementById("answer");
  const recent = document.getElementById("recent");
  if (!form) return;

  // Asking. A new question cancels the one before: its request is broken off, which ends its work too.

  const usual = { tab: "table", range: "1h" };
  let running = null;

  function address() {
    const given = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (value.trim() && usual[name] !== value) given.set(name, value.trim());
    }
    const text = given.toString();
    return text ? `?${text}` : "";
  }

  function say(text, broken) {
    const part = document.createElement("p");
    part.className = broken ? "panel s unknown" : "panel calm";
    part.textContent = text;
    answer.replaceChildren(part);
  }

  async function run(push) {
    close();
    const asked = address();
    if (push && location.search !== asked) history.pushState(null, "", form.action + asked);
    if (running) running.abort();
    const mine = (running = new AbortController());
    answer.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(form.dataset.answer + asked, { signal: mine.signal, headers: { "HX-Request": "true" } });
      if (response.status === 401) return location.reload();
      const html = await response.text();
      if (running !== mine) return;
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      answer.innerHTML = html;
      document.dispatchEvent(new Event("console:figures"));
      remember();
    } catch (error) {
      if (running === mine) say(`no answer from the console: ${error.message}`, true);
    } finally {
      if (running === mine) {
        running = null;
        answer.setAttribute("aria-busy", "false");
      }
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(true);
  });
  for (const part of form.querySelectorAll("input[type=radio], select")) {
    part.addEventListener("change", () => { if (field.value.trim()) run(true); });
  }

  window.addEventListener("popstate", () => {
    const given = new URLSearchParams(location.search);
    field.value = given.get("query") || "";
    for (const name of ["end", "step"]) form.elements[name].value = given.get(name) || "";
    form.elements.tab.value = given.get("tab") || usual.tab;
    const range = given.get("range") || usual.range;
    if (![...form.elements.range.options].some((option) => option.value === range)) form.elements.range.add(new Option(range));
    form.elements.range.value = range;
    fit();
    run(false);
  });

  // Completing

  let shown = [];
  let chosen = -1;
  let from = 0; // where the word begins that a suggestion takes the place of, however much of it is typed meanwhile
  let asking = null;
  let waiting = 0;

  function close() {
    clearTimeout(waiting);
    if (asking) asking.abort();
    asking = null;
    shown = [];
    chosen = -1;
    list.hidden = true;
    list.replaceChildren();
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }

  function option(one, index) {
    const item = document.createElement("li");
    item.id = `completion-${index}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    const text = document.createElement("span");
    text.textContent = one.text;
    const kind = document.createElement("small");
    kind.textContent = one.kind;
    item.append(text, " ", kind);
    item.addEventListener("mousedown", (event) => {
      event.preventDefault();
      accept(index);
    });
    return item;
  }

  function open(found) {
    const kept = chosen < 0 ? -1 : found.findIndex((one) => one.insert === shown[chosen].insert);
    shown = found;
    chosen = -1;
    list.replaceChildren(...found.map(option));
    list.hidden = found.length === 0;
    field.setAttribute("aria-expanded", String(found.length > 0));
    field.removeAttribute("aria-activedescendant");
    if (kept >= 0) choose(kept);
  }

  function choose(index) {
    chosen = (index + shown.length) % shown.length;
    [...list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === chosen)));
    const item = list.children[chosen];
    field.setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  }

  function accept(index) {
    const one = shown[index];
    const end = field.selectionStart;
    const after = field.value.slice(end);
    const last = one.insert.slice(-1);
    const text = "\"'`(".includes(last) && after.startsWith(last) ? one.insert.slice(0, -1) : one.insert;
    close();
    field.setRangeText(text, Math.min(from, end), end, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  async function complete(always) {
    if (asking) asking.abort();
    const before = field.value.slice(0, field.selectionStart);
    if (field.selectionStart !== field.selectionEnd || (!always && !/[\w:{"'`=,(.-]$/.test(before))) return close();
    const mine = (asking = new AbortController());
    try {
      const wanted = new URLSearchParams({ before: before.slice(-6000) });
      const response = await fetch(`${form.dataset.complete}?${wanted}`, { signal: mine.signal });
      if (!response.ok) return close();
      const found = await response.json();
      if (asking !== mine) return;
      from = before.length - found.typed.length;
      const bare = !found.typed && found.suggestions.some((one) => one.kind === "metric" || one.kind === "function");
      open(bare && !always ? [] : found.suggestions);
    } catch {
      if (asking === mine) close();
    }
  }

  function fit() {
    field.rows = Math.min(12, Math.max(2, field.value.split("\n").length));
  }

  field.addEventListener("input", () => {
    fit();
    clearTimeout(waiting);
    waiting = setTimeout(() => complete(false), 80);
  });
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      complete(true);
    } else if (shown.length && event.key in moves) {
      event.preventDefault();
      choose(chosen < 0 && event.key === "ArrowUp" ? -1 : chosen + moves[event.key]);
    } else if (shown.length && chosen >= 0 && (event.key === "Enter" || event.key === "Tab") && !event.shiftKey) {
      event.preventDefault();
      accept(chosen);
    } else if (event.key === "Escape") {
      close();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      run(true);
    }
  });

  // Recent queries, in this browser only

  const place = "opsconsole.explore.recent";
  const most = 20;

  function known() {
    try {
      const found = JSON.parse(localStorage.getItem(place) || "[]");
      return Array.isArray(found) ? found.filter((one) => typeof one === "string").slice(0, most) : [];
    } catch {
      return [];
    }
  }

  function keep(queries) {
    try {
      localStorage.setItem(place, JSON.stringify(queries));
    } catch {
      // a browser that keeps nothing
    }
    listRecent();
  }

  function remember() {
    const query = field.value.trim();
    if (query && !document.querySelector("#answer .headline.down")) keep([query, ...known().filter((one) => one !== query)].slice(0, most));
  }

  function listRecent() {
    const queries = known();
    recent.hidden = queries.length === 0;
    recent.querySelector("ul").replaceChildren(...queries.map((query) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      const code = document.createElement("code");
      link.href = `${form.action}?${new URLSearchParams({ query })}`;
      code.textContent = query;
      link.append(code);
      item.append(link);
      return item;
    }));
  }

  recent.querySelector("button").addEventListener("click", () => keep([]));
  fit();
  listRecent();
  if (field.value.trim()) remember();
  else field.focus();
})();
