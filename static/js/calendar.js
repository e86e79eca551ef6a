// <table data-calendar> of td[data-day]: arrows move by day, Enter opens the first post of the day,
// Shift+Enter follows the day's data-create.
const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };

function days(table) {
  return [...table.querySelectorAll("td[data-day]")];
}

function makeReachable(table) {
  const all = days(table);
  const first = all.find((day) => day.getAttribute("aria-current") === "date") ?? all[0];
  for (const day of all) day.tabIndex = day === first ? 0 : -1;
}

document.addEventListener("keydown", (event) => {
  const day = event.target;
  if (!(day instanceof Element) || !day.matches("[data-calendar] td[data-day]")) return;
  const all = days(day.closest("table"));
  const step = STEPS[event.key];
  if (step) {
    event.preventDefault();
    const next = all[all.indexOf(day) + step];
    if (!next) return;
    day.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  } else if (event.key === "Enter" && event.shiftKey && day.dataset.create) {
    event.preventDefault();
    window.location.assign(day.dataset.create);
  } else if (event.key === "Enter") {
    day.querySelector(".entry")?.click();
  }
});

for (const table of document.querySelectorAll("[data-calendar]")) makeReachable(table);
document.body.addEventListener("htmx:afterSwap", () => {
  for (const table of document.querySelectorAll("[data-calendar]")) makeReachable(table);
});
