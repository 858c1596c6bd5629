// What pages do beyond their forms and links: the theme, live parts, filters, charts. Without it everything still works.
(() => {
  "use strict";
  const root = document.documentElement;
  const kept = {
    get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("theme", value); } catch { /* a page that may not keep anything */ } },
  };
  if (kept.get()) root.dataset.theme = kept.get();

  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const money = (value) => value == null ? "" : "$" + value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 1 ? 4 : 2 });

  const stacked = (series) => series.map((_, at) => series[0].map((__, day) => series.slice(at).reduce((sum, each) => sum + each[day], 0)));

  function draw(box) {
    const { days, series } = JSON.parse(box.dataset.chart);
    box.replaceChildren();
    if (!window.uPlot || !days.length || !series.length) { box.style.minHeight = "0"; return; }
    const xs = days.map((day) => Date.parse(day + "T00:00:00") / 1000);
    const raw = series.map((each) => each.values);
    const bars = box.dataset.kind === "stack";
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const options = {
      width: box.clientWidth || 320, height: 240, cursor: { drag: { x: false, y: false }, y: false },
      scales: { x: { time: true, range: (_, low, high) => bars ? [low - 43200, high + 43200] : [low, high] }, y: { range: (_, __, high) => [0, (high || 1) * 1.08] } },
      axes: [
        { ...axis, grid: { show: false }, values: (_, all) => all.map((at) => new Date(at * 1000).toLocaleDateString("en", { day: "numeric", month: "short" })) },
        { ...axis, size: 64, values: (_, all) => all.map((value) => bars ? money(value) : value.toLocaleString("en")) },
      ],
      series: [
        { value: (_, at) => at == null ? "" : new Date(at * 1000).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" }), label: "day" },
        ...series.map((each, at) => ({
          label: each.label, stroke: colour(`--c${at % 5}`), fill: bars ? colour(`--c${at % 5}`) : colour("--accent-soft"), width: bars ? 0 : 2, points: { show: false },
          paths: bars ? window.uPlot.paths.bars({ size: [0.7, 40] }) : undefined,
          value: (_, __, ___, day) => day == null ? "" : bars ? money(raw[at][day]) : raw[at][day].toLocaleString("en"),
        })),
      ],
    };
    new window.uPlot(options, [xs, ...(bars ? stacked(raw) : raw)], box);
  }
  const drawAll = () => document.querySelectorAll(".chart").forEach(draw);

  function filter(input) {
    const rows = document.querySelectorAll(`#${input.dataset.filter} tbody tr`);
    const wanted = input.value.trim().toLowerCase();
    rows.forEach((row) => { row.hidden = !row.textContent.toLowerCase().includes(wanted); });
  }
  const filterAll = () => document.querySelectorAll("[data-filter]").forEach((input) => { if (input.value) filter(input); });

  // Fetch the page again and put the parts in that have changed; a part in which somebody writes is left alone.
  const was = new WeakMap();
  let busy = false, again = false;
  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const next = fresh.getElementById(part.id);
        const held = part.contains(document.activeElement) && /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
        if (!next || held || was.get(part) === next.innerHTML) continue;
        const open = [...part.querySelectorAll("details")].map((each) => each.open);
        was.set(part, next.innerHTML);
        part.replaceChildren(...next.childNodes);
        part.querySelectorAll("details").forEach((each, at) => { if (at in open) each.open = open[at]; });
        part.classList.remove("fresh"); void part.offsetWidth; part.classList.add("fresh");
        part.querySelectorAll(".chart").forEach(draw);
      }
      const nav = fresh.querySelector(".top nav");
      if (nav) document.querySelector(".top nav").replaceChildren(...nav.childNodes);
      filterAll();
      say("updated " + new Date().toLocaleTimeString("en-GB"));
    } catch { /* the next event tries again */ } finally {
      busy = false;
      if (again) { again = false; refresh(); }
    }
  }
  function say(text, away) {
    const live = document.getElementById("live");
    if (live) { live.textContent = text; live.classList.toggle("away", Boolean(away)); }
  }
  function listen(address) {
    const source = new EventSource(address);
    let known = null;
    source.addEventListener("vault", (event) => {
      say("live");
      if (known !== null && known !== event.data) refresh();
      known = event.data;
    });
    source.onerror = () => say("not connected", true);
    addEventListener("pagehide", () => source.close());
  }

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (button) {
      button.hidden = false;
      button.addEventListener("click", () => {
        root.dataset.theme = dark() ? "light" : "dark";
        kept.set(root.dataset.theme);
        drawAll();
      });
    }
    document.querySelectorAll("[data-live]").forEach((part) => { was.set(part, part.innerHTML); });
    document.querySelectorAll("[data-filter]").forEach((input) => input.addEventListener("input", () => filter(input)));
    filterAll();
    drawAll();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
    let timer;
    addEventListener("resize", () => { clearTimeout(timer); timer = setTimeout(drawAll, 150); });
    addEventListener("keydown", (event) => {
      if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
        const field = document.querySelector("input[type=search]");
        if (field) { event.preventDefault(); field.focus(); }
      }
    });
    if (document.body.dataset.events) listen(document.body.dataset.events);
  });
})();
