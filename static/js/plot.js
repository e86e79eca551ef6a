// Draws every [data-plot]: the JSON beside it holds data and layout, the tokens give the colours.
// Plotly is fetched only where there is something to draw. A point whose customdata is (or holds)
// an address opens it in the side panel, like the link in the table beneath.
const LIBRARY = new URL("../vendor/plotly.min.js", import.meta.url).href;
const SERIES = [1, 2, 3, 4, 5, 6];
const CONFIG = { displayModeBar: false, responsive: true };
let loading = null;

function library() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = LIBRARY;
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", reject);
    document.head.append(script);
  });
  return loading;
}

function tokens() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

// "var(--series-1)" anywhere in the figure becomes the colour of the moment.
function resolved(value, token) {
  if (typeof value === "string") {
    return value.replace(/var\(--([a-z0-9-]+)\)/g, (_, name) => token(name));
  }
  if (Array.isArray(value)) return value.map((item) => resolved(item, token));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, resolved(v, token)]));
  }
  return value;
}

function axis(token, own) {
  return {
    automargin: true,
    fixedrange: true,
    gridcolor: token("line"),
    linecolor: token("line"),
    zerolinecolor: token("line-strong"),
    ...own,
  };
}

function figure(source) {
  const token = tokens();
  const { data, layout } = resolved(JSON.parse(source.textContent), token);
  const styled = {
    autosize: true,
    margin: { l: 8, r: 8, t: 24, b: 32 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    colorway: SERIES.map((number) => token(`series-${number}`)),
    font: { family: token("font"), size: 12, color: token("text-2") },
    hoverlabel: { bgcolor: token("surface"), bordercolor: token("line-strong"), font: { color: token("text") } },
    legend: { orientation: "h" },
    separators: ".,",
    ...layout,
  };
  styled.xaxis = axis(token, styled.xaxis);
  styled.yaxis = axis(token, styled.yaxis);
  return { data, layout: styled };
}

function hrefOf(customdata) {
  const values = Array.isArray(customdata) ? customdata : [customdata];
  return values.find((value) => typeof value === "string" && value.startsWith("/"));
}

function open(href) {
  const link = document.createElement("a");
  link.href = href;
  link.dataset.panel = "";
  link.hidden = true;
  document.body.append(link);
  link.click();
  link.remove();
}

async function draw(place) {
  const source = document.getElementById(place.dataset.plot);
  if (!source) return;
  const drawn = place.classList.contains("js-plotly-plot");
  const plotly = await library();
  const { data, layout } = figure(source);
  await plotly.react(place, data, layout, CONFIG);
  place.dataset.drawn = "true";
  if (drawn) return;
  place.on("plotly_click", (event) => {
    const href = hrefOf(event.points[0]?.customdata);
    if (href) open(href);
  });
}

export function drawAll(root = document) {
  for (const place of root.querySelectorAll("[data-plot]")) draw(place);
}

drawAll();
document.addEventListener("htmx:afterSwap", (event) => drawAll(event.target));
// The theme may change by the switch or with the system.
new MutationObserver(() => drawAll()).observe(document.documentElement, {
  attributes: true,
  attributeFilter: ["data-theme"],
});
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
