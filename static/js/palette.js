// Ctrl/⌘ K: every place and a few acts, found by characters, pinyin or initials; recent ones first.
const dialog = document.getElementById("palette");
const RECENT = "changke.recent";

function recent() {
  try {
    return JSON.parse(sessionStorage.getItem(RECENT)) ?? [];
  } catch {
    return []; // Storage may be switched off; the order is then the declared one.
  }
}

function remember(href) {
  const kept = [href, ...recent().filter((other) => other !== href)].slice(0, 5);
  try {
    sessionStorage.setItem(RECENT, JSON.stringify(kept));
  } catch {
    return; // As above.
  }
}

if (dialog) {
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("[role=listbox]");
  const options = [...list.querySelectorAll("[role=option]")];
  options.forEach((option, place) => {
    option.id = `palette-${place}`;
  });
  let shown = options;
  let current = 0;

  const rank = (option) => {
    const place = recent().indexOf(option.dataset.href);
    return place < 0 ? 99 : place;
  };

  const matches = (option, text) => {
    if (option.dataset.query) return text !== "";
    const words = `${option.dataset.words} ${option.textContent.toLowerCase()}`;
    return text.split(/\s+/).every((part) => words.includes(part));
  };

  // Typed letters mean the beginning of a word first, its middle only where nothing begins so.
  const begins = (option, text) => {
    const words = ` ${option.dataset.words} ${option.textContent.toLowerCase()}`;
    return text.split(/\s+/).every((part) => words.includes(` ${part}`));
  };

  const weight = (option, text) => {
    if (option.dataset.query) return 2;
    return begins(option, text) ? 0 : 1;
  };

  function render() {
    const text = input.value.trim().toLowerCase();
    shown = options.filter((option) => matches(option, text));
    if (!text) shown.sort((a, b) => rank(a) - rank(b));
    else shown.sort((a, b) => weight(a, text) - weight(b, text));
    for (const option of options) option.hidden = !shown.includes(option);
    for (const option of shown) {
      if (option.dataset.query) {
        option.firstElementChild.textContent = `${option.dataset.query}: ${input.value.trim()}`;
      }
      list.append(option);
    }
    mark(0);
  }

  function mark(place) {
    current = Math.max(0, Math.min(place, shown.length - 1));
    options.forEach((option) => option.setAttribute("aria-selected", "false"));
    const option = shown[current];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option?.id ?? "");
  }

  function choose(option) {
    if (!option) return;
    dialog.close();
    if (option.dataset.submit) {
      const button = document.querySelector(option.dataset.submit);
      button.form.requestSubmit(button);
      return;
    }
    const query = option.dataset.query ? encodeURIComponent(input.value.trim()) : "";
    remember(option.dataset.href);
    window.location.assign(option.dataset.href + query);
  }

  input.addEventListener("input", render);
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      mark(current + step);
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(shown[current]);
    }
  });
  list.addEventListener("click", (event) => choose(event.target.closest("[role=option]")));
  dialog.addEventListener("close", () => {
    input.value = "";
    render();
  });
  render();
}

export function openPalette() {
  if (!dialog || dialog.open) return;
  dialog.showModal();
}
