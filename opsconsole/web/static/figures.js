// Draws the figures that the server describes; colours named var(--x) take the page's own, so that they follow its theme.
"use strict";
(() => {
  const every = 15000;
  const options = { displayModeBar: false, responsive: true, displaylogo: false, staticPlot: false, scrollZoom: false, doubleClick: false };
  const figures = new Map();

  function coloured(value, styles) {
    if (typeof value === "string") {
      const name = /^var\((--[\w-]+)\)$/.exec(value);
      return name ? styles.getPropertyValue(name[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.length > 64 ? value : value.map((each) => coloured(each, styles));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, coloured(each, styles)]));
    }
    return value;
  }

  function below(chart, tag, kind) {
    const found = chart.parentElement.querySelector(`:scope > .${kind}.drawn`);
    if (found) return found;
    const made = document.createElement(tag);
    made.className = `${kind} drawn`;
    const legend = chart.nextElementSibling;
    (legend && legend.classList.contains("drawn") ? legend : chart).after(made);
    return made;
  }

  // `leads` is a text with the address it leads to, which takes the place of the plain one.
  function say(chart, text, state, leads) {
    const note = below(chart, "div", "note");
    note.textContent = leads ? "" : text;
    note.hidden = !text && !leads;
    if (leads) {
      const link = document.createElement("a");
      link.className = "link";
      link.href = leads.link;
      link.textContent = leads.text;
      note.append(link);
    }
    note.classList.toggle("broken", state === "broken");
    chart.classList.toggle("broken", state === "broken");
  }

  function name(chart, figure) {
    const legend = below(chart, "ul", "legend");
    const names = figure.legend || [];
    legend.hidden = names.length === 0;
    legend.replaceChildren(...names.map((text, index) => {
      const item = document.createElement("li");
      item.className = figure.keys[index];
      item.textContent = text;
      return item;
    }));
  }

  function draw(chart) {
    const figure = figures.get(chart);
    if (!figure || !chart.isConnected) return;
    chart.classList.toggle("empty", figure.data.length === 0);
    if (figure.data.length === 0) {
      Plotly.purge(chart);
      return;
    }
    const styles = getComputedStyle(document.documentElement);
    const layout = coloured(figure.layout, styles);
    layout.autosize = true;
    Plotly.react(chart, coloured(figure.data, styles), layout, options);
  }

  // What stands in the page already, as an answer's own chart does, is drawn once.
  function take(chart) {
    if (figures.has(chart)) return;
    const figure = JSON.parse(document.getElementById(chart.dataset.figureIn).textContent);
    figures.set(chart, figure);
    draw(chart);
    name(chart, figure);
    say(chart, figure.note || "", "");
  }

  async function load(chart) {
    if (document.hidden && figures.has(chart)) return;
    try {
      const response = await fetch(chart.dataset.figure, { headers: { Accept: "application/json" } });
      const figure = await response.json();
      if (!response.ok) throw new Error(figure.problem || figure.error || `HTTP ${response.status}`);
      figures.set(chart, figure);
      draw(chart);
      name(chart, figure);
      const explore = !figure.note && figure.explore && { text: figure.caption, link: figure.explore };
      say(chart, figure.note || figure.caption || "", "", figure.needs || explore);
    } catch (error) {
      say(chart, `not up to date: ${error.message}`, "broken");
    }
  }

  function loadAll() {
    for (const chart of figures.keys()) if (!chart.isConnected) figures.delete(chart);
    document.querySelectorAll(".chart[data-figure]").forEach(load);
    document.querySelectorAll(".chart[data-figure-in]").forEach(take);
  }

  loadAll();
  document.addEventListener("console:figures", loadAll);
  setInterval(loadAll, every);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => [...figures.keys()].forEach(draw));
})();
