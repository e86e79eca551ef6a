// Tables: j and k walk the rows of <table data-rows>, x selects; <form data-selection> keeps count.
const FIELDS = "input:not([type=checkbox]), textarea, select, [contenteditable]";

function rows() {
  return [...document.querySelectorAll("[data-rows] tbody tr")].filter((row) =>
    row.querySelector("a[href]"),
  );
}

function walk(step) {
  const all = rows();
  const here = all.indexOf(document.activeElement.closest("tr"));
  const next = all[here < 0 ? (step > 0 ? 0 : all.length - 1) : here + step];
  next?.querySelector("a[href]").focus();
}

document.addEventListener("focusin", (event) => {
  document.querySelector("tr[data-current]")?.removeAttribute("data-current");
  event.target.closest("[data-rows] tbody tr")?.setAttribute("data-current", "");
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.body.dataset.singleKeys === "off" || document.querySelector("dialog:modal")) return;
  if (event.target instanceof Element && event.target.closest(FIELDS)) return;
  if (event.key === "j") walk(1);
  else if (event.key === "k") walk(-1);
  else if (event.key === "x") {
    document.querySelector("tr[data-current] input[type=checkbox][name=ids]")?.click();
  }
});

function count(form) {
  const boxes = [...form.querySelectorAll("input[name=ids]")];
  const chosen = boxes.filter((box) => box.checked);
  for (const box of boxes) box.closest("tr")?.setAttribute("aria-selected", String(box.checked));
  const page = form.querySelector("[data-select-page]");
  if (page) {
    page.checked = boxes.length > 0 && chosen.length === boxes.length;
    page.indeterminate = chosen.length > 0 && !page.checked;
  }
  const banner = form.querySelector("[data-select-all-banner]");
  const flag = form.querySelector("[data-select-all-value]");
  const total = Number(banner?.dataset.total ?? 0);
  if (flag && chosen.length < boxes.length) flag.value = "";
  const everything = Boolean(flag?.value);
  if (banner) {
    banner.hidden = !(page?.checked && total > boxes.length);
    const words = banner.querySelector("[data-page-text]");
    const text = everything ? words.dataset.allText : words.dataset.pageText;
    words.textContent = text.replace("{n}", (everything ? total : chosen.length).toLocaleString("en"));
    banner.querySelector("[data-select-all]").hidden = everything;
  }
  const bar = form.querySelector("[data-bulk-bar]");
  if (bar) {
    bar.hidden = chosen.length === 0;
    const words = bar.querySelector("[data-count-text]");
    const number = everything ? total : chosen.length;
    words.textContent = words.dataset.countText.replace("{n}", number.toLocaleString("en"));
  }
}

function setAll(form, checked) {
  for (const box of form.querySelectorAll("input[name=ids]")) box.checked = checked;
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-selection]");
  if (!form) return;
  if (event.target.matches("[data-select-page]")) setAll(form, event.target.checked);
  count(form);
});

document.addEventListener("click", (event) => {
  const form = event.target.closest("form[data-selection]");
  if (!form) return;
  if (event.target.closest("[data-select-all]")) {
    form.querySelector("[data-select-all-value]").value = "1";
    count(form);
  } else if (event.target.closest("[data-select-none]")) {
    setAll(form, false);
    count(form);
  }
});

// A page restored by the browser may come back with boxes ticked; a swap brings new rows.
for (const form of document.querySelectorAll("form[data-selection]")) count(form);
document.body.addEventListener("htmx:afterSwap", () => {
  for (const form of document.querySelectorAll("form[data-selection]")) count(form);
});
