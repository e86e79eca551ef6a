// <table data-calendar> of td[data-day]: arrows move by day, Enter opens the first post of the day,
// Shift+Enter follows the day's data-create. An entry with data-move may be dragged to a day with
// data-drop: the page's form#move is filled in and sent.
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

document.addEventListener("dragstart", (event) => {
  const entry = event.target.closest?.("[data-move]");
  if (!entry) return;
  event.dataTransfer.setData("application/x-entry", entry.dataset.move);
  event.dataTransfer.effectAllowed = "move";
});

function dropPlace(event) {
  const carried = event.dataTransfer?.types.includes("application/x-entry");
  return carried ? event.target.closest?.("td[data-drop]") : null;
}

document.addEventListener("dragover", (event) => {
  const day = dropPlace(event);
  for (const other of document.querySelectorAll("td.dropping")) {
    if (other !== day) other.classList.remove("dropping");
  }
  if (!day) return;
  event.preventDefault();
  day.classList.add("dropping");
});

document.addEventListener("drop", (event) => {
  const day = dropPlace(event);
  if (!day) return;
  event.preventDefault();
  const form = document.getElementById("move");
  const moved = JSON.parse(event.dataTransfer.getData("application/x-entry"));
  if (moved.day === day.dataset.day) return day.classList.remove("dropping");
  for (const name of ["channel", "id", "version"]) form.elements[name].value = moved[name];
  form.elements.day.value = day.dataset.day;
  form.submit();
});
