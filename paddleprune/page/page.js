"use strict";
// Fills the sections of template.html from the JSON in #facts. A section without data goes.
const facts = JSON.parse(document.getElementById("facts").textContent);
const $ = (id) => document.getElementById(id);
const BLUE = "#2f6fa7", ORANGE = "#d9822b", GREY = "#8a8f98";
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const charts = {}; // to draw again when the reader's scheme changes
const narrow = window.matchMedia("(max-width: 600px)").matches;

function make(tag, text, parent, kind) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  if (parent) parent.append(element);
  return element;
}

function short(value) {
  for (const [size, unit] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]]) {
    if (value >= size) return (value / size).toFixed(2) + unit;
  }
  return String(value);
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(2) + " MB";
const unit = facts.metric.scale === 100 ? " %" : " \u00b7 10\u207b\u00b3";
const metric = (value) => (facts.metric.scale * value).toFixed(facts.metric.scale === 100 ? 2 : 3) + unit;
const times = (before, after) => (after > 0 ? (before / after).toFixed(2) + "x" : "");

const bare = (value) => (facts.metric.scale * value).toFixed(facts.metric.scale === 100 ? 1 : 2);
const between = ([low, high]) => `${bare(low)} to ${bare(high)}`;

function runtime(key) { // lite_x86_t2 -> Paddle Lite x86, 2 threads
  const [, name, threads] = key.match(/^(.*)_t(\d+)$/);
  const names = { inference: "Paddle Inference", lite_x86: "Paddle Lite x86", openvino: "OpenVINO", onnx: "ONNX Runtime", ncnn: "ncnn", mnn: "MNN" };
  return `${names[name] ?? name}, ${threads} thread${threads === "1" ? "" : "s"}`;
}

function card(parent, name, value, more) {
  const box = make("div", undefined, parent, "card");
  make("span", name, box);
  make("b", value, box);
  make("span", more, box);
  return box;
}

function chart(id, traces, layout) {
  const base = {
    font: { family: "system-ui, DejaVu Sans, sans-serif", size: narrow ? 11 : 13, color: colour("ink") },
    margin: { l: narrow ? 48 : 64, r: 12, t: 12, b: 48 },
    paper_bgcolor: colour("paper"), plot_bgcolor: colour("paper"), hovermode: "closest",
    legend: { orientation: "h", y: 1.12 }, height: narrow ? 300 : 380,
  };
  const lines = { gridcolor: colour("line"), zerolinecolor: colour("line") };
  const axes = { xaxis: { ...lines, ...layout.xaxis }, yaxis: { ...lines, ...layout.yaxis } };
  Plotly.react(id, traces, { ...base, ...layout, ...axes }, { responsive: true, displayModeBar: false });
  charts[id] = [traces, layout];
}

function cells(row, latencies) { // [value, where it may be]
  const ranges = row.latency_range_ms ?? {};
  return [[row.variant], [megabytes(row.size_bytes)], [short(row.macs)], [short(row.params)],
    [metric(row.value), row.interval && between(row.interval)], [row.before_retrain == null ? "" : metric(row.before_retrain)],
    ...latencies.map((key) => [row.latency_ms[key].toFixed(2) + " ms", ranges[key]?.map((ms) => ms.toFixed(1)).join(" to ")])];
}

function headline() {
  const [before, ...after] = facts.rows;
  const best = after.length ? after[after.length - 1] : before;
  $("summary").textContent = after.length
    ? `${best.variant}: ${times(before.size_bytes, best.size_bytes)} smaller, `
      + `${facts.metric.name} ${metric(before.value)} \u2192 ${metric(best.value)}`
    : `${facts.metric.name} ${metric(before.value)}`;
  const show = (name, from, to, text) => card($("cards"), name, text(to), after.length
    ? `from ${text(from)}, ${times(from, to)} less` : "");
  show("size", before.size_bytes, best.size_bytes, megabytes);
  show("multiply-adds", before.macs, best.macs, short);
  show("parameters", before.params, best.params, short);
  card($("cards"), facts.metric.name, metric(best.value), [after.length ? `from ${metric(before.value)}` : "",
    best.interval ? `95 %: ${between(best.interval)}` : ""].filter(Boolean).join("; "));
  for (const key of Object.keys(before.latency_ms)) {
    show(runtime(key), before.latency_ms[key], best.latency_ms[key], (ms) => ms.toFixed(2) + " ms");
  }
  const latencies = Object.keys(before.latency_ms);
  const titles = ["model", "size", "multiply-adds", "parameters", facts.metric.name, "before retraining", ...latencies.map(runtime)];
  const head = make("tr", undefined, $("rows"));
  for (const name of titles) make("th", name, head);
  for (const row of facts.rows) {
    const line = make("tr", undefined, $("rows"));
    cells(row, latencies).forEach(([text, range], i) => {
      const box = make("td", text, line);
      box.dataset.title = titles[i]; // shown on narrow screens, where a row is a list
      if (range) make("small", range, box);
    });
  }
}

function budget() {
  const b = facts.budget;
  const slider = $("slider");
  const names = Object.keys(b.groups);
  slider.max = b.steps.length - 1;
  slider.value = Math.max(0, b.steps.findIndex((step) => step.budget >= (b.chosen ?? (b.provenance.compensated ? 0.01 : 0.05)) - 1e-9));
  const update = () => {
    const step = b.steps[slider.value];
    $("chosen").textContent = step.budget.toFixed(3);
    $("predicted").replaceChildren();
    card($("predicted"), "size", megabytes(step.size_bytes), `${times(b.dense.size_bytes, step.size_bytes)} smaller`);
    card($("predicted"), "multiply-adds", short(step.macs), `${times(b.dense.macs, step.macs)} fewer`);
    card($("predicted"), "parameters", short(step.params), `${times(b.dense.params, step.params)} fewer`);
    for (const [key, ms] of Object.entries(step.latency_ms)) {
      card($("predicted"), runtime(key), ms.toFixed(2) + " ms", "by its multiply-adds");
    }
    $("command").textContent = `${b.command} --eval_metric_loss ${step.budget} --save_dir output/pruned_${step.budget}`;
    const kept = names.map((name) => (step.kept[name] ?? b.groups[name]) / b.groups[name]);
    chart("ratios", [{
      type: "bar", x: names, y: kept.map((k) => 100 * (1 - k)), marker: { color: BLUE },
      hovertemplate: "%{x}<br>%{y:.1f} % removed<extra></extra>",
    }], { xaxis: { showticklabels: false, title: { text: "groups, from the input to the output" } },
      yaxis: { title: { text: "removed, %" }, range: [0, 100] } });
  };
  slider.addEventListener("input", update);
  update();
}

function curves() {
  const b = facts.budget;
  const shade = (i) => `hsl(${210 - 170 * (i / Math.max(1, b.curves.length - 1))}, 60%, 45%)`;
  const draw = () => {
    const words = $("filter").value.toLowerCase();
    const shown = b.curves.map((curve, i) => [curve, i]).filter(([curve]) => curve.group.toLowerCase().includes(words));
    $("matches").textContent = `${shown.length} of ${b.curves.length} groups`;
    chart("sensitivities", shown.map(([curve, i]) => ({
      type: "scatter", mode: "lines+markers", name: curve.group, line: { color: shade(i), width: 1.5 },
      marker: { size: 4 }, showlegend: false,
      x: [0, ...curve.points.map((p) => p[0])], y: [0, ...curve.points.map((p) => p[1])],
      hovertemplate: `${curve.group}<br>ratio %{x:.2f}: loss %{y:.4f}<extra></extra>`,
    })), { xaxis: { title: { text: "ratio: fraction of the group's channels removed" }, rangemode: "tozero" },
      yaxis: { title: { text: `relative loss of ${facts.metric.name}` } } });
  };
  $("filter").addEventListener("input", draw);
  draw();
}

function plans() {
  for (const plan of facts.plans) make("option", plan.name, $("which"));
  const draw = () => {
    const { layers } = facts.plans[$("which").selectedIndex];
    const names = layers.map((layer) => layer.layer.replace(/\.weight$/, ""));
    const bar = (y, name, color) => ({
      type: "bar", x: names, y, name, marker: { color },
      customdata: layers.map((layer) => `${layer.kept} of ${layer.total}`),
      hovertemplate: "%{x}<br>%{customdata} filters kept<extra></extra>",
    });
    chart("plan", [
      bar(layers.map((l) => l.kept), "kept", BLUE), bar(layers.map((l) => l.total - l.kept), "removed", colour("line")),
    ], { barmode: "stack", xaxis: { showticklabels: false, title: { text: "layers, from the input to the output" } },
      yaxis: { title: { text: "filters" } } });
  };
  $("which").addEventListener("change", draw);
  draw();
}

function pareto() {
  const better = (a, b) => (facts.metric.higher_is_better ? a.value > b.value : a.value < b.value);
  const front = [...facts.rows].sort((a, b) => a.size_bytes - b.size_bytes)
    .filter((row, i, rows) => rows.slice(0, i).every((smaller) => better(row, smaller)));
  chart("front", [{
    type: "scatter", mode: "lines", x: front.map((row) => row.size_bytes / 1e6), hoverinfo: "skip",
    y: front.map((row) => facts.metric.scale * row.value), line: { color: colour("line"), width: 2 }, showlegend: false,
  }, {
    showlegend: false, type: "scatter", mode: "markers+text", x: facts.rows.map((row) => row.size_bytes / 1e6),
    y: facts.rows.map((row) => facts.metric.scale * row.value), text: facts.rows.map((row) => row.variant),
    textposition: "top center", marker: { size: 11, color: facts.rows.map((row, i) => (i ? BLUE : GREY)) },
    hovertemplate: "%{text}<br>%{x:.2f} MB, %{y:.3f}<extra></extra>", cliponaxis: false,
  }], { xaxis: { title: { text: "size, MB" }, rangemode: "tozero" }, yaxis: { title: { text: facts.metric.name + unit } } });
}

function classes() { // what became of each, the worst change first
  const models = facts.rows.filter((row) => row.classes);
  const [first, last] = [models[0].classes.values, models[models.length - 1].classes.values];
  const known = (name) => last[name] != null && first[name] != null; // no picture shows the others
  const change = (name) => (known(name) ? last[name] - first[name] : 2);
  const names = Object.keys(first).sort((a, b) => change(a) - change(b)).slice(0, 40);
  $("of").textContent = `${models[0].classes.of} by class, the one that lost most first`
    + (Object.keys(first).length > names.length ? `; ${names.length} of ${Object.keys(first).length}` : "");
  const head = make("tr", undefined, $("by"));
  for (const title of ["class", ...models.map((row) => row.variant), "change"]) make("th", title, head);
  const cell = (value) => (value == null ? "" : (100 * value).toFixed(1) + " %");
  for (const name of names) {
    const line = make("tr", undefined, $("by"));
    const points = 100 * change(name);
    const changed = known(name) ? (points > 0 ? "+" : "") + points.toFixed(1) : "";
    for (const text of [name, ...models.map((row) => cell(row.classes.values[name])), changed]) {
      make("td", text, line);
    }
  }
}

function training() {
  const runs = facts.training.filter((run) => run.lines.length);
  const colours = [GREY, BLUE, ORANGE, "#4a9b6e", "#8b5fb0", "#b5493b"];
  const trace = (run, i, kind, key) => {
    const lines = run.lines.filter((line) => line.kind === kind && line[key] != null);
    return {
      type: "scatter", mode: kind === "eval" ? "lines+markers" : "lines", name: run.name,
      x: lines.map((line) => line.step), y: lines.map((line) => line[key]), line: { color: colours[i % 6], width: 1.5 },
    };
  };
  chart("losses", runs.map((run, i) => trace(run, i, "train", "loss")),
    { xaxis: { title: { text: "step" } }, yaxis: { title: { text: "training loss" }, rangemode: "tozero" } });
  chart("metrics", runs.map((run, i) => trace(run, i, "eval", facts.metric.name)),
    { xaxis: { title: { text: "step" } }, yaxis: { title: { text: `${facts.metric.name} on validation data` } } });
}

function examples() {
  for (const example of facts.examples) {
    const line = make("div", undefined, $("pictures"), "example");
    for (const [name, address] of example) {
      const figure = make("figure", undefined, line);
      const picture = make("img", undefined, figure);
      picture.src = address;
      picture.alt = `result of ${name}`;
      make("figcaption", name, figure);
    }
  }
}

function provenance() {
  const fold = (title, text) => {
    const details = make("details", undefined, $("sources"));
    make("summary", title, details);
    make("pre", text, details);
  };
  const p = facts.provenance;
  make("p", `${p.machine}, ${p.date}`, $("sources"), "note");
  fold("command", p.command);
  fold("versions", JSON.stringify(p.versions, null, 1));
  if (facts.budget) fold("sensitivities", JSON.stringify(facts.budget.provenance, null, 1));
  for (const model of p.models) {
    fold(`${model.name}: pruning`, JSON.stringify({ weights: model.weights, pruning: model.pruning }, null, 1));
    fold(`${model.name}: config`, model.config);
  }
}

headline();
const sections = [
  [["budget", "curves"], facts.budget, () => { budget(); curves(); }],
  [["plans"], facts.plans.length, plans],
  [["pareto"], facts.rows.length > 2, pareto],
  [["classes"], facts.rows.length > 1 && facts.rows.every((row) => row.classes), classes],
  [["training"], facts.training.some((run) => run.lines.length), training],
  [["examples"], facts.examples.length, examples],
];
for (const [ids, there, fill] of sections) {
  if (there) fill();
  else ids.forEach((id) => $(id).remove());
}
provenance();
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const [id, [traces, layout]] of Object.entries(charts)) chart(id, traces, layout);
});
