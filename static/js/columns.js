// Lists whose order counts (<ul data-order>): buttons move an entry up and down.
const list = document.querySelector("[data-order]");
const buttons = document.querySelector("[data-order-buttons]");
if (list && buttons) {
  for (const item of list.children) item.append(buttons.content.cloneNode(true));
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-move]");
    if (!button) return;
    const item = button.closest("li");
    const step = Number(button.dataset.move);
    const beside = step < 0 ? item.previousElementSibling : item.nextElementSibling;
    if (!beside) return;
    if (step < 0) beside.before(item);
    else beside.after(item);
    button.focus();
  });
}
