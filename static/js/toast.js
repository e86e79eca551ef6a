// Toasts: ten seconds, paused while the pointer or the focus is on them, with undo where given.
// A response opens one with the header HX-Trigger: {"toast": {"text", "level", "undo"}}.
const LIFE_MS = 10_000;
const box = document.getElementById("toasts");

export function toast({ text, level = "", undo = "" }) {
  const item = document.createElement("div");
  item.className = `toast ${level}`;
  item.setAttribute("role", level === "bad" ? "alert" : "status");
  const words = document.createElement("span");
  words.textContent = text;
  item.append(words);
  if (undo) item.append(button(box.dataset.undoLabel, () => undoAt(undo, item)));
  box.append(adopt(item));
}

function adopt(item) {
  item.append(button(box.dataset.closeLabel, () => item.remove()));
  let timer;
  const start = () => {
    timer = setTimeout(() => item.remove(), LIFE_MS);
  };
  const pause = () => clearTimeout(timer);
  for (const kind of ["pointerenter", "focusin"]) item.addEventListener(kind, pause);
  for (const kind of ["pointerleave", "focusout"]) item.addEventListener(kind, start);
  start();
  return item;
}

function button(label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button quiet small";
  made.textContent = label;
  made.addEventListener("click", act);
  return made;
}

function undoAt(url, item) {
  item.remove();
  window.htmx.ajax("POST", url, { swap: "none" });
}

for (const rendered of box.querySelectorAll(".toast")) adopt(rendered);
document.body.addEventListener("toast", (event) => toast(event.detail));

function failed(event) {
  if (event.detail.requestConfig?.headers["X-Changke-Poll"]) return;
  const reference = event.detail.xhr?.getResponseHeader("X-Request-ID");
  toast({ text: [box.dataset.failed, reference].filter(Boolean).join(" "), level: "bad" });
}

document.body.addEventListener("htmx:responseError", failed);
document.body.addEventListener("htmx:sendError", failed);
document.body.addEventListener("htmx:timeout", failed);
